"""``armillary sphere``: meshes, points and voxels to functions on the sphere."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from armillary.apps.machine import check_output
from armillary.apps.parse import closest, parse
from armillary.data import FAMILIES, SOLIDS, Mesh, make_shape, make_solid
from armillary.data.atomic import write_atomically
from armillary.data.shapes.mesh_file import SUFFIXES
from armillary.data.spherical import SphereGrid, SphericalMaps, load_surface, spherical_maps
from armillary.data.spherical.body import Centre

# Rows of the picture.
MOST_SHOWN = 12

DESCRIPTION = f"""Meshes, points and voxels as functions on the sphere: distance and angle at which rays from a sphere
around an object toward its centre first meet it. Writes maps.npz and a picture of them, preview.png.

Sources are mesh files ({", ".join(SUFFIXES)}), arrays of points (k, 3) or occupancies (x, y, z) in .npy files,
solids ({", ".join(SOLIDS)}) or families of the zoo ({", ".join(FAMILIES)}).

examples:
  armillary sphere part.stl --out sphere
  armillary sphere mug chair scan.ply voxels.npy --size 128 --hull --out spheres
"""


@dataclass(frozen=True)
class SphereCommand:
    """Options of spherical maps."""

    # Mesh files, .npy files, names of solids, families of the zoo.
    sources: tyro.conf.Positional[tuple[str, ...]]

    # Folder for maps.npz and preview.png.
    out: Path

    # Rings and azimuths of the grid.
    size: int = 64

    # Where the rings are: equiangular has none at a pole, driscoll-healy begins at the north pole.
    grid: SphereGrid = "equiangular"

    # Centre of the sphere: the centroid of the surface, or the file's own origin.
    centre: Centre = "centroid"

    # The distance and the angles of the convex hull too.
    hull: bool = False

    # Rays that meet nothing before the centre go on beyond it.
    beyond: bool = False


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(SphereCommand, arguments, "armillary sphere", description=DESCRIPTION)
    if not command.sources:
        raise ValueError("expected files or names of shapes, got none; see armillary sphere --help")
    check_output(command.out)
    meshes = [_surface(source) for source in command.sources]
    names = [Path(source).stem for source in command.sources]
    settings = {"centre": command.centre, "hull": command.hull, "beyond": command.beyond}
    maps = spherical_maps(meshes, command.size, command.grid, names=command.sources, **settings)
    from armillary.apps.plots.spherical_map import spherical_maps_png

    shown = min(len(meshes), MOST_SHOWN)
    picture = spherical_maps_png(meshes[:shown], maps[:shown], names[:shown])
    command.out.mkdir(parents=True, exist_ok=True)
    write_atomically(command.out / "maps.npz", _archive(maps, names))
    write_atomically(command.out / "preview.png", picture)
    for name, centre, radius, hit in zip(names, maps.centres, maps.radii, maps.hit, strict=True):
        place = ", ".join(f"{x:.4g}" for x in centre.tolist())
        print(
            f"{name}: sphere of radius {radius:.4g} about ({place}); {hit.float().mean():.1%} of rays meet the surface"
        )
    print(f"{len(maps)} maps in {command.out / 'maps.npz'}, a picture in {command.out / 'preview.png'}")


def _surface(source: str) -> Mesh:
    path = Path(source)
    if path.suffix.lower() in (*SUFFIXES, ".npy"):
        return load_surface(path)
    if source in SOLIDS:
        return make_solid(source).mesh
    if source in FAMILIES:
        return make_shape(source).mesh
    if path.exists():
        return load_surface(path)
    raise ValueError(f"{source}: neither a file nor a shape's name; {closest(source, [*SOLIDS, *FAMILIES])}")


def _archive(maps: SphericalMaps, names: list[str]) -> bytes:
    buffer = io.BytesIO()
    values, centres, radii = maps.values.numpy(), maps.centres.numpy(), maps.radii.numpy()
    channels, grid = np.asarray(maps.channels), np.asarray(maps.grid)
    np.savez(buffer, values=values, channels=channels, centres=centres, radii=radii, grid=grid, names=np.asarray(names))
    return buffer.getvalue()
