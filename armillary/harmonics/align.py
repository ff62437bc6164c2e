r"""The rotations that best turn one function onto another: peaks of their correlation.

Refined peaks are exact: the planted rotation of random band-limited functions comes back to 1e-7 degrees in float64 and
to 1e-4 in float32 (tests/harmonics/test_align.py). The highest node of a grid alone, ``oversampling`` given, is off
by (degrees, median / largest of 40 random pairs of four channels; ``benchmarks/correlation_grid.py``)

    ==============  ===========  ===========  ===========
    bandwidth       x 1          x 2          x 4
    ==============  ===========  ===========  ===========
    4               18 / 30      8.2 / 18     4.3 / 8.3
    8               9.5 / 15     4.4 / 7.0    1.9 / 3.9
    16              4.3 / 7.0    2.3 / 3.3    1.0 / 1.8
    32              2.2 / 3.5    0.9 / 1.7    0.5 / 0.9
    ==============  ===========  ===========  ===========

where bandwidth is lmax + 1 and x 1 has twice the bandwidth of nodes on each axis.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.correlation import correlate, correlate_so3
from armillary.harmonics.layout import require_finite, so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.so3_transform import SO3Transform
from armillary.so3.rotation import from_euler_zyz


class Alignment(NamedTuple):
    """Rotations (*batch, k, 3, 3), best first, and their scores (*batch, k).

    A score is the correlation divided by both norms, from -1 to 1; it is 1 where the functions are equal when turned.
    The scores of missing peaks are ``-inf``.
    """

    rotation: Tensor
    score: Tensor


def align_s2(
    first: Float[Tensor, "*#batch coeffs"],
    second: Float[Tensor, "*#batch coeffs"],
    k: int = 1,
    channel_dim: int | None = None,
    oversampling: float | None = None,
) -> Alignment:
    """The k rotations R that best turn ``second`` onto ``first``, both on the sphere: ``rotate_s2(second, R) ~ first``.

    A function with a symmetry group has a peak for each of its elements: ask for as many, and compare the scores.
    Not differentiable; differentiate ``evaluate_so3(correlate(first, second), R)`` instead.

    Args:
        first: Sphere coefficients.
        second: Sphere coefficients.
        k: How many rotations.
        channel_dim: Axis of the channels, which turn together; None where every function is on its own.
        oversampling: Take the highest node of a grid, and no refinement; see the table of this module.

    Example:
        >>> from armillary.harmonics import rotate_s2
        >>> from armillary.so3 import rotation_x
        >>> second, R = torch.randn(4, 25, generator=torch.Generator().manual_seed(0)), rotation_x(torch.tensor(0.5))
        >>> rotation, score = align_s2(rotate_s2(second, R), second, channel_dim=0)
        >>> torch.allclose(rotation[0], R, atol=1e-5), score.round(decimals=4)
        (True, tensor([1.]))
    """
    require_finite(first, second)
    return _peaks(correlate(first, second, channel_dim), _norms(first, second, channel_dim), k, oversampling)


def align_so3(
    first: Float[Tensor, "*#batch modes"],
    second: Float[Tensor, "*#batch modes"],
    k: int = 1,
    channel_dim: int | None = None,
    oversampling: float | None = None,
) -> Alignment:
    """The k rotations R that best turn ``second`` onto ``first``, both on SO(3): ``rotate_so3(second, R) ~ first``.

    Arguments as ``align_s2``.

    Example:
        >>> align_so3(torch.ones(10), torch.ones(10)).rotation.shape
        torch.Size([1, 3, 3])
    """
    require_finite(first, second)
    return _peaks(correlate_so3(first, second, channel_dim), _norms(first, second, channel_dim), k, oversampling)


@torch.no_grad()
def highest_node(
    coeffs: Float[Tensor, "*batch modes"], oversampling: float = 1.0
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch"]]:
    """The rotation with the largest value on a grid of ``2 (lmax + 1) oversampling`` nodes an axis, and that value.

    Example:
        >>> highest_node(torch.ones(10))[0].shape
        torch.Size([3, 3])
    """
    if not oversampling >= 1:
        raise ValueError(f"expected an oversampling of at least 1, got {oversampling}; use 2, or leave it out")
    lmax = so3_lmax(coeffs.shape[-1])
    grid = _grid(lmax, math.ceil(2 * (lmax + 1) * oversampling), coeffs.dtype, coeffs.device)
    value, node = grid.synthesis(coeffs).flatten(-3).max(-1)
    step, beta = 2 * torch.pi / grid.azimuths, grid.beta.to(coeffs)
    alpha, gamma = (step * part.to(coeffs) for part in (node // grid.azimuths % grid.azimuths, node % grid.azimuths))
    return from_euler_zyz(alpha, beta[node // grid.azimuths**2], gamma), value


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def _grid(lmax: int, count: int, dtype: torch.dtype, device: torch.device) -> SO3Transform:
    return SO3Transform(lmax, count, count, "equiangular", dtype).to(device)


@torch.no_grad()
def _peaks(correlation: Tensor, norms: Tensor, k: int, oversampling: float | None) -> Alignment:
    if oversampling is None:
        rotation, value = find_peaks(correlation, k)
    elif k == 1:
        rotation, value = (part.unsqueeze(correlation.ndim - 1) for part in highest_node(correlation, oversampling))
    else:
        raise ValueError(f"expected k = 1 with an oversampling, got {k}; leave the oversampling out to have more peaks")
    return Alignment(rotation, value / norms[..., None])


def _norms(first: Tensor, second: Tensor, channel_dim: int | None) -> Tensor:
    """Product of the L2 norms, over the channels too; above zero."""
    axes = (-1,) if channel_dim is None else (-1, channel_dim)
    product = torch.linalg.vector_norm(first, dim=axes) * torch.linalg.vector_norm(second, dim=axes)
    return product.clamp(min=torch.finfo(product.dtype).tiny)
