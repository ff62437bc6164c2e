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
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.cloud import Cloud, ProductGrid
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.rings import Rings

CHUNK = 4096  # blocks evaluated together: bounds the memory, not the result
DENSITIES = 8  # densities refined together, likewise
CUTS = (8, 10, 12, 14, 16, 18, 20, 23, 26, 30, 35, 40)  # nats below the maximum at which a level may drop its blocks


class _Targets(NamedTuple):
    """Densities that share a grid."""

    rows: Int[Tensor, " batch"]
    highest: Float[Tensor, " batch"]  # F
    curvature: Float[Tensor, " batch"]  # M
    budget: Float[Tensor, " batch"]  # mass a level may drop, in units of e^F


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


def _choose_grid(amplitude: float, lmax: int, coarse: int, tolerance: float) -> ProductGrid:
    """The fewest azimuths ``coarse * 2^depth * width`` that meet the aliasing bound in all three angles."""
    target, amplitude = math.log(6 / tolerance), max(amplitude, 1e-6)

    def exponent(azimuths: int) -> float:
        ratio = azimuths / max(lmax, 1)
        return ratio * math.asinh(ratio / amplitude) - math.hypot(amplitude, ratio) + amplitude

    depth = 0
    while True:
        for width in (1, 2, 3) if depth == 0 else (2, 3):
            if exponent(coarse * 2**depth * width) >= target:
                return ProductGrid(coarse * 2**depth * width, depth, width)
        depth += 1


@dataclass(frozen=True)
class AdaptiveGrid:
    """Exact integrals of exp f, to a stated relative error.

    Args:
        tolerance: Bound on the relative error of the normaliser, so on the absolute error of ``log_prob``, beside the
            rounding of the coefficients' dtype.
    """

    tolerance: float = 1e-5

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
            grids = [_choose_grid(value, lmax, coarse, self.tolerance) for value in amplitude.tolist()]
            for grid in sorted(set(grids)):
                own = torch.tensor([row for row, other in enumerate(grids) if other == grid], device=coeffs.device)
                curvature = (lmax**2 * amplitude[own]).clamp(min=1e-12)
                lowest = torch.maximum((2 * math.pi / curvature) ** 1.5 / (8 * math.pi**2), (-2 * amplitude[own]).exp())
                budget = self.tolerance * lowest.clamp(max=1) / (grid.depth + 2)
                yield _refine(
                    coeffs[rows[own]], values[own], grid, _Targets(rows[own], highest[own], curvature, budget)
                )

    def log_integral(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch"]:
        """Log integral of exp f over Haar probability, differentiable in the coefficients."""
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
    coeffs: Float[Tensor, "batch modes"],
    values: Float[Tensor, "batch rings azimuths azimuths"],
    grid: ProductGrid,
    targets: _Targets,
) -> Cloud:
    """Nodes of the grid that matter, found block by block from the values at the coarsest block centres."""
    lmax, azimuths = so3_lmax(coeffs.shape[-1]), values.shape[-1]
    volume = _centres(lmax, azimuths, coeffs.dtype, coeffs.device)[2]
    every = torch.ones_like(values, dtype=torch.bool).nonzero()
    kept = _worth(every[:, 0], values.flatten(), volume[every[:, 1]], math.sqrt(5) * math.pi / azimuths, targets)
    blocks = every[kept]
    for _ in range(grid.depth):
        azimuths *= 2
        rings, basis, volume = _centres(lmax, azimuths, coeffs.dtype, coeffs.device)
        blocks, heights = _split(blocks, rings.spectra(coeffs), basis, 2)
        kept = _worth(blocks[:, 0], heights, volume[blocks[:, 1]], math.sqrt(5) * math.pi / azimuths, targets)
        blocks = blocks[kept]
    rings, basis = grid.tables(lmax, coeffs.dtype, coeffs.device)
    nodes, heights = _split(blocks, rings.spectra(coeffs), basis, grid.width)
    kept = _worth(nodes[:, 0], heights, grid.log_weight(nodes[:, 1]).to(heights), 0.0, targets)
    owner, ring, alpha, gamma = nodes[kept].T.contiguous()
    return Cloud(targets.rows, owner, grid.index(ring, alpha, gamma), heights[kept], targets.curvature, grid)


def _worth(
    owner: Int[Tensor, " blocks"],
    height: Float[Tensor, " blocks"],
    volume: Float[Tensor, " blocks"],
    radius: float,
    targets: _Targets,
) -> Tensor:
    """Which blocks to keep, so that the ceilings of all others sum to less than the budget; ``volume`` is its log."""
    reach = radius * (targets.curvature / 2).sqrt()
    drop = (targets.highest[owner] - height).clamp(min=0)
    ceiling = (drop.sqrt() - reach[owner]).clamp(min=0).square()
    mass = (volume - ceiling).exp()
    cut = torch.full_like(targets.budget, torch.inf)
    for candidate in reversed(CUTS):
        lost = torch.zeros_like(targets.budget).index_add(0, owner, mass * (ceiling > candidate))
        cut = torch.where(lost <= targets.budget, candidate, cut)
    return ceiling <= cut[owner]


def _split(
    blocks: Int[Tensor, "blocks 4"],
    spectra: Float[Tensor, "batch rings orders orders"],
    basis: Float[Tensor, "azimuths orders"],
    width: int,
) -> tuple[Int[Tensor, "points 4"], Float[Tensor, " points"]]:
    """The ``width^3`` points (density, ring, alpha, gamma) inside each block, and f there."""
    inside = torch.arange(width, device=blocks.device)
    steps = torch.cartesian_prod(torch.zeros(1, dtype=torch.long, device=blocks.device), inside, inside, inside)
    heights = []
    for owner, ring, alpha, gamma in (part.unbind(-1) for part in blocks.split(CHUNK)):
        series = spectra[owner[:, None], ring[:, None] * width + inside]
        left = basis[alpha[:, None] * width + inside][:, None]
        right = basis[gamma[:, None] * width + inside][:, None]
        heights.append(((left @ series) @ right.mT).flatten())
    points = (blocks * blocks.new_tensor([1, width, width, width]))[:, None] + steps
    return points.flatten(0, 1), torch.cat(heights)
