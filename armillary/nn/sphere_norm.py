"""Batch normalisation of functions on the sphere given by coefficients: exactly equivariant."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class S2BatchNorm(nn.Module):
    r"""Each channel at mean 0 and variance 1 over batch and sphere, then a learned scale and shift.

    .. math:: \mu = E[f_{00}], \qquad \sigma^2 = E\Big[\sum_{lm} f_{lm}^2\Big] - \mu^2

    These are the integrals over the sphere (Parseval), what quadrature weights would give; means over the nodes of an
    equiangular grid, which crowd at the poles, depend on how the function is turned.

    Args:
        momentum: Share of the new batch in the running mean and variance.
        eps: Added to the variance.

    Example:
        >>> S2BatchNorm(4)(torch.rand(5, 4, 49)).shape
        torch.Size([5, 4, 49])
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, coeffs: Float[Tensor, "batch channels coeffs"]) -> Float[Tensor, "batch channels coeffs"]:
        """Coefficients of the normalised functions."""
        mean, variance = self._moments(coeffs) if self.training else (self.running_mean, self.running_var)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = nn.functional.pad((self.bias - mean * scale)[:, None], (0, coeffs.shape[-1] - 1))
        return coeffs * scale[:, None] + shift

    def _moments(self, coeffs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of this batch, which the running ones take a share of."""
        mean = coeffs[..., 0].mean(0)
        # Of the centred constant, so that a large mean does not cancel.
        variance = (coeffs[..., 0] - mean).square().mean(0) + coeffs[..., 1:].square().sum(-1).mean(0)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_(variance.to(self.running_var), self.momentum)
        return mean, variance
