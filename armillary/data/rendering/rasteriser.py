"""Rasteriser in torch alone: no system library, any device, no loop over triangles or pixels.

A triangle with homogeneous image corners h0, h1, h2 (``h = K x_cam``) covers the samples p = (x, y, 1) on which its
three edge functions agree in sign with its determinant, and there its depth is z:

    e_i(p) = p . (h_j x h_k),    b_i = e_i / sum(e),    z = det / sum(e),    det = h0 . (h1 x h2)

Nothing is divided by a corner's depth, so triangles that reach behind the camera need no clipping, and the b_i are the
perspective-correct barycentric coordinates. Triangles are cut into rows, rows into the samples between their edges;
the nearest triangle of each sample is found by one scatter-maximum of (1 / z, index), and is shaded afterwards.

Reference: Triangle scan conversion using 2D homogeneous coordinates (Olano & Greer, 1997),
    https://www.cs.cmu.edu/afs/cs/academic/class/15869-f11/www/readings/olano97_homogeneous.pdf
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.rendering.view import Drawer, Layers, Views, filter_samples
from armillary.data.shapes.mesh import Mesh

# Limits of what is held at once: about 200 MB at the peak.
SAMPLES_AT_ONCE = 1 << 21
TRIANGLES_AT_ONCE = 1 << 19
# Edges are widened by this many samples, so that rounding opens no cracks between neighbours.
SLACK = 1e-4


class TorchBackend(Drawer):
    """Draws views with torch operations on one device."""

    name = "torch"

    def __init__(self, height: int, width: int, samples: int, device: torch.device) -> None:
        self.samples, self.device = samples, device
        self.height, self.width = height, width
        self.down, self.across = (size * samples + samples - 1 for size in (height, width))

    def draw(self, mesh: Mesh, views: Views) -> Layers:
        """Colour, normals and depth of each view."""
        step = max(1, min(SAMPLES_AT_ONCE // (self.down * self.across), TRIANGLES_AT_ONCE // len(mesh.faces)))
        surface = _Surface.of(mesh, self.device)
        layers = Layers.empty(len(views), self.height, self.width, self.device)
        for start in range(0, len(views), step):
            self._draw_chunk(surface, views.chunk(start, start + step), layers, start)
        return layers

    def _draw_chunk(self, surface: "_Surface", views: Views, layers: Layers, start: int) -> None:
        camera = surface.vertices @ views.rotations.double().mT + views.translations.double()[:, None]
        triangles = _set_up(camera, surface.faces, self._sample_intrinsics(views), views.near, self.down, self.across)
        nearest = _nearest(triangles, views, self.down, self.across)
        where = torch.nonzero(nearest >= 0)[:, 0]
        colour, geometry = _shade(surface, views, camera, triangles, nearest[where], where, self.down, self.across)
        shape = (len(views), self.down, self.across, 4)
        samples = torch.zeros(len(nearest), 4, dtype=torch.uint8, device=self.device)
        samples[where] = colour
        dense = torch.zeros(len(nearest), 4, device=self.device)
        dense[where] = geometry
        first = self.samples - 1
        centres = dense.reshape(shape)[:, first :: self.samples, first :: self.samples]
        part = slice(start, start + len(views))
        layers.colour[part] = filter_samples(samples.reshape(shape), self.samples)
        layers.normals[part], layers.depth[part] = centres[..., :3], centres[..., 3]

    def _sample_intrinsics(self, views: Views) -> Float[Tensor, "batch 3 3"]:
        """K for sample instead of pixel coordinates: i = s u + s - 1."""
        scale = torch.eye(3, dtype=torch.float64, device=self.device) * self.samples
        scale[:2, 2] = self.samples - 1
        scale[2, 2] = 1
        return scale @ views.intrinsics.double()

    def release(self) -> None:
        """Nothing is held."""
        return


@dataclass(frozen=True)
class _Surface:
    vertices: Float[Tensor, "vertices 3"]
    faces: Int[Tensor, "faces 3"]
    colours: Float[Tensor, "vertices 3"]
    normals: Float[Tensor, "faces 3 3"]

    @staticmethod
    def of(mesh: Mesh, device: torch.device) -> "_Surface":
        return _Surface(
            mesh.vertices.to(device).double(),
            mesh.faces.to(device),
            mesh.vertex_colours.to(device),
            mesh.corner_normals().to(device),
        )


@dataclass(frozen=True)
class _Triangles:
    """Triangles that may touch a sample: view, face, edge functions divided by the determinant, and their rows."""

    view: Int[Tensor, "triangles"]
    face: Int[Tensor, "triangles"]
    edges: Float[Tensor, "triangles 3 3"]
    left: Int[Tensor, "triangles"]
    right: Int[Tensor, "triangles"]
    top: Int[Tensor, "triangles"]
    rows: Int[Tensor, "triangles"]


def _set_up(
    camera: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "faces 3"],
    intrinsics: Float[Tensor, "batch 3 3"],
    near: Float[Tensor, "batch"],
    down: int,
    across: int,
) -> _Triangles:
    image = camera @ intrinsics.mT
    depth = image[..., 2]
    in_front = depth > near.double()[:, None]
    flat = image[..., :2] / torch.where(in_front, depth, 1.0)[..., None]
    corners = flat[:, faces]  # (batch, faces, 3, 2)
    all_front, any_front = in_front[:, faces].all(dim=-1), in_front[:, faces].any(dim=-1)
    limits = torch.tensor([across - 1.0, down - 1.0], dtype=flat.dtype, device=flat.device)
    low, high = (corners.amin(dim=2) - SLACK).ceil(), (corners.amax(dim=2) + SLACK).floor()
    # A triangle that crosses the near plane may reach anywhere.
    low = torch.where(all_front[..., None], low, torch.zeros_like(low)).clamp_min(0)
    high = torch.minimum(torch.where(all_front[..., None], high, limits), limits)
    view, face = torch.nonzero(any_front & (low <= high).all(dim=-1), as_tuple=True)
    low, high = low[view, face].long(), high[view, face].long()
    h0, h1, h2 = image[view[:, None], faces[face]].unbind(dim=1)
    # Differences first: the cross products of nearly parallel corners would lose half their digits.
    edges = torch.stack(
        [torch.linalg.cross(h1, h2 - h1), torch.linalg.cross(h2, h0 - h2), torch.linalg.cross(h0, h1 - h0)], dim=1
    )
    determinant = (h0 * torch.linalg.cross(h1 - h0, h2 - h0)).sum(dim=-1)
    keep = determinant != 0
    edges = (edges / torch.where(keep, determinant, 1.0)[:, None, None])[keep]
    low, high = low[keep], high[keep]
    return _Triangles(view[keep], face[keep], edges, low[:, 0], high[:, 0], low[:, 1], high[:, 1] - low[:, 1] + 1)


def _nearest(triangles: _Triangles, views: Views, down: int, across: int) -> Int[Tensor, "samples"]:
    """Index of the nearest triangle at each sample of each view, -1 where there is none."""
    device = triangles.view.device
    best = torch.full((len(views) * down * across,), -1, dtype=torch.int64, device=device)
    for first, last in _runs(triangles.rows, SAMPLES_AT_ONCE // 8):
        index, y, left, right = _row_spans(triangles, first, last)
        lengths = right - left + 1
        inverse_slope, inverse_start = _inverse_depth(triangles.edges[index], y)
        base = (triangles.view[index] * down + y) * across + left
        nearest_allowed = 1 / views.near[triangles.view[index]]
        inverse_start = (inverse_start + inverse_slope * left).float()
        inverse_slope = inverse_slope.float()
        for start, stop in _runs(lengths, SAMPLES_AT_ONCE):
            row, offset = _expand(lengths[start:stop])
            row = row + start
            inverse = inverse_start[row] + inverse_slope[row] * offset
            valid = (inverse > 0) & (inverse <= nearest_allowed[row])
            # Positive floats order like their bits; among equals the first triangle wins, as in OpenGL.
            key = (inverse.view(torch.int32).long() << 32) | (0x7FFFFFFF - index[row])
            key = torch.where(valid, key, torch.full_like(key, -1))
            best.scatter_reduce_(0, base[row] + offset, key, "amax")
    return torch.where(best >= 0, 0x7FFFFFFF - (best & 0xFFFFFFFF), best)


def _row_spans(triangles: _Triangles, first: int, last: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Triangle, y, first and last x of each nonempty row of triangles first..last-1."""
    index, offset = _expand(triangles.rows[first:last])
    index = index + first
    y = triangles.top[index] + offset
    edges = triangles.edges[index]
    slope, rest = edges[..., 0], edges[..., 1] * y[:, None] + edges[..., 2]
    crossing = -rest / torch.where(slope == 0, 1.0, slope)
    huge = torch.full_like(crossing, 1e9)
    lower = torch.where(slope > 0, (crossing - SLACK).clamp(-1e9, 1e9), -huge).amax(dim=1).ceil().long()
    upper = torch.where(slope < 0, (crossing + SLACK).clamp(-1e9, 1e9), huge).amin(dim=1).floor().long()
    left, right = torch.maximum(triangles.left[index], lower), torch.minimum(triangles.right[index], upper)
    level = ((slope != 0) | (rest >= -SLACK * edges[..., 1].abs())).all(dim=1)
    keep = level & (left <= right)
    return index[keep], y[keep], left[keep], right[keep]


def _inverse_depth(edges: Float[Tensor, "rows 3 3"], y: Int[Tensor, "rows"]) -> tuple[Tensor, Tensor]:
    """1 / z along a row is slope x + start."""
    total = edges.sum(dim=1)
    return total[:, 0], total[:, 1] * y + total[:, 2]


def _shade(
    surface: _Surface,
    views: Views,
    camera: Float[Tensor, "batch vertices 3"],
    triangles: _Triangles,
    hit: Int[Tensor, "hits"],
    where: Int[Tensor, "hits"],
    down: int,
    across: int,
) -> tuple[Tensor, Tensor]:
    """Lit colour (with coverage) and normal with depth at the samples that show a triangle."""
    used, hit = torch.unique(hit, return_inverse=True)
    view, face, edges = triangles.view[used], triangles.face[used], triangles.edges[used]
    normals = surface.normals[face] @ views.rotations[view].mT
    corners = camera[view[:, None], surface.faces[face]].float()
    attributes = torch.cat([surface.colours[surface.faces[face]], normals, corners], dim=-1)  # (used, 3, 9)
    y, x = where // across % down, where % across
    # Relative to each triangle's own corner of its box single precision is ample.
    left, top = triangles.left[used], triangles.top[used]
    origin = (edges[..., 0] * left[:, None] + edges[..., 1] * top[:, None] + edges[..., 2]).float()
    slopes = edges[..., :2].float()[hit]
    weights = origin[hit] + slopes[..., 0] * (x - left[hit])[:, None] + slopes[..., 1] * (y - top[hit])[:, None]
    weights = weights / weights.sum(dim=-1, keepdim=True)
    albedo, normal, position = (weights[:, None] @ attributes[hit])[:, 0].split(3, dim=-1)
    normal = torch.nn.functional.normalize(normal, dim=-1)
    normal = torch.where((normal * position).sum(dim=-1, keepdim=True) > 0, -normal, normal)
    lit = _light(albedo, normal, position, view[hit], views)
    coverage = torch.ones_like(lit[:, :1])
    colour = (torch.cat([lit.clamp(0, 1), coverage], dim=-1) * 255).round().to(torch.uint8)
    return colour, torch.cat([normal, position[:, 2:]], dim=-1)


def _light(albedo: Tensor, normal: Tensor, position: Tensor, view: Tensor, views: Views) -> Float[Tensor, "hits 3"]:
    lights = views.lights
    eye = -torch.nn.functional.normalize(position, dim=-1)
    diffuse, specular = lights.ambient[view], torch.zeros_like(albedo)
    for number in range(lights.directions.shape[1]):
        direction, strength = lights.directions[view, number], lights.colours[view, number]
        half = torch.nn.functional.normalize(direction + eye, dim=-1)
        diffuse = diffuse + strength * (normal * direction).sum(dim=-1, keepdim=True).clamp_min(0)
        specular = specular + strength * (normal * half).sum(dim=-1, keepdim=True).clamp_min(0) ** 32
    return albedo * diffuse + lights.specular[view, None] * specular


def _expand(lengths: Int[Tensor, "items"]) -> tuple[Tensor, Tensor]:
    """For items of given lengths laid end to end: the item of each place, and the place within it."""
    item = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    starts = lengths.cumsum(0) - lengths
    return item, torch.arange(len(item), device=lengths.device) - starts[item]


def _runs(lengths: Int[Tensor, "items"], limit: int) -> list[tuple[int, int]]:
    """Consecutive runs of items whose lengths add up to about the limit (one item may exceed it alone)."""
    if len(lengths) == 0:
        return []
    ends = lengths.cumsum(0)
    pieces = int(ends[-1]) // limit + 1
    if pieces == 1:
        return [(0, len(lengths))]
    marks = torch.arange(1, pieces, device=lengths.device) * limit
    cuts = [0, *torch.searchsorted(ends, marks).tolist(), len(lengths)]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if a < b]
