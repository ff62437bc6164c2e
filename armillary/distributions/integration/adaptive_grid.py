r"""The exact normaliser: a product grid as fine as the density is sharp, visited only where it carries mass.

Let f be band-limited of degree l with maximum F and range 2A. Along every geodesic it is a trigonometric polynomial of
degree l, so :math:`|f^{(2k)}|\le l^{2k}A` (Bernstein), and with :math:`M=l^2A` three bounds hold for *any* such
density, however sharp:

* aliasing: continued into the strip of half-width :math:`\eta`, :math:`\mathrm{Re} f` grows by at most
  :math:`A(\cosh l\eta-1)`. So N equispaced nodes integrate e^f along each angle with relative error :math:`2e^{-E}`,
  :math:`E=Ny/l-A(\cosh y-1)` at the best :math:`y=\sinh^{-1}(N/lA)`; for sharp densities :math:`E\approx N^2/2M`, one
  to two nodes for the width of a peak.
* ceiling: :math:`\sqrt{F-f}` is Lipschitz with constant :math:`\sqrt{M/2}` (because :math:`|\nabla f|^2\le2M(F-f)`), so
  f is at most :math:`F-(\sqrt{F-f(c)}-r\sqrt{M/2})_+^2` in a block of radius r about c. That bounds the mass of a block
  from one value.
* mass: :math:`Z\ge e^F(2\pi/M)^{3/2}/8\pi^2` and :math:`Z\ge e^{F-2A}`.

The grid is refined coarse to fine, eight children a block; at each level the lowest blocks are dropped as long as the
ceilings of all that is dropped sum to less than the level's share of ``tolerance`` times the lower bound of Z.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.cloud import Cloud
from armillary.distributions.integration.product_grid import ProductGrid, ProductNodes
from armillary.harmonics.derivative import downward_curvature
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.rings import Rings

CHUNK = 4096  # blocks evaluated together: bounds the memory, not the result
DENSITIES = 8  # densities scanned together, likewise
CURVATURE_MARGIN = 1.25  # between the nodes of its grid the curvature was up to 1.1 times larger (tests)
CUTS = 64  # tried depths of the cut, equal parts of the depth that is always enough
DENSE_NODES = 2**24  # grids up to this size are evaluated whole where
DENSE_SHARE = 0.05  # at least this part of them is asked for: a node costs a twentieth in one large product


class _Target(NamedTuple):
    """What decides whether a part of the grid matters to a density."""

    highest: float  # F
    curvature: float  # M
    budget: float  # mass a level may drop, in units of e^F


@lru_cache(maxsize=64)
def _centres(lmax: int, azimuths: int, dtype: torch.dtype, device: torch.device) -> tuple[Rings, Tensor, Tensor]:
    """Wigner tables, Fourier basis and log volume of blocks at their centres: half-offset equispaced angles."""
    beta = (torch.arange(azimuths // 2, dtype=torch.float64) + 0.5) * (2 * math.pi / azimuths)
    alpha = (torch.arange(azimuths, dtype=torch.float64) + 0.5) * (2 * math.pi / azimuths)
    log_volume = (beta.sin() * math.sin(math.pi / azimuths) / azimuths**2).log()
    return (
        Rings(lmax, beta, dtype).to(device),
        fourier_basis(lmax, alpha).to(device, dtype),
        log_volume.to(device, dtype),
    )


def _aliasing(azimuths: int, curvature: float, amplitude: float, lmax: int) -> float:
    """E of the module docstring: the best exponent over the half-width of the strip, found on a fine ladder of y."""
    ratio, degree = azimuths / max(lmax, 1), max(lmax, 1) ** 2
    return max(
        ratio * y - curvature * y * y / (2 * degree) - amplitude * (math.cosh(y) - 1 - y * y / 2)
        for y in (0.02 * 1.1**step for step in range(80))
    )


@lru_cache(maxsize=4096)
def _choose_grid(curvature: float, amplitude: float, lmax: int, coarse: int, target: float) -> ProductGrid:
    """The fewest azimuths ``coarse * 2^depth * width`` whose aliasing in one angle is below e^-target."""
    depth = 0
    while True:
        for width in (1, 2, 3) if depth == 0 else (2, 3):
            if _aliasing(coarse * 2**depth * width, curvature, amplitude, lmax) >= target:
                return ProductGrid(coarse * 2**depth * width, depth, width)
        depth += 1


@dataclass(frozen=True)
class AdaptiveGrid:
    """Exact integrals of exp f, to a stated relative error.

    Args:
        tolerance: Bound on the relative error of the normaliser, so on the absolute error of ``log_prob``, beside the
            rounding of the coefficients' dtype.
        oversampling: How many times finer than integrals need (level sets and samples gain from it).
    """

    exact: ClassVar[bool] = True

    tolerance: float = 1e-4
    oversampling: int = 1

    def clouds(self, coeffs: Float[Tensor, "batch modes"]) -> Iterator[Cloud]:
        """The nodes that carry the mass of each density, some densities at a time."""
        if not bool(coeffs.isfinite().all()):
            raise ValueError("expected finite coefficients, got NaN or infinity; the model or its input is broken")
        lmax = so3_lmax(coeffs.shape[-1])
        coarse = 4 * max(2 * lmax, 2)
        rings, azimuth, _ = _centres(lmax, coarse, coeffs.dtype, coeffs.device)
        for rows in torch.arange(coeffs.shape[0], device=coeffs.device).split(DENSITIES):
            values = (azimuth @ rings.spectra(coeffs[rows])) @ azimuth.T
            highest = torch.maximum(find_peaks(coeffs[rows], 1)[1][:, 0], values.amax((1, 2, 3)))
            # A polynomial of degree l sampled at n points is at most 1 / cos(pi l / n) above its samples; three angles.
            amplitude = (highest - values.amin((1, 2, 3))) / 2 / math.cos(math.pi * lmax / coarse) ** 3
            curvature = (CURVATURE_MARGIN * downward_curvature(coeffs[rows])).clamp(min=1e-9)
            curvature = torch.minimum(curvature, (lmax**2 * amplitude).clamp(min=1e-9))
            lowest = torch.maximum((2 * math.pi / curvature) ** 1.5 / (8 * math.pi**2), (-2 * amplitude).exp())
            grids = [
                _choose_grid(bend, size, lmax, coarse, self.oversampling**2 * math.log(6 / self.tolerance))
                for bend, size in zip(curvature.tolist(), amplitude.tolist(), strict=True)
            ]
            budget = self.tolerance * lowest.clamp(max=1)
            targets = torch.stack([highest, curvature, budget], -1).tolist()
            for row, own, grid, (top, bend, share) in zip(rows.split(1), values, grids, targets, strict=True):
                yield _refine(coeffs[row], own, grid, _Target(top, bend, share / (grid.depth + 2)), row)

    def log_integral(
        self, coeffs: Float[Tensor, "*batch modes"], near: Float[Tensor, "*batch 3 3"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Log integral of exp f over Haar probability, differentiable in the coefficients.

        Finds the peaks by itself, so rotations to look ``near`` make no difference.
        """
        flat = coeffs.reshape(-1, coeffs.shape[-1])
        return _LogIntegral.apply(flat, self).reshape(coeffs.shape[:-1])  # type: ignore[no-any-return]


class _LogIntegral(torch.autograd.Function):
    """Log integral whose gradient is the moments of the density, E[sqrt(2l+1) D^l_mn]."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, grid: AdaptiveGrid) -> Tensor:
        """Integrates, and keeps the moments when a gradient will be asked for."""
        result = coeffs.new_empty(coeffs.shape[0])
        moments = torch.zeros_like(coeffs) if ctx.needs_input_grad[0] else None  # type: ignore[attr-defined]
        for cloud in grid.clouds(coeffs):
            result[cloud.rows] = cloud.log_integral().to(result)
            if moments is not None:
                moments[cloud.rows] = cloud.moments(so3_lmax(coeffs.shape[-1]))
        if moments is not None:
            ctx.save_for_backward(moments)
        return result

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """Moments times the incoming gradient."""
        (moments,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[:, None] * moments, None


def _refine(
    coeffs: Float[Tensor, "1 modes"],
    values: Float[Tensor, "rings azimuths azimuths"],
    grid: ProductGrid,
    target: _Target,
    row: Int[Tensor, "1"],
) -> Cloud:
    """Nodes of the grid that matter, found block by block from the values at the coarsest block centres."""
    lmax, azimuths = so3_lmax(coeffs.shape[-1]), values.shape[-1]
    volume = _centres(lmax, azimuths, coeffs.dtype, coeffs.device)[2]
    blocks = _worth(values, volume[:, None, None], math.sqrt(5) * math.pi / azimuths, target).nonzero()
    for _ in range(grid.depth):
        azimuths *= 2
        rings, basis, volume = _centres(lmax, azimuths, coeffs.dtype, coeffs.device)
        heights = _inside(blocks, rings.spectra(coeffs)[0], basis, 2)
        inside = volume.unflatten(0, (-1, 2))[blocks[:, 0], :, None, None]
        kept = _worth(heights, inside, math.sqrt(5) * math.pi / azimuths, target)
        blocks = _children(blocks, kept)
    rings, basis = grid.tables(lmax, coeffs.dtype, coeffs.device)
    spectra, log_weight = rings.spectra(coeffs)[0], grid.log_weights(coeffs.device).to(coeffs.dtype)
    every = grid.rings * grid.azimuths**2
    if every <= DENSE_NODES and len(blocks) * grid.width**3 >= DENSE_SHARE * every:
        heights = (basis @ spectra) @ basis.T
        kept = _worth(heights, log_weight[:, None, None], 0.0, target)
        node = kept.flatten().nonzero()[:, 0]
    else:
        heights = _inside(blocks, spectra, basis, grid.width)
        inside = log_weight.unflatten(0, (-1, grid.width))[blocks[:, 0], :, None, None]
        kept = _worth(heights, inside, 0.0, target)
        node = grid.index(*_children(blocks, kept).unbind(-1))
    return Cloud(row, torch.zeros_like(node), heights[kept], ProductNodes(grid, node))


def _worth(
    height: Float[Tensor, "*points"], log_volume: Float[Tensor, "*volumes"], radius: float, target: _Target
) -> Bool[Tensor, "*points"]:
    """Which blocks to keep, so that the ceilings of all others sum to less than the budget."""
    ceiling = (target.highest - height).clamp(min=0)
    if radius:
        ceiling = (ceiling.sqrt() - radius * math.sqrt(target.curvature / 2)).clamp(min=0).square()
    # All volumes sum to 1, so nothing below e^-enough can matter. What each cut above that would lose, in one pass.
    enough = -math.log(target.budget)
    plausible = ceiling <= enough
    depth = ceiling[plausible]
    mass = (log_volume.expand_as(ceiling)[plausible] - depth).exp()
    lost = torch.bincount((depth * (CUTS / enough)).long(), mass, CUTS + 1).flip(0).cumsum(0).flip(0)
    cut = int((lost > target.budget).sum()) * enough / CUTS
    return ceiling <= cut


def _inside(
    blocks: Int[Tensor, "blocks 3"],
    spectra: Float[Tensor, "rings orders orders"],
    basis: Float[Tensor, "azimuths orders"],
    width: int,
) -> Float[Tensor, "blocks {width} {width} {width}"]:
    """Values at the ``width^3`` points inside each block (ring, alpha, gamma)."""
    count = len(basis) // width
    columns, place = torch.unique(blocks[:, 0] * count + blocks[:, 1], return_inverse=True)
    series, turns = spectra.unflatten(0, (-1, width)), basis.unflatten(0, (count, width))
    # A column (ring, alpha) is one Fourier series in gamma, shared by all its blocks.
    rows = [turns[part % count, None] @ series[part // count] for part in columns.split(CHUNK)]
    rows = torch.cat(rows).flatten(1, 2) if rows else series.new_zeros(0, width * width, basis.shape[1])
    heights = [
        torch.bmm(rows.index_select(0, column), turns.index_select(0, gamma).mT)
        for column, gamma in zip(place.split(CHUNK), blocks[:, 2].split(CHUNK), strict=True)
    ]
    return torch.cat(heights).unflatten(1, (width, width))


def _children(
    blocks: Int[Tensor, "blocks 3"], kept: Bool[Tensor, "blocks width width width"]
) -> Int[Tensor, "children 3"]:
    """The kept points inside the blocks."""
    block, *inside = kept.nonzero().T
    return blocks[block] * kept.shape[-1] + torch.stack(inside, -1)
