r"""Meshes as functions on the sphere: distance and angle at which rays from a sphere toward its centre first meet them.

The object is centred and scaled to reach 0.99 of the way to a sphere of radius 1. From the sphere's point d a ray runs
to the centre; with its first hit at t d, and n the normal there, whatever its sign,

.. math:: \mathrm{distance} = 1 - t, \qquad \mathrm{cosine} = |n \cdot d|, \qquad \mathrm{sine} = |n \times d|.

A ray that meets nothing before the centre has distance 1, cosine 0 and sine 0: each map is a function of the direction
alone, what is beyond the centre belongs to the opposite ray. With ``beyond`` such a ray goes on, as those of Cohen et
al.: t < 0 and a distance up to 2; what meets nothing there either has distance 1. The same three of the convex hull may
follow.

Reference: Learning SO(3) equivariant representations with spherical CNNs (Esteves et al., 2018),
    https://arxiv.org/abs/1711.06721 (distance and sine); Spherical CNNs (Cohen et al., 2018),
    https://arxiv.org/abs/1801.10130 (cosine and hull).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.data.shapes.mesh import Mesh
from armillary.data.spherical.body import Body, Centre
from armillary.data.spherical.first_hit import first_hits, runs
from armillary.data.spherical.grid import SphereGrid, polar_angles, sphere_directions
from armillary.so3 import require_rotations

CHANNELS = ("distance", "cosine", "sine")
HULL_CHANNELS = ("hull distance", "hull cosine", "hull sine")
# Faces drawn together, and the fewest that a map counts for: about 100 MB, 64 maps.
FACES_AT_ONCE, FEWEST_FACES = 1 << 17, 1 << 11
# Radii from the origin beyond which it is said that an object lay there.
FAR = 10.0


@dataclass(frozen=True)
class SphericalMaps:
    """Functions on the sphere, one for each mesh, with the spheres that enclose the meshes.

    Example:
        >>> from armillary.data.shapes import make_shape
        >>> maps = spherical_maps([make_shape("mug").mesh], size=32)
        >>> maps.values.shape, maps.channels
        (torch.Size([1, 3, 32, 32]), ('distance', 'cosine', 'sine'))
        >>> maps.channel("sine").shape
        torch.Size([1, 32, 32])
    """

    # Axes (ring, azimuth) of ``sphere_directions(size, grid)``.
    values: Float[Tensor, "maps channels rings azimuths"]
    channels: tuple[str, ...]
    # Of the enclosing spheres, in the frames of the meshes (m).
    centres: Float[Tensor, "maps 3"]
    radii: Float[Tensor, " maps"]
    grid: SphereGrid = "equiangular"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Int[Tensor, " chosen"] | slice) -> "SphericalMaps":
        values, centres, radii = self.values[index], self.centres[index], self.radii[index]
        return SphericalMaps(values, self.channels, centres, radii, self.grid)

    def channel(self, name: str) -> Float[Tensor, "maps rings azimuths"]:
        """One channel by its name."""
        if name not in self.channels:
            raise ValueError(f"expected a channel among {', '.join(self.channels)}, got {name!r}; correct the name")
        return self.values[:, self.channels.index(name)]

    @property
    def hit(self) -> Bool[Tensor, "maps rings azimuths"]:
        """Where a ray meets the object."""
        return self.channel("cosine").square() + self.channel("sine").square() > 0.5

    @staticmethod
    def cat(parts: "Sequence[SphericalMaps]") -> "SphericalMaps":
        """Maps of one kind, one after the other."""
        values, centres, radii = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("values", "centres", "radii")
        )
        return SphericalMaps(values, parts[0].channels, centres, radii, parts[0].grid)


def spherical_maps(
    meshes: Sequence[Mesh],
    size: int = 64,
    grid: SphereGrid = "equiangular",
    rotations: Float[Tensor, "meshes 3 3"] | None = None,
    centre: Centre = "centroid",
    hull: bool = False,
    beyond: bool = False,
    device: torch.device | str = "cpu",
    names: Sequence[str] | None = None,
) -> SphericalMaps:
    """Functions on the sphere of meshes, closed or not, whatever their winding.

    Args:
        meshes: one for each map; the same mesh may stand there many times, turned differently. Points become a mesh by
            ``surfels``, voxels by ``voxel_mesh``.
        size: number of rings and of azimuths.
        grid: of the directions.
        rotations: by which each mesh is turned about its centre.
        centre: of the sphere: "centroid" of the surface, or the mesh's own "origin".
        hull: the three channels of the convex hull too.
        beyond: rays that meet nothing before the centre go on beyond it.
        device: that computes, and holds the values.
        names: of the meshes in messages; default "mesh 0", ...
    """
    if not meshes:
        raise ValueError("expected at least one mesh, got none; check the list")
    if rotations is not None:
        if len(rotations) != len(meshes):
            raise ValueError(
                f"expected a rotation for each of {len(meshes)} meshes, got {len(rotations)}; give as many"
            )
        require_rotations(rotations)
    names = [f"mesh {index}" for index in range(len(meshes))] if names is None else names
    layers = _layers(meshes, centre, hull, names)
    _say_far([bodies[0] for bodies in layers], centre, names)
    values = []
    faces = torch.tensor([sum(len(body.corners) for body in bodies) for bodies in layers]).clamp_min(FEWEST_FACES)
    for first, last in runs(faces, FACES_AT_ONCE):
        chosen = range(first, last)
        bodies = [body if rotations is None else body.turned(rotations[i]) for i in chosen for body in layers[i]]
        drawn = _draw(bodies, size, grid, beyond, torch.device(device))
        values.append(drawn.unflatten(0, (len(chosen), -1)).flatten(1, 2))
    channels = CHANNELS + HULL_CHANNELS if hull else CHANNELS
    centres = torch.stack([bodies[0].centre for bodies in layers]).float()
    radii = torch.tensor([bodies[0].radius for bodies in layers])
    maps = SphericalMaps(torch.cat(values), channels, centres, radii, grid)
    _require_hits(maps, names)
    return maps


def _layers(meshes: Sequence[Mesh], centre: Centre, hull: bool, names: Sequence[str]) -> list[list[Body]]:
    """The body of each mesh, and its hull; each mesh is prepared once, however often it stands there."""
    made: dict[int, list[Body]] = {}
    for name, mesh in zip(names, meshes, strict=True):
        if id(mesh) not in made:
            try:
                body = Body.of(mesh, centre)
                made[id(mesh)] = [body, body.hull()] if hull else [body]
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return [made[id(mesh)] for mesh in meshes]


def _say_far(bodies: list[Body], centre: Centre, names: Sequence[str]) -> None:
    far = {index: body.displacement for index, body in enumerate(bodies) if body.displacement > FAR}
    if far:
        index, distance = next(iter(far.items()))
        done = "centred" if centre == "centroid" else "seen small; take centre='centroid'"
        what = f"{names[index]} lies {distance:.3g} of its radii from the origin ({len(far)} of {len(bodies)} lie far)"
        warnings.warn(f"{what}: {done}", stacklevel=3)


def _require_hits(maps: SphericalMaps, names: Sequence[str]) -> None:
    missed = torch.nonzero(~maps.hit.flatten(1).any(1))[:, 0].tolist()
    if missed:
        raise ValueError(
            f"{names[missed[0]]}: expected rays that meet the surface, got none of {maps.values[0, 0].numel()} "
            f"({len(missed)} of {len(maps)} meshes); give a flat mesh thickness, take centre='centroid'"
        )


def _draw(
    bodies: list[Body], size: int, grid: SphereGrid, beyond: bool, device: torch.device
) -> Float[Tensor, "bodies 3 size size"]:
    corners = torch.cat([body.corners for body in bodies]).to(device)
    normals = torch.cat([body.normals for body in bodies]).to(device)
    counts = torch.tensor([len(body.corners) for body in bodies], device=device)
    owner = torch.repeat_interleave(torch.arange(len(bodies), device=device), counts)
    polar = polar_angles(size, grid).to(device)
    found = first_hits(corners, owner, len(bodies), polar, size)
    if beyond:
        # Along d the body mirrored in the centre is what lies along -d.
        opposite = first_hits(-corners, owner, len(bodies), polar, size, nearest=True)
        found = torch.where(found >= 0, found, opposite)
    where = found >= 0
    direction = sphere_directions(size, grid).to(device).expand(len(bodies), -1, -1, -1)[where]
    values = torch.zeros(3, *found.shape, device=device)
    values[0] = 1
    values[:, where] = _shade(corners[found[where]], normals[found[where]], direction).float()
    return values.movedim(0, 1)


def _shade(
    corners: Float[Tensor, "hits 3 3"], normals: Float[Tensor, "hits 3 3"], direction: Float[Tensor, "hits 3"]
) -> Float[Tensor, "3 hits"]:
    """Distance, cosine and sine of rays that meet triangles, before or beyond the centre."""
    after, last = corners.roll(-1, 1), corners.roll(-2, 1)
    determinant = (corners[:, 0] * torch.linalg.cross(after[:, 0] - corners[:, 0], last[:, 0] - corners[:, 0])).sum(-1)
    share = torch.linalg.cross(after, last - after) @ direction[..., None]
    total = share.sum(1, keepdim=True)
    reach = determinant / total[:, 0, 0]
    normal = ((share / total).clamp(0, 1).mT @ normals)[:, 0]
    normal = torch.nn.functional.normalize(normal, dim=-1, eps=1e-300)
    cosine = (normal * direction).sum(-1).abs()
    return torch.stack([1 - reach, cosine, torch.linalg.cross(normal, direction).norm(dim=-1)])


def hit_points(maps: SphericalMaps) -> Float[Tensor, "maps rings azimuths 3"]:
    """The first hits in the frames of the (turned) meshes, relative to the centre (m); NaN where a ray met nothing.

    Example:
        >>> from armillary.data.shapes.primitive import ball
        >>> points = hit_points(spherical_maps([ball(2.0)], size=8))
        >>> bool((points.norm(dim=-1) - 2).abs().max() < 0.01)
        True
    """
    direction = sphere_directions(maps.values.shape[-1], maps.grid).to(maps.values)
    reach = (1 - maps.channel("distance")) * maps.radii.to(maps.values)[:, None, None]
    return torch.where(maps.hit, reach, torch.nan)[..., None] * direction
