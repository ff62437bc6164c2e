r"""Where rays from outside toward a centre first meet triangles: a rasteriser on the sphere.

All rays pass through the centre, so a triangle with corners v_0, v_1, v_2 (from the centre) covers the directions d
with

.. math:: e_i(d) = d \cdot (v_j \times v_k) / \det[v_0 v_1 v_2] \ge 0, \qquad 1 / t = \sum_i e_i(d),

and t d is the hit, with barycentric coordinates t e_i. A ray comes from outside: its first hit has the greatest t > 0.
On a ring of constant polar angle each e_i is a constant plus a cosine of the azimuth, not negative on one arc.
Triangles are cut into rings, rings into the azimuths where their three arcs meet: no ray is tested elsewhere.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Triangles and (triangle, direction) pairs handled together: they stay in the cache of a CPU.
TRIANGLES_AT_ONCE = 1 << 13
PAIRS_AT_ONCE = 1 << 16
# Triangles seen edge-on from the centre have no solid angle; the enclosing sphere has radius 1.
FLAT = 1e-13
# Arcs are widened (rad) and edges moved outwards (barycentric), so that rounding opens no cracks.
ARC_SLACK = 1e-6
EDGE_SLACK = 1e-7


def first_hits(
    corners: Float[Tensor, "triangles 3 3"],
    owner: Int[Tensor, " triangles"],
    maps: int,
    polar: Float[Tensor, " rings"],
    azimuths: int,
    nearest: bool = False,
) -> Int[Tensor, "maps rings azimuths"]:
    """Index of the triangle that the ray from outside along -d first meets before the centre; -1 where none.

    Among equally far triangles the first is taken; the order of a triangle's corners does not matter.

    Args:
        corners: from the centre, float64, in units of the radius of the enclosing sphere.
        owner: the map of each triangle, 0..maps-1.
        maps: number of functions.
        polar: angles of the rings, ascending, float64.
        azimuths: number of directions on a ring, equispaced from +x on.
        nearest: what a ray from the centre along d first meets, instead.

    Example:
        >>> above = torch.tensor([[[1.0, 0, 1], [-1, 1, 1], [-1, -1, 1]]], dtype=torch.float64)
        >>> first_hits(above, torch.tensor([0]), 1, torch.tensor([0.1, 3.0], dtype=torch.float64), 4)
        tensor([[[ 0,  0,  0,  0], [-1, -1, -1, -1]]])
    """
    best = torch.full((maps * len(polar) * azimuths,), -1, dtype=torch.int64, device=corners.device)
    for part in torch.arange(len(corners), device=corners.device).split(TRIANGLES_AT_ONCE):
        spans = _spans(_Triangles.of(corners[part], owner[part], part), polar, azimuths)
        for first, last in runs(spans.length, PAIRS_AT_ONCE):
            _scatter(spans.part(first, last), azimuths, nearest, best)
    found = torch.where(best >= 0, 0x7FFFFFFF - (best & 0xFFFFFFFF), best)
    return found.reshape(maps, len(polar), azimuths)


@dataclass(frozen=True)
class _Triangles:
    """Triangles with a solid angle: e_i(d) = edges[i] . d, and a box in polar angle and azimuth that holds them."""

    index: Int[Tensor, " triangles"]
    owner: Int[Tensor, " triangles"]
    edges: Float[Tensor, "triangles 3 3"]
    low: Float[Tensor, " triangles"]
    high: Float[Tensor, " triangles"]
    middle: Float[Tensor, " triangles"]
    width: Float[Tensor, " triangles"]

    @staticmethod
    def of(corners: Tensor, owner: Tensor, index: Tensor) -> "_Triangles":
        v0, v1, v2 = corners.unbind(1)
        # Differences first: the products of nearly parallel corners would lose half their digits.
        normal = torch.linalg.cross(v1 - v0, v2 - v0)
        determinant = (v0 * normal).sum(-1)
        keep = determinant.abs() > FLAT
        corners, determinant = corners[keep], determinant[keep]
        after, last = corners.roll(-1, 1), corners.roll(-2, 1)
        edges = torch.linalg.cross(after, last - after) / determinant[:, None, None]
        low, high, around = _polar_range(corners, edges)
        middle, width = _azimuth_range(corners, around)
        return _Triangles(index[keep], owner[keep], edges, low, high, middle, width)


def _polar_range(corners: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Bool[Tensor, " triangles"]]:
    """Least and greatest polar angle of each triangle, and whether it holds a pole."""
    unit = torch.nn.functional.normalize(corners, dim=-1, eps=1e-30)
    start, end = unit.roll(-1, 1), unit.roll(-2, 1)
    cosine, z, z_end = (start * end).sum(-1), start[..., 2], end[..., 2]
    # An arc rises (falls) from both of its ends: its great circle's highest (lowest) point is on it.
    rise, rise_end = z_end - cosine * z, z - cosine * z_end
    across = torch.nn.functional.normalize(edges, dim=-1, eps=1e-30)[..., 2]
    summit = (1 - across.square()).clamp_min(0).sqrt()
    top = torch.where((rise > 0) & (rise_end > 0), summit, z).amax(1)
    bottom = torch.where((rise < 0) & (rise_end < 0), -summit, z).amin(1)
    slack = EDGE_SLACK * edges.norm(dim=-1)
    north, south = (edges[..., 2] >= -slack).all(1), (edges[..., 2] <= slack).all(1)
    low = torch.where(north, 0.0, top.clamp(-1, 1).acos() - ARC_SLACK)
    high = torch.where(south, math.pi, bottom.clamp(-1, 1).acos() + ARC_SLACK)
    return low, high, north | south


def _azimuth_range(corners: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and half width of the azimuths of each triangle; meridians are great circles: corners are the ends."""
    azimuth = torch.atan2(corners[..., 1], corners[..., 0])
    second = _wrap(azimuth[:, 1] - azimuth[:, 0])
    steps = torch.stack([torch.zeros_like(second), second, second + _wrap(azimuth[:, 2] - azimuth[:, 1])], 1)
    least, most = steps.amin(1), steps.amax(1)
    width = torch.where(around, math.pi, ((most - least) / 2 + ARC_SLACK).clamp_max(math.pi))
    return azimuth[:, 0] + (least + most) / 2, width


def _wrap(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


@dataclass(frozen=True)
class _Spans:
    """Runs of azimuths on rings: e_i = constant + cosine_part cos(azimuth) + sine_part sin(azimuth)."""

    index: Int[Tensor, " spans"]
    base: Int[Tensor, " spans"]
    first: Int[Tensor, " spans"]
    length: Int[Tensor, " spans"]
    terms: Float[Tensor, "spans 3 3"]

    def part(self, first: int, last: int) -> "_Spans":
        s = slice(first, last)
        return _Spans(self.index[s], self.base[s], self.first[s], self.length[s], self.terms[s])


def _spans(triangles: _Triangles, polar: Tensor, azimuths: int) -> _Spans:
    begin = torch.searchsorted(polar, triangles.low)
    row, offset = _expand(torch.searchsorted(polar, triangles.high, right=True) - begin)
    ring = begin[row] + offset
    sine, cosine = polar.sin()[ring], polar.cos()[ring]
    terms = triangles.edges[row] * torch.stack([sine, sine, cosine], -1)[:, None]
    low, high = _arcs(terms, triangles.middle[row], triangles.width[row])
    step = 2 * math.pi / azimuths
    first = ((low - ARC_SLACK) / step).ceil().long()
    length = (((high + ARC_SLACK) / step).floor().long() - first + 1).clamp(0, azimuths)
    base = (triangles.owner[row] * len(polar) + ring) * azimuths
    keep = length > 0
    return _Spans(triangles.index[row][keep], base[keep], first[keep], length[keep], terms[keep])


def _arcs(terms: Tensor, middle: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """An interval of azimuths that holds all with e_i >= 0 for each i, within width of the middle."""
    along, across, constant = terms.unbind(-1)
    height = torch.hypot(along, across)
    centre = _wrap(torch.atan2(across, along) - middle[:, None])
    # As much outwards as the test of a pair allows; at a pole the height is 0 and the slack decides.
    slack = EDGE_SLACK * terms.abs().sum((1, 2))[:, None]
    half = (-(constant + slack) / height.clamp_min(1e-300)).clamp(-1, 1).acos()
    start, end = centre - half, centre + half
    # An arc that goes on beyond the half-turn may come back on the other side; if so, that side is not cut.
    cut_start = end - 2 * math.pi < -width[:, None] - ARC_SLACK
    cut_end = start + 2 * math.pi > width[:, None] + ARC_SLACK
    low = torch.where(cut_start, start, -math.inf).amax(1)
    high = torch.where(cut_end, end, math.inf).amin(1)
    return middle + torch.maximum(low, -width), middle + torch.minimum(high, width)


def _scatter(spans: _Spans, azimuths: int, nearest: bool, best: Tensor) -> None:
    """Enter the triangles of all pairs (span, azimuth); the greatest (or least) t wins, then the lowest index."""
    row, offset = _expand(spans.length)
    column = (spans.first[row] + offset).remainder(azimuths)
    turn = torch.arange(azimuths, dtype=torch.float64, device=best.device) * (2 * math.pi / azimuths)
    terms = spans.terms[row]
    cosine, sine = turn.cos()[column, None], turn.sin()[column, None]
    heights = torch.addcmul(torch.addcmul(terms[..., 2], terms[..., 0], cosine), terms[..., 1], sine)
    inverse = heights[:, 0] + heights[:, 1] + heights[:, 2]
    inside = (inverse > 0) & (heights.amin(-1) >= -EDGE_SLACK * inverse)
    row, column = row[inside], column[inside]
    # Positive floats order like their bits.
    rank = inverse[inside] if nearest else 1 / inverse[inside]
    bits = rank.float().view(torch.int32).long()
    best.scatter_reduce_(0, spans.base[row] + column, (bits << 32) | (0x7FFFFFFF - spans.index[row]), "amax")


def _expand(lengths: Int[Tensor, " runs"]) -> tuple[Tensor, Tensor]:
    """For runs of these lengths: the run of each element and its place in it."""
    row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    starts = lengths.cumsum(0) - lengths
    return row, torch.arange(len(row), device=lengths.device) - starts[row]


def runs(lengths: Int[Tensor, " runs"], limit: int) -> list[tuple[int, int]]:
    """Consecutive runs grouped so that each group has about the limit of elements."""
    if not len(lengths):
        return []
    group = (lengths.cumsum(0) - 1) // limit
    counts = torch.unique_consecutive(group, return_counts=True)[1].cumsum(0).tolist()
    return list(zip([0, *counts[:-1]], counts, strict=True))
