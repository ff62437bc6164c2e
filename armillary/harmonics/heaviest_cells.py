r"""The cells of the nested grid that carry most of a density :math:`e^f`, found from coarse to fine.

A *block* of level k is a pixel of that level and one of its tilts, and holds the cells of the finest level whose pixel
lies in the pixel and whose tilt, carried to its centre along a great circle, is nearest to the tilt: :math:`8^{L-k}` of
them, within r of the block's centre, :math:`\cos\frac r2=\cos\frac\delta2\cos\frac h4` with :math:`\delta` the radius
of the pixels and h the step of the tilts. (The boxes of ``so3_grid`` do not shrink like that: beside a pole the
meridian, and with it the tilt, turns inside a pixel.)

With F the maximum of f and M the largest downward curvature, :math:`\sqrt{F-f}` is Lipschitz with constant
:math:`\sqrt{M/2}` (docs/distributions.md). So the value at its centre bounds f in a block from both sides: blocks are
dropped, lowest first, as long as all that is dropped weighs less than a share of what is surely there.
"""

import math
from typing import NamedTuple

import healpix
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.curvature import MARGIN, downward_curvature
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.healpix_grid import evaluate_on_so3_grid
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.rings import Rings

FIRST = 3  # the level that is looked at whole in any case
DEEPEST = 5  # the last one that may be,
FEW = 0.05  # where more than this part of the level before matters
SHARE = 1e-3  # of the mass not asked for: what may be dropped
PART = 2**18  # blocks evaluated together: bounds the memory, not the result


class HeaviestCells(NamedTuple):
    """Cells of several densities, sorted by density and then by probability.

    ``owner`` is the density of each cell (flat), ``index`` the cell, ``log_prob`` the log of its probability among all
    cells of the level that were evaluated; ``mass`` is what the cells of each density carry together, at least, and
    ``dropped`` bounds the mass of all cells that were not evaluated.
    """

    owner: Tensor
    index: Tensor
    log_prob: Tensor
    mass: Tensor
    dropped: Tensor


class _Blocks(NamedTuple):
    owner: Int[Tensor, " blocks"]
    pixel: Int[Tensor, " blocks"]
    tilt: Int[Tensor, " blocks"]


class _Sphere(NamedTuple):
    """Polar angles of the rings of pixels, and for each nested pixel its ring and azimuth."""

    rings: Rings
    theta: Float[Tensor, " rings"]
    ring: Int[Tensor, " pixels"]
    azimuth: Float[Tensor, " pixels"]


@constant
def _sphere(lmax: int, level: int, device: torch.device) -> _Sphere:
    pixels = torch.arange(12 * 4**level)
    theta, azimuth = (torch.from_numpy(part) for part in healpix.pix2ang(2**level, pixels.numpy(), nest=True))
    # Rings differ by more than rounding: to a tenth of the smallest step between them they are their own names.
    _, ring = (theta * (2**level * 100)).round().long().unique(return_inverse=True)
    polar = torch.zeros(int(ring.max()) + 1, dtype=torch.float64).index_copy(0, ring, theta)
    rings = Rings(lmax, polar, torch.float64)
    return _Sphere(rings.to(device), polar.to(device), ring.to(device), azimuth.to(device))


def pixel_radius(level: int) -> float:
    """Largest angle between the centre of a HEALPix pixel and a point of it, in radians.

    Reference: ``max_pixrad`` of the HEALPix C++ library.

    Example:
        >>> round(math.degrees(pixel_radius(0)))
        48
    """
    nside = 2**level
    z, turn = 1 - (1 - 1 / nside) ** 2 / 3, math.pi / (4 * nside)
    return math.acos(z * 2 / 3 + math.sqrt((1 - z * z) * 5 / 9) * math.cos(turn))


def _radius(level: int) -> float:
    """Of a block."""
    return 2 * math.acos(math.cos(pixel_radius(level) / 2) * math.cos(_step(level) / 4))


def _step(level: int) -> float:
    """Between the tilts of a level."""
    return math.pi / (3 * 2**level)


def _heights(coeffs: Float[Tensor, "batch modes"], blocks: _Blocks, level: int) -> Float[Tensor, " blocks"]:
    """f at the centres: one Fourier series in the tilt for each pixel, shared by all of its tilts."""
    lmax = so3_lmax(coeffs.shape[-1])
    sphere = _sphere(lmax, level, coeffs.device)
    spectra = sphere.rings.spectra(coeffs)
    column, place = torch.unique(blocks.owner * len(sphere.ring) + blocks.pixel, return_inverse=True)
    owner, pixel = column // len(sphere.ring), column % len(sphere.ring)
    tilts = fourier_basis(lmax, (torch.arange(6 * 2**level, device=coeffs.device).double() + 0.5) * _step(level))
    rows = [
        (fourier_basis(lmax, sphere.azimuth[p])[:, None] @ spectra[o, sphere.ring[p]])[:, 0]
        for o, p in zip(owner.split(PART // 16), pixel.split(PART // 16), strict=True)
    ]
    series = torch.cat(rows)
    parts = zip(place.split(PART), blocks.tilt.split(PART), strict=True)
    return torch.cat([(series[part] * tilts[tilt]).sum(-1) for part, tilt in parts])


def _children(blocks: _Blocks, level: int, lmax: int) -> _Blocks:
    """All blocks of the next level that may share a cell with these."""
    coarse, fine = _sphere(lmax, level, blocks.pixel.device), _sphere(lmax, level + 1, blocks.pixel.device)
    pixel = 4 * blocks.pixel[:, None] + torch.arange(4, device=blocks.pixel.device)
    theta, turn = (
        coarse.theta[coarse.ring[blocks.pixel]][:, None],
        (coarse.azimuth[blocks.pixel][:, None] - fine.azimuth[pixel]),
    )
    own = fine.theta[fine.ring[pixel]]
    # The tilt over the child's centre that is nearest to a tilt over the parent's is this much more.
    sine = turn.sin() * (theta.cos() + own.cos())
    cosine = turn.cos() * (1 + theta.cos() * own.cos()) + theta.sin() * own.sin()
    tilt = ((blocks.tilt[:, None] + 0.5) * _step(level) + torch.atan2(sine, cosine)) / _step(level + 1) - 0.5
    # Half a step of each level, and the area of the triangle of both centres and the cell's, by which carrying differs.
    area = 2 * math.atan(math.tan(pixel_radius(level) / 2) * math.tan(pixel_radius(level + 1) / 2))
    reach = 1.5 + area / _step(level + 1) + 1e-6
    first = (tilt - reach).ceil()
    ahead = first[..., None] + torch.arange(math.floor(2 * reach) + 1, device=tilt.device)
    block, quarter, _ = (inside := ahead <= (tilt + reach)[..., None]).nonzero().T
    count = 6 * 2 ** (level + 1)
    flat = (blocks.owner[block] * len(fine.ring) + pixel[block, quarter]) * count + ahead[inside].long() % count
    flat = torch.unique(flat)
    return _Blocks(flat // (count * len(fine.ring)), flat // count % len(fine.ring), flat % count)


def _sum(owner: Tensor, values: Tensor, count: int) -> Float[Tensor, " densities"]:
    return values.new_zeros(count).index_add(0, owner, values)


def _ranked(owner: Tensor, values: Tensor) -> Int[Tensor, " blocks"]:
    """Order by owner, then by value, highest first."""
    order = values.argsort(descending=True, stable=True)
    return order[owner[order].argsort(stable=True)]


def _before(owner: Tensor, mass: Tensor, count: int) -> Float[Tensor, " blocks"]:
    """Sums of the masses before each, within its owner; both in ranked order."""
    sums = mass.cumsum(0)
    ends = torch.searchsorted(owner, torch.arange(count, device=owner.device), right=True)
    start = torch.cat([sums.new_zeros(1), sums])[torch.cat([ends.new_zeros(1), ends])[:-1]]
    return sums - mass - start[owner]


def _log_sum(owner: Tensor, values: Tensor, count: int) -> Float[Tensor, " densities"]:
    top = values.new_full((count,), -torch.inf).scatter_reduce(0, owner, values, "amax")
    return _sum(owner, (values - top[owner]).exp(), count).log() + top


def _needless(
    owner: Tensor, ceiling: Tensor, budget: float, count: int
) -> tuple[Bool[Tensor, " blocks"], Float[Tensor, " densities"]]:
    """The lowest blocks whose ceilings (logs) sum to no more than the budget, and that sum."""
    weight = ceiling.clamp(min=-80, max=80).exp()
    # Most are so low that all of them together are half of the budget: only the others need an order.
    needless = weight * (2 * len(weight)) <= budget
    doubtful = (~needless).nonzero()[:, 0]
    doubtful = doubtful[_ranked(owner[doubtful], -ceiling[doubtful])]
    needless[doubtful] = _before(owner[doubtful], weight[doubtful], count) + weight[doubtful] <= budget / 2
    return needless, _sum(owner, weight * needless, count)


def _whole(
    coeffs: Float[Tensor, "batch modes"], highest: Float[Tensor, " batch"], level: int
) -> tuple[_Blocks, Float[Tensor, " blocks"]]:
    """All blocks of a level, and how far f at their centres is below its maximum."""
    shape = (len(coeffs), 12 * 4**level, 6 * 2**level)
    axes = torch.meshgrid(*(torch.arange(size, device=coeffs.device) for size in shape), indexing="ij")
    depth = (highest[:, None] - evaluate_on_so3_grid(coeffs, level)).clamp(min=0)
    return _Blocks(*(axis.flatten() for axis in axes)), depth.flatten()


@torch.no_grad()
def heaviest_cells(coeffs: Float[Tensor, "*batch modes"], mass: float, level: int) -> HeaviestCells:
    r"""The fewest cells of ``so3_grid(level)`` that carry ``mass`` of the density, without a look at all of them.

    Each cell has the probability :math:`e^{f(R_i)}/\sum_j e^{f(R_j)}`, R_i its centre. What was dropped is at most a
    thousandth of ``1 - mass``, and counted as if it were there: the cells returned carry ``mass`` for certain.

    Args:
        coeffs: SO(3) coefficients of the log density f.
        mass: Probability to cover, in (0, 1).
        level: Grid level.

    Example:
        >>> cells = heaviest_cells(torch.zeros(10), 0.5, level=1)
        >>> len(cells.index)
        288
    """
    if not 0 < mass < 1:
        raise ValueError(f"expected a mass between 0 and 1, got {mass}; 0.99 covers nearly all")
    flat = coeffs.reshape(-1, coeffs.shape[-1]).double()
    count, lmax = len(flat), so3_lmax(coeffs.shape[-1])
    highest = find_peaks(flat)[1][:, 0]
    bend = (MARGIN * downward_curvature(flat) / 2).sqrt()
    now = min(FIRST, level)
    blocks, depth = _whole(flat, highest, now)
    # The log of what is surely there, and what was dropped in units of it; both relative to exp(F).
    surely, dropped = flat.new_full((count,), -torch.inf), flat.new_zeros(count)
    while now < level:
        reach, below = (_radius(now) * bend)[blocks.owner], depth.sqrt()
        each = 3 * (level - now) * math.log(2)
        more = torch.maximum(surely, _log_sum(blocks.owner, each - (below + reach).square(), count))
        ceiling = each - (below - reach).clamp(min=0).square() - more[blocks.owner]
        needless, lost = _needless(blocks.owner, ceiling, SHARE * (1 - mass) / (level - FIRST), count)
        now += 1
        if now <= DEEPEST and not bool(dropped.any()) and needless.sum() < (1 - FEW) * len(needless):
            blocks, depth = _whole(flat, highest, now)  # cheaper than a search among so many
            continue
        dropped, surely = dropped * (surely - more).exp() + lost, more
        blocks = _children(_Blocks(*(part[~needless] for part in blocks)), now - 1, lmax)
        depth = (highest[blocks.owner] - _heights(flat, blocks, now)).clamp(min=0)
    order = _ranked(blocks.owner, -depth)
    owner, log_total = blocks.owner[order], _log_sum(blocks.owner, -depth, count)
    log_prob = -depth[order] - log_total[owner]
    dropped = torch.where(dropped > 0, dropped * (surely - log_total).exp(), 0.0)
    # Cells that would only make up for rounding are not needed.
    kept = _before(owner, log_prob.exp(), count) < (mass * (1 + dropped))[owner] - 1e-12
    owner, log_prob, order = owner[kept], log_prob[kept], order[kept]
    carried = _sum(owner, log_prob.exp(), count) / (1 + dropped)
    index = blocks.pixel[order] * (6 * 2**level) + blocks.tilt[order]
    return HeaviestCells(owner, index, log_prob.to(coeffs.dtype), carried, dropped)
