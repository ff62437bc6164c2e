r"""Normaliser and moments of many densities at once, on the coarsest grid that resolves each.

The rule of N equispaced azimuths errs by :math:`e^{-N^2\sigma^2/2}` for a peak of width sigma, so that of every second
azimuth errs by the fourth root of it: the difference of the two, on the same values, tells whether N is enough (it must
be 1e-4, which leaves room for moments, products of p with waves, and for densities that are no Gaussians). All
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
FINER = (1, 2, 4, 6)  # times 4 azimuths for each degree
HOPE = 1.5  # a grid is tried where the error on a coarser one foretells one below e^-1.5 with every second azimuth
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
    degree = max(so3_lmax(coeffs.shape[-1]), lmax // 2, 2)
    exponent = coeffs.new_full((len(coeffs),), torch.inf)  # -log(error of every second azimuth) / finer^2
    unresolved = torch.ones_like(exponent, dtype=torch.bool)
    for finer in FINER:
        azimuths = (4 * degree + 4) * finer
        (hopeful,) = (unresolved & (exponent * finer**2 > HOPE)).nonzero(as_tuple=True)
        for rows in hopeful.split(max(1, CHUNK // (azimuths**3 // 2))) if len(hopeful) else ():
            (log_integral[rows], moments[rows]), error = _on_grid(coeffs[rows], lmax, azimuths)
            unresolved[rows] = error > TOLERANCE**0.5
            exponent[rows] = -error.clamp(min=1e-30).log() / finer**2
    (sharp,) = unresolved.nonzero(as_tuple=True)
    for cloud in AdaptiveGrid(10 * TOLERANCE).clouds(coeffs[sharp]) if len(sharp) else ():
        log_integral[sharp[cloud.rows]] = cloud.log_integral().to(coeffs)
        moments[sharp[cloud.rows]] = cloud.moments(lmax).to(coeffs)
    return Integrals(log_integral, moments)


def _on_grid(coeffs: Float[Tensor, "batch modes"], lmax: int, azimuths: int) -> tuple[Integrals, Tensor]:
    """The integrals on one grid, and the relative error of those with every second azimuth."""
    fine = transform(so3_lmax(coeffs.shape[-1]), azimuths, coeffs.dtype, coeffs.device)
    height = fine.synthesis(coeffs)
    highest = height.amax((1, 2, 3))
    # exp is slow where it underflows, and nothing below e^-80 counts.
    value = (height - highest[:, None, None, None]).clamp(min=-80).exp()
    total = value.mean((2, 3)) @ fine.polar_weights
    half = torch.stack([value[:, :, first::2, ::2].mean((2, 3)) @ fine.polar_weights for first in (0, 1)])
    moments = transform(lmax, azimuths, coeffs.dtype, coeffs.device).analysis(value) / total[:, None]
    return Integrals(total.log() + highest, moments), (half / total - 1).abs().amax(0)
