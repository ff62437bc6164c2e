r"""Normalised Jacobi functions: the part of a Wigner-d function that is a polynomial in the cosine.

With :math:`m\ge n\ge 0, \mu=m-n, \nu=m+n, k=l-m`,

.. math:: d^l_{mn}(\beta) = \sin^\mu\tfrac\beta2\,\cos^\nu\tfrac\beta2\; K^l_{mn}(\cos\beta), \qquad
    K^l_{mn}(x) = \sqrt{\frac{k!\,(k+\mu+\nu)!}{(k+\mu)!\,(k+\nu)!}}\; P_k^{(\mu,\nu)}(x)

Reference: Varshalovich et al., Quantum Theory of Angular Momentum (1988), 4.3.4 eq. 13 and, for the recurrence in l,
    4.8.1 eq. 4. Forward recurrence of orthogonal polynomials is stable on [-1, 1].
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.constant import constant

Orders = tuple[tuple[int, int], ...]


class _Recurrence(NamedTuple):
    """K^{l+1} = (slope x + offset) K^l - previous K^{l-1}, from K^m = first."""

    slope: Float[Tensor, "pairs degrees"]
    offset: Float[Tensor, "pairs degrees"]
    previous: Float[Tensor, "pairs degrees"]
    first: Float[Tensor, " pairs"]
    start: Int[Tensor, " pairs"]


def all_orders(lmax: int) -> Orders:
    """Every pair (m, n) with lmax >= m >= n >= 0; the pair stands at ``m * (m + 1) // 2 + n``."""
    return tuple((m, n) for m in range(lmax + 1) for n in range(m + 1))


def zonal_orders(lmax: int) -> Orders:
    """The pairs (m, 0): those of the spherical harmonics."""
    return tuple((m, 0) for m in range(lmax + 1))


@constant
def _recurrence(lmax: int, orders: Orders) -> _Recurrence:
    high = torch.tensor([m for m, _ in orders], dtype=torch.float64)[:, None]
    low = torch.tensor([n for _, n in orders], dtype=torch.float64)[:, None]
    degree = torch.arange(lmax + 1, dtype=torch.float64)[None, :]
    after = degree + 1
    inside = degree >= high
    above = torch.where(inside, ((after**2 - high**2) * (after**2 - low**2)).clamp(min=0).sqrt(), 1.0)
    below = torch.where(inside, (degree**2 - high**2) * (degree**2 - low**2), 0.0).sqrt()
    slope = torch.where(inside, after * (2 * degree + 1) / above, 0.0)
    # degree.clamp keeps 0 / 0 out at l = 0, where both numerators are zero anyway.
    offset = -slope * high * low / (degree.clamp(min=1) * after)
    previous = after * below / (degree.clamp(min=1) * above)
    first = torch.tensor([math.sqrt(math.comb(2 * m, m - n)) for m, n in orders], dtype=torch.float64)
    return _Recurrence(slope, offset, previous, first, high[:, 0].long())


def jacobi(lmax: int, orders: Orders, x: Float[Tensor, " points"]) -> Float[Tensor, "degrees pairs points"]:
    """K^l_{mn}(x) for l = 0..lmax and the given pairs (m, n); zero where l < m.

    Example:
        >>> jacobi(1, ((0, 0),), torch.tensor([0.5]))[:, 0, 0]
        tensor([1.0000, 0.5000])
    """
    table = _Recurrence(*(part.to(x.device) for part in _recurrence(lmax, orders)))
    slope, offset, previous, first = (part.to(x.dtype)[..., None] for part in table[:4])
    newer = older = torch.zeros_like(first * x)
    rows = []
    for degree in range(lmax + 1):
        newer = torch.where((table.start == degree)[:, None], first, newer)
        rows.append(newer)
        newer, older = (slope[:, degree] * x + offset[:, degree]) * newer - previous[:, degree] * older, newer
    return torch.stack(rows)
