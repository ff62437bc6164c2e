r"""The entropy of band-limited log densities as a function to be minimised: exact, with its exact gradient.

With :math:`f=\langle c, D\rangle` and :math:`A(c)=\log\int e^f` the moments are :math:`E[D]=\nabla A`, so

.. math:: H = A - E[f], \qquad \nabla H = -\nabla^2 A\, c = -\mathrm{Cov}(D, f) = -E\bigl[D\,(f-E[f])\bigr]
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.distributions.integration.adaptive_grid import AdaptiveGrid
from armillary.harmonics.layout import so3_lmax


def harmonic_entropy(
    coeffs: Float[Tensor, "*batch modes"], grid: AdaptiveGrid | None = None
) -> Float[Tensor, "*batch"]:
    """Differential entropy in nats of the densities exp f / Z; at most 0, the uniform one's. Differentiable once.

    Args:
        coeffs: of f.
        grid: what finds the nodes that carry the mass, the same for value and gradient.

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
    """Entropy and its gradient, sums over the same nodes."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, grid: AdaptiveGrid) -> Tensor:
        """Sums, and keeps the gradient."""
        coeffs = coeffs.detach()
        entropy, gradient = coeffs.new_zeros(len(coeffs)), torch.zeros_like(coeffs)
        for cloud in grid.clouds(coeffs):
            mean = cloud.mean_height()
            entropy[cloud.rows] = (cloud.log_integral() - mean).to(coeffs)
            excess = cloud.probabilities() * (cloud.height - mean[cloud.owner]).double()
            moments = cloud.nodes.expectation(
                cloud.owner, excess.to(cloud.height), len(cloud.rows), so3_lmax(coeffs.shape[1])
            )
            gradient[cloud.rows] = -moments.to(gradient)
        ctx.save_for_backward(gradient)
        return entropy

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, None]:
        """The gradient of each density times the incoming one."""
        (gradient,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[:, None] * gradient, None
