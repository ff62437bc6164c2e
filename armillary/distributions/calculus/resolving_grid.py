r"""Normaliser and moments of many densities at once, on the coarsest grid that resolves each.

The rule of N equispaced azimuths errs by :math:`e^{-N^2\sigma^2/2}` for a peak of width sigma, so that of every second
azimuth errs by the fourth root of it: the difference of the two, on the same values, tells whether N is enough (it must
be 1e-5, which leaves room for moments, products of p with waves, and for densities that are no Gaussians). All
densities of one grid are one batch of fast transforms. Those that the finest grid does not resolve are concentrated
enough for the few nodes of ``AdaptiveGrid``.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.integration.adaptive_grid import AdaptiveGrid
from armillary.harmonics.layout import so3_lmax, so3_size
from armillary.harmonics.so3_transform import SO3Transform

TOLERANCE = 1e-8  # relative error of integrals
DOUBLINGS = 3  # grids with 4, 8 and 16 azimuths for each degree
CHUNK = 2**21  # nodes held together: bounds the memory, not the result


class Integrals(NamedTuple):
    """Log normaliser, and expectations of the basis functions."""

    log_integral: Float[Tensor, " batch"]
    moments: Float[Tensor, "batch modes"]


@lru_cache(maxsize=16)
def transform(lmax: int, azimuths: int, dtype: torch.dtype, device: torch.device) -> SO3Transform:
    """Transform of degree lmax on the grid with that many azimuths and half as many rings."""
    return SO3Transform(lmax, rings=azimuths // 2, azimuths=azimuths, dtype=dtype).to(device)


def integrate(coeffs: Float[Tensor, "batch modes"], lmax: int) -> Integrals:
    """Log integral of exp f over Haar probability and the moments of exp f / Z up to degree lmax."""
    log_integral, moments = coeffs.new_empty(len(coeffs)), coeffs.new_empty(len(coeffs), so3_size(lmax))
    waiting = torch.arange(len(coeffs), device=coeffs.device)
    degree = max(so3_lmax(coeffs.shape[-1]), lmax // 2, 2)
    for azimuths in ((4 * degree + 4) * 2**doubling for doubling in range(DOUBLINGS)):
        if not len(waiting):
            break
        unresolved = []
        for rows in waiting.split(max(1, CHUNK // (azimuths**3 // 2))):
            part, resolved = _on_grid(coeffs[rows], lmax, azimuths)
            log_integral[rows], moments[rows] = part
            unresolved.append(rows[~resolved])
        waiting = torch.cat(unresolved)
    for cloud in AdaptiveGrid(TOLERANCE).clouds(coeffs[waiting]) if len(waiting) else ():
        log_integral[waiting[cloud.rows]] = cloud.log_integral()
        moments[waiting[cloud.rows]] = cloud.moments(lmax)
    return Integrals(log_integral, moments)


def _on_grid(coeffs: Float[Tensor, "batch modes"], lmax: int, azimuths: int) -> tuple[Integrals, Tensor]:
    """The integrals on one grid, and whether it resolves each density."""
    fine = transform(so3_lmax(coeffs.shape[-1]), azimuths, coeffs.dtype, coeffs.device)
    height = fine.synthesis(coeffs)
    highest = height.amax((1, 2, 3))
    # exp is slow where it underflows, and nothing below e^-80 counts.
    value = (height - highest[:, None, None, None]).clamp(min=-80).exp()
    rings = fine.polar_weights
    total = value.mean((2, 3)) @ rings
    aliased = torch.stack([value[:, :, first::2, ::2].mean((2, 3)) @ rings for first in (0, 1)])
    resolved = (aliased - total).abs().amax(0) < TOLERANCE**0.625 * total
    coarse = transform(lmax, azimuths, coeffs.dtype, coeffs.device)
    moments = coarse.analysis(value) / total[:, None]
    return Integrals(total.log() + highest, moments), resolved
