r"""The entropy of band-limited log densities as a function to be minimised.

With :math:`f=\langle c, D\rangle` and :math:`A(c)=\log\int e^f` the moments are :math:`E[D]=\nabla A`, so both

.. math:: H = A - \langle c, \nabla A\rangle, \qquad
    \nabla H = -\nabla^2 A\, c = -\frac{d}{d\beta}\,\nabla A(\beta c)\Big|_{\beta=1}

are integrals with the normaliser's own accuracy: the gradient is how the moments change as the density sharpens.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.distributions.integration.adaptive_grid import AdaptiveGrid

# Of beta: the central difference is off by a few hundred-thousandths.
STEP = 0.01


def harmonic_entropy(
    coeffs: Float[Tensor, "*batch modes"], grid: AdaptiveGrid | None = None
) -> Float[Tensor, "*batch"]:
    """Differential entropy in nats of the densities exp f / Z; at most 0, the uniform one's. Differentiable once.

    Args:
        coeffs: of f.
        grid: how to integrate.

    Example:
        >>> coeffs = torch.zeros(10).index_fill(0, torch.tensor([1]), 2.0).requires_grad_()
        >>> entropy = harmonic_entropy(coeffs)
        >>> entropy.backward()
        >>> bool(entropy < 0), bool(coeffs.grad[1] < 0)
        (True, True)
    """
    flat = coeffs.reshape(-1, coeffs.shape[-1])
    return _Entropy.apply(flat, grid or AdaptiveGrid()).reshape(coeffs.shape[:-1])  # type: ignore[no-any-return]


class _Entropy(torch.autograd.Function):
    """Entropy and, where asked for, its gradient."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, grid: AdaptiveGrid) -> Tensor:
        """One integration for the value, two for the gradient."""
        coeffs = coeffs.detach()
        log_integral, moments = grid.integrate(coeffs)
        if ctx.needs_input_grad[0]:  # type: ignore[attr-defined]
            sharper, blunter = (grid.integrate((1 + sign * STEP) * coeffs)[1] for sign in (1, -1))
            ctx.save_for_backward((blunter - sharper) / (2 * STEP))
        # A small difference of large numbers.
        return (log_integral - (coeffs.double() * moments.double()).sum(-1)).to(coeffs)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, None]:
        """The gradient of each density times the incoming one."""
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[:, None] * gradient, None
