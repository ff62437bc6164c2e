"""Spherical maps looked at: a mesh, and beside it each channel on a ball that is seen from the same side."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.plots.drawing import Drawing, drawings_png
from armillary.apps.plots.globe import FROM_ABOVE, PIXELS, Globe, SphereFunction
from armillary.apps.plots.picture import Picture
from armillary.data import Mesh, Renderer
from armillary.data.camera import intrinsics_from_fov
from armillary.data.spherical import SphereGrid, SphericalMaps, polar_angles

# Distance of the eye from the picture of the object, radii of its sphere: nearly without perspective, as the balls.
AWAY = 20.0


def spherical_maps_png(meshes: Sequence[Mesh], maps: SphericalMaps, names: Sequence[str]) -> bytes:
    """A row for each mesh: its picture, its channels on balls from 0 (blue) to 1 (red), and its distance as an array.

    Args:
        meshes: as they were given to ``spherical_maps``, not turned.
        maps: their maps.
        names: captions of the rows.
    """
    rows: list[list[Drawing]] = []
    for index, (mesh, name) in enumerate(zip(meshes, names, strict=True)):
        row: list[Drawing] = [Picture(_photograph(mesh, maps.centres[index], maps.radii[index].item()), caption=name)]
        for channel, values in zip(maps.channels, maps.values[index], strict=True):
            # The palette runs from -1 to 1.
            row.append(Globe(on_sphere(2 * values - 1, maps.grid), limit=1.0, view=FROM_ABOVE, caption=channel))
        rows.append([*row, Picture(maps.channel("distance")[index], caption="distance (ring, azimuth)")])
    return drawings_png(rows)


def on_sphere(values: Float[Tensor, "rings azimuths"], grid: SphereGrid = "equiangular") -> SphereFunction:
    """The function that has, everywhere, the value of the nearest ring and there of the nearest azimuth.

    Example:
        >>> on_sphere(torch.tensor([[1.0, 1], [2, 3]]))(torch.tensor([[1.0, 0, -1], [-1, 0, -1], [0, 0, 1]]))
        tensor([2., 3., 1.])
    """
    rings, azimuths = values.shape
    polar = polar_angles(rings, grid)
    between = ((polar[1:] + polar[:-1]) / 2).float()

    def look_up(points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape"]:
        x, y, z = points.float().unbind(-1)
        ring = torch.bucketize(torch.atan2(torch.hypot(x, y), z), between)
        column = (torch.atan2(y, x) * (azimuths / (2 * math.pi))).round().long() % azimuths
        return values.cpu()[ring, column]

    return look_up


def _photograph(mesh: Mesh, centre: Float[Tensor, "3"], radius: float) -> Float[Tensor, "3 rows columns"]:
    body = Mesh((mesh.vertices - centre) / radius, mesh.faces, mesh.colours, mesh.normals)
    renderer = Renderer(size=PIXELS, backend="torch")
    camera = intrinsics_from_fov(2 * math.asin(1.03 / AWAY), PIXELS)
    away = torch.tensor([[0.0, 0.0, AWAY]])
    frames = renderer.render(body, FROM_ABOVE[None], away, camera, background=torch.ones(3))
    return frames.rgb[0].permute(2, 0, 1) / 255
