r"""Pooling on the sphere: to fewer degrees, to a coarser grid, to features that no rotation changes.

Leaving out degrees is exactly equivariant and free. Averages over grid cells (as released) are not: cells differ in
shape, and the mean of columns 2k and 2k+1 (on the Driscoll-Healy grid, of rows too) is assigned to 2k, half a cell off.
Turned back by that, their error on an equiangular grid is a third; of functions without the degrees that go, an eighth.

Reference: Learning SO(3) Equivariant Representations with Spherical CNNs (Esteves et al., 2018),
    https://arxiv.org/abs/1711.06721, sections 4.3 and 4.4
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics import s2_lmax, s2_size
from armillary.harmonics.layout import s2_slice


def spectral_pooling(coeffs: Float[Tensor, "*batch coeffs"], lmax: int) -> Float[Tensor, "*batch kept"]:
    """The degrees up to ``lmax``.

    Example:
        >>> spectral_pooling(torch.rand(2, 49), lmax=3).shape
        torch.Size([2, 16])
    """
    if not 0 <= lmax <= s2_lmax(coeffs.shape[-1]):
        raise ValueError(f"expected lmax from 0 to {s2_lmax(coeffs.shape[-1])}, got {lmax}; pool to fewer degrees")
    return coeffs[..., : s2_size(lmax)]


def row_weights(values: Float[Tensor, "*batch rings azimuths"]) -> Float[Tensor, "rings 1"]:
    """Sine of the polar angle in the middle of each row's cell, (j + 1/2) pi / n: never 0, so also at the pole.

    Example:
        >>> row_weights(torch.zeros(2, 4))[:, 0]
        tensor([0.7071, 0.7071])
    """
    rings = values.shape[-2]
    return torch.sin((torch.arange(rings, device=values.device, dtype=values.dtype) + 0.5) * (math.pi / rings))[:, None]


def weighted_average_pooling(
    values: Float[Tensor, "*batch rings azimuths"],
) -> Float[Tensor, "*batch rings//2 azimuths//2"]:
    r"""Averages of 2 x 2 values of a grid of equispaced polar angles, weighted by area.

    .. math:: g_{jk} = \sum_{a,b \in \{0, 1\}} s_{2j+a} f_{2j+a,2k+b} \Big/ 2 \sum_a s_{2j+a}, \qquad s_j = \sin\theta_j

    The released code divides by twice the area at the lower resolution, which multiplies everything by
    cos(pi / 2 n), 0.9997 at n = 64; here a constant stays itself.

    Example:
        >>> weighted_average_pooling(torch.ones(8, 8)).shape
        torch.Size([4, 4])
    """
    rings, azimuths = values.shape[-2:]
    if rings % 2 or azimuths % 2:
        raise ValueError(f"expected even numbers of rings and azimuths, got {rings} and {azimuths}; resample the grid")
    weights = row_weights(values)
    pairs = (values * weights).unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).sum((-3, -1))
    return pairs / (2 * weights.unflatten(0, (-1, 2)).sum(1))


def weighted_mean(values: Float[Tensor, "*batch rings azimuths"]) -> Float[Tensor, "*batch"]:
    """Mean over a grid of equispaced polar angles, weighted by area; of coefficients the mean is the first.

    Example:
        >>> weighted_mean(torch.ones(3, 8, 8))
        tensor([1., 1., 1.])
    """
    weights = row_weights(values)
    return (values * weights).sum((-2, -1)) / (weights.sum() * values.shape[-1])


def degree_norms(coeffs: Float[Tensor, "*batch coeffs"], floor: float = 1e-6) -> Float[Tensor, "*batch degrees"]:
    r"""The mean, and of each further degree the root mean square of its coefficients: no rotation changes them.

    .. math:: (f_{00},\ \sqrt{\textstyle\sum_m f_{lm}^2 / (2l+1) + \varepsilon^2})

    Args:
        floor: The epsilon, which keeps the gradient finite where a degree vanishes.

    Example:
        >>> degree_norms(torch.tensor([-2.0, 1.0, 1.0, 1.0]))
        tensor([-2.,  1.])
    """
    squares = [coeffs[..., s2_slice(degree)].square().mean(-1) for degree in range(1, s2_lmax(coeffs.shape[-1]) + 1)]
    return torch.stack([coeffs[..., 0], *(torch.sqrt(square + floor**2) for square in squares)], -1)
