r"""Points without faces as a surface: each point becomes a small flat patch in the tangent plane of its neighbours.

The normal n of a point is the least axis of its neighbours' covariance, with weights :math:`(1 + (r / s)^2)^{-2}` of
their distance r to the plane, so that a crease or a second wall does not tilt it; it is then averaged over neighbours
that agree. The patch is the rectangle that has, up to a factor, the first and second moments of the weighted neighbours
in that plane. Patches therefore overlap inside a surface and close it, end where the points end, and are as narrow as
a rod is thin. Only the first of points that crowd is drawn; all of them count as neighbours.

Reference: Surfels: surface elements as rendering primitives (Pfister et al., 2000), https://doi.org/10.1145/344779.344936
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.shapes.mesh import Mesh

# Distance to the plane at which a neighbour's weight is a quarter, over the distance to the farthest neighbour.
PLANE_SCALE = 0.15
PLANE_STEPS = 2
# Squared sine of the angle between normals at which their weight is 1/e.
NORMAL_SCALE = 0.1
NORMAL_STEPS = 3
# Width of a patch over its length, at least: points on one line would have patches without area.
THINNEST = 0.05
# Points nearer to an earlier one than this share of the mean spacing around them are not drawn.
CROWDED = 0.6
# A patch is two triangles.
CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
TRIANGLES = ((0, 1, 2), (0, 2, 3))


def surfels(
    points: Float[Tensor, "points 3"],
    colours: Float[Tensor, "colours 3"] | None = None,
    neighbours: int = 16,
    stretch: float = 0.76,
) -> Mesh:
    """A mesh of flat patches that closes the surface on which points lie.

    Args:
        points: on a surface, in metres; two layers nearer than their spacing become one.
        colours: of the points, in [0, 1]; default grey.
        neighbours: how many of the nearest points, itself included, give a point its patch: more are smoother.
        stretch: size of a patch over that of the uniform rectangle with its neighbours' moments. The default closes
            evenly spread points and keeps edges crisp; points scattered at random want 1, which closes larger gaps.

    Example:
        >>> from armillary.data.shapes.primitive import ball
        >>> mesh = surfels(ball(0.1, 12, 20).vertices)
        >>> axes = torch.nn.functional.normalize(mesh.vertices[mesh.faces].mean(dim=1), dim=-1)
        >>> bool(((axes * mesh.face_normals()).sum(dim=-1).abs() > 0.95).all())
        True
    """
    points, colours = _distinct(points, colours, neighbours)
    distance, nearest = _neighbours(points, neighbours)
    offsets = points[nearest] - points[:, None]
    normals = _fit_normals(offsets, distance)
    for _ in range(NORMAL_STEPS):
        normals = _agree(normals, nearest, _plane_weights(offsets, normals, distance))
    drawn = torch.nonzero(~_crowded(distance, nearest))[:, 0]
    corners = points[drawn, None] + _patches(offsets[drawn], normals[drawn], distance[drawn], stretch)
    first = len(CORNERS) * torch.arange(len(drawn))[:, None, None]
    return Mesh(
        vertices=corners.flatten(0, 1).float(),
        faces=(first + torch.tensor(TRIANGLES)).flatten(0, 1),
        colours=None if colours is None else colours[drawn].repeat_interleave(len(CORNERS), dim=0),
        patches=True,
    )


def _distinct(points: Tensor, colours: Tensor | None, neighbours: int) -> tuple[Tensor, Tensor | None]:
    """Points at different places in double precision, in their order, with their colours."""
    if neighbours < 6:
        raise ValueError(f"expected 6 neighbours or more, got {neighbours}; 16 suit most scans")
    if not bool(torch.isfinite(points).all()):
        bad = int((~torch.isfinite(points)).any(dim=1).sum())
        raise ValueError(f"expected finite points, got {bad} with NaN or infinity; remove or repair them")
    if colours is not None and len(colours) != len(points):
        raise ValueError(f"expected a colour for each of {len(points)} points, got {len(colours)}; give one for each")
    places = points.detach().cpu().double()
    first = torch.from_numpy(np.sort(np.unique(places.numpy(), axis=0, return_index=True)[1]))
    if len(first) < neighbours:
        raise ValueError(
            f"expected {neighbours} points or more at different places, got {len(first)}; give a denser scan"
        )
    return places[first], None if colours is None else colours.cpu().float()[first]


def _neighbours(points: Tensor, count: int) -> tuple[Float[Tensor, "points count"], Int[Tensor, "points count"]]:
    """Distances to and indices of the nearest points, itself first."""
    from scipy.spatial import KDTree

    distance, nearest = KDTree(points.numpy()).query(points.numpy(), k=count)
    return torch.from_numpy(distance), torch.from_numpy(nearest)


def _moments(
    offsets: Tensor, weights: Tensor
) -> tuple[Float[Tensor, "points axes"], Float[Tensor, "points axes axes"]]:
    """Weighted mean and covariance of each point's neighbours."""
    share = (weights / weights.sum(dim=1, keepdim=True))[..., None]
    mean = (share * offsets).sum(dim=1)
    spread = offsets - mean[:, None]
    return mean, (share * spread).mT @ spread


def _plane_weights(offsets: Tensor, normals: Tensor, distance: Tensor) -> Float[Tensor, "points count"]:
    height = (offsets @ normals[..., None])[..., 0] / (PLANE_SCALE * distance[:, -1:])
    return (1 + height.square()).pow(-2)


def _fit_normals(offsets: Tensor, distance: Tensor) -> Float[Tensor, "points 3"]:
    """Least axes of the neighbours' covariance, reweighted by their distance to the plane."""
    weights = torch.ones_like(distance)
    normals = torch.linalg.eigh(_moments(offsets, weights)[1])[1][..., 0]
    for _ in range(PLANE_STEPS):
        weights = _plane_weights(offsets, normals, distance)
        normals = torch.linalg.eigh(_moments(offsets, weights)[1])[1][..., 0]
    return normals


def _agree(normals: Tensor, nearest: Tensor, weights: Tensor) -> Float[Tensor, "points 3"]:
    """Normals averaged over neighbours in the same plane with a like normal, whatever the signs."""
    around = normals[nearest]
    cosine = (around @ normals[..., None])[..., 0]
    # One power step on the sum of w n n^T; the factor cosine gives each neighbour the sign of this point.
    weights = weights.sqrt() * torch.exp((cosine.square() - 1) / NORMAL_SCALE) * cosine
    return torch.nn.functional.normalize((weights[:, None] @ around)[:, 0], dim=-1)


def _crowded(distance: Tensor, nearest: Tensor) -> Tensor:
    """Which points lie close to an earlier one; the mean spacing is that of the neighbours' disc."""
    spacing = distance[:, -1:] * math.sqrt(math.pi / distance.shape[1])
    earlier = nearest < torch.arange(len(nearest))[:, None]
    return (earlier & (distance < CROWDED * spacing)).any(dim=1)


def _patches(offsets: Tensor, normals: Tensor, distance: Tensor, stretch: float) -> Float[Tensor, "points 4 3"]:
    """Corners, from the point, of the rectangle with the moments of its neighbours in its tangent plane."""
    across = _tangents(normals)
    mean, covariance = _moments(offsets @ across.mT, _plane_weights(offsets, normals, distance))
    turn = torch.atan2(2 * covariance[:, 0, 1], covariance[:, 0, 0] - covariance[:, 1, 1]) / 2
    cosine, sine = turn.cos(), turn.sin()
    axes = torch.stack([cosine, sine, -sine, cosine], dim=-1).reshape(-1, 2, 2)
    # A uniform interval of variance v reaches sqrt(3 v) to both sides.
    half = stretch * (3 * (axes @ covariance @ axes.mT).diagonal(dim1=1, dim2=2).clamp_min(0)).sqrt()
    half = torch.maximum(half, THINNEST * half.amax(dim=1, keepdim=True))
    corners = torch.tensor(CORNERS, dtype=offsets.dtype)
    return (mean[:, None] + (corners * half[:, None]) @ axes) @ across


def _tangents(normals: Float[Tensor, "points 3"]) -> Float[Tensor, "points 2 3"]:
    """Two unit vectors across each normal; the coordinate axis farthest from it gives the first."""
    axis = torch.eye(3, dtype=normals.dtype)[normals.abs().argmin(dim=1)]
    first = torch.nn.functional.normalize(torch.linalg.cross(normals, axis), dim=-1)
    return torch.stack([first, torch.linalg.cross(normals, first)], dim=1)
