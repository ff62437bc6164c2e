"""Heads: features of the last layer become a distribution over rotations."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.distributions import HarmonicDistribution


class HarmonicHead(nn.Module):
    """SO(3) coefficients to the harmonic distribution they define, after one learned scale.

    A sharp density needs large coefficients; the scale lets one parameter move all of them. It is the exponential of
    the parameter, so it stays positive.

    Args:
        scale: Factor on the coefficients when untrained.

    Example:
        >>> HarmonicHead()(torch.zeros(2, 35)).batch_shape
        torch.Size([2])
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, coeffs: Float[Tensor, "*batch modes"]) -> HarmonicDistribution:
        """The distribution, with the training normaliser in training mode and the exact one in eval mode."""
        return HarmonicDistribution(coeffs * self.log_scale.exp())
