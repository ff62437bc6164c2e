"""Heads: features of the last layer become a distribution over rotations."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.distributions import HarmonicDistribution, Normaliser, TurnedGrid


class HarmonicHead(nn.Module):
    """SO(3) coefficients to the harmonic distribution they define, after one learned scale.

    A sharp density needs large coefficients; the scale lets one parameter move all of them. It is the exponential of
    the parameter, so it stays positive. In training mode the distribution normalises itself on one randomly turned grid
    (fast, unbiased, not foolable); in eval mode exactly, so its ``log_prob`` is deterministic.

    Args:
        scale: Factor on the coefficients when untrained.
        training_normaliser: Used in training mode. Assign the attribute to change it, for example to a finer grid late
            in training.

    Example:
        >>> HarmonicHead()(torch.zeros(2, 35)).batch_shape
        torch.Size([2])
    """

    def __init__(self, scale: float = 1.0, training_normaliser: Normaliser | None = None) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.training_normaliser: Normaliser = training_normaliser or TurnedGrid()

    def forward(self, coeffs: Float[Tensor, "*batch modes"]) -> HarmonicDistribution:
        """The distribution of each row of coefficients."""
        return HarmonicDistribution(coeffs * self.log_scale.exp(), self.training_normaliser if self.training else None)
