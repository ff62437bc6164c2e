"""Which densities of a batch need which grid: those that need the same are handled together.

A density is looked at on a coarse grid. The bounds of :mod:`armillary.distributions.integration.sharpness` say how fine
a grid its normaliser needs, how much of that grid carries mass, and in which precision: a sharp peak is a small
difference of large numbers.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.block_search import halve_blocks, least_heights, worth
from armillary.distributions.integration.block_values import Blocks, Series
from armillary.distributions.integration.product_grid import ProductGrid
from armillary.distributions.integration.sharpness import (
    Sharpness,
    block_geometry,
    coarse_grid,
    fewest_azimuths,
    measure,
    sharpen,
)
from armillary.distributions.integration.torus import torus_series
from armillary.harmonics.layout import so3_lmax

NODES = 2**22  # of all densities looked at together: bounds the memory
WIDEST = 6  # nodes along the edge of a block; wider ones are halved first
STEP = 4  # whole grids have a multiple of so many azimuths: few tables, large groups
WHOLE = 88**3 / 2  # grids of fewer nodes are cheaper to sum than to search
SEARCH = 3.0  # what a node in a block costs, in nodes of a whole grid
KEPT = 0.4  # part of the volume that a halving keeps, for the estimate of the cost only
ROUNDING = 1  # units in the last place of the largest |f|, by which log integrals were wrong: up to 0.7 in trials


class Share(NamedTuple):
    """Densities that need the same grid.

    Attributes:
        rows: Which of the batch.
        coeffs: In the precision that they need.
        bounds: How sharp they are.
        log_share: Log of the part of the mass that each step may drop.
        grid: What to integrate on.
        blocks: Those of the coarse grid that matter; None where the whole grid does.
    """

    rows: Int[Tensor, " densities"]
    coeffs: Float[Tensor, "densities modes"]
    bounds: Sharpness
    log_share: Float[Tensor, " densities"]
    grid: ProductGrid
    blocks: Blocks | None

    @property
    def lmax(self) -> int:
        """Degree of the densities."""
        return so3_lmax(self.coeffs.shape[-1])


def plan(coeffs: Float[Tensor, "batch modes"], tolerance: float, oversampling: int) -> Iterator[Share]:
    """The batch, divided by what its densities need for a relative error of ``tolerance``."""
    if not bool(coeffs.isfinite().all()):
        raise ValueError("expected finite coefficients, got NaN or infinity; the model or its input is broken")
    coeffs = coeffs if coeffs.dtype == torch.float64 else coeffs.float()
    nodes = coarse_grid(so3_lmax(coeffs.shape[-1]), coeffs.dtype, coeffs.device).azimuths ** 3 // 2
    for rows in torch.arange(len(coeffs), device=coeffs.device).split(max(1, NODES // nodes)):
        if len(rows):
            yield from _divide(rows, coeffs[rows], tolerance, oversampling)


def _divide(
    rows: Int[Tensor, " densities"], coeffs: Float[Tensor, "densities modes"], tolerance: float, oversampling: int
) -> Iterator[Share]:
    lmax = so3_lmax(coeffs.shape[-1])
    coarse = coarse_grid(lmax, coeffs.dtype, coeffs.device)
    values = (coarse.basis @ coarse.rings.spectra(coeffs)) @ coarse.basis.T
    bounds = measure(values, lmax)
    # Half of the tolerance for the aliasing of three angles, 2 exp(-E) each; half for what is dropped.
    fewest = fewest_azimuths(coeffs, bounds, oversampling**2 * math.log(12 / tolerance))
    blunt = fewest**3 / 2 <= WHOLE
    log_share = torch.full_like(bounds.log_floor, math.log(tolerance / 8))
    whole = Share(rows, coeffs, bounds, log_share, ProductGrid(2), None)
    yield from _group(whole, _multiple(fewest, STEP), blunt, tolerance)
    if not bool(blunt.all()):
        own = (~blunt).nonzero()[:, 0]
        some = values if len(own) == len(rows) else values[own]
        yield from _divide_sharp(rows[own], coeffs[own], some, bounds.of(own), fewest[own], tolerance)


def _divide_sharp(
    rows: Int[Tensor, " densities"],
    coeffs: Float[Tensor, "densities modes"],
    values: Float[Tensor, "densities rings azimuths azimuths"],
    bounds: Sharpness,
    fewest: Int[Tensor, " densities"],
    tolerance: float,
) -> Iterator[Share]:
    bounds, coarse = sharpen(bounds, coeffs, values), values.shape[-1]
    depth = (fewest / (coarse * WIDEST)).log2().ceil().clamp(min=0).long()
    # A step drops at most a budget before the cut and another by it; the steps are the levels and the nodes.
    log_share = math.log(tolerance / 4) - (depth + 2).double().log()
    log_budget = bounds.log_floor + log_share
    radius, log_volume = block_geometry(coarse, values.device)
    blocks = (values >= least_heights(bounds, radius, log_budget).to(values)[:, :, None, None]).nonzero()
    blocked, whole = _multiple(fewest, coarse * 2**depth), _multiple(fewest, STEP)
    cost = SEARCH * torch.bincount(blocks[:, 0], minlength=len(rows)) * (blocked / coarse) ** 3 * KEPT**depth
    dense = whole**3 / 2 <= cost
    share = Share(rows, coeffs, bounds, log_share, ProductGrid(2), None)
    yield from _group(share, whole, dense, tolerance)
    owner, ring, alpha, gamma = blocks[~dense[blocks[:, 0]]].unbind(1)
    ceiling = bounds.ceilings(values[owner, ring, alpha, gamma], radius[ring], owner)
    kept = worth(ceiling, log_volume[ring], owner, bounds.summit, log_budget)
    blocks = torch.stack([owner, ring, alpha, gamma], 1)[kept]
    yield from _group(share._replace(blocks=blocks), blocked, ~dense, tolerance)


def _group(
    share: Share, azimuths: Int[Tensor, " densities"], chosen: Bool[Tensor, " densities"], tolerance: float
) -> Iterator[Share]:
    """The chosen densities, those of the same grid and precision together."""
    rounding = ROUNDING * torch.finfo(torch.float32).eps * (1 + share.bounds.size)
    double = (share.coeffs.dtype == torch.float64) | (rounding > tolerance)
    key = 2 * azimuths + double
    for group in key[chosen].unique().tolist():
        members = chosen & (key == group)
        own, blocks = members.nonzero()[:, 0], share.blocks
        if blocks is not None:
            blocks = blocks[members[blocks[:, 0]]]
            blocks = torch.cat([(members.cumsum(0) - 1)[blocks[:, :1]], blocks[:, 1:]], 1)
        yield Share(
            share.rows[own],
            share.coeffs[own].to(torch.float64 if group % 2 else torch.float32),
            share.bounds.of(own),
            share.log_share[own],
            ProductGrid(group // 2),
            blocks,
        )


def _multiple(count: Int[Tensor, " densities"], of: Int[Tensor, " densities"] | int) -> Int[Tensor, " densities"]:
    return (count + of - 1) // of * of


def find_blocks(share: Share) -> tuple[Blocks, int, Series, Sharpness]:
    """The blocks of a share at their finest, nodes along their edges, the torus series, closer bounds."""
    assert share.blocks is not None
    blocks, bounds, series = share.blocks, share.bounds, torus_series(share.coeffs)
    azimuths = coarse_grid(share.lmax, torch.float32, series.device).azimuths
    while share.grid.azimuths > azimuths * WIDEST:
        blocks, bounds = halve_blocks(blocks, series, bounds, azimuths, share.log_share)
        azimuths *= 2
    return blocks, share.grid.azimuths // azimuths, series, bounds
