"""What a folder has of spacecraft: its splits, its surface; and the surface that a run keeps."""

import shutil
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.parse import closest
from armillary.data.atomic import replacing
from armillary.data.record import write_json
from armillary.data.shapes import Mesh, load_mesh
from armillary.data.shapes.mesh_file import SUFFIXES
from armillary.data.spacecraft import LensCamera, SpacecraftPhotos, spacecraft_splits
from armillary.data.spacecraft.opening import NESTED
from armillary.data.spacecraft.photos import TANGO

CAMERA = "camera.json"


def open_split(data: Path, split: str) -> SpacecraftPhotos:
    """Pictures of a split of SPEED+, SPEED, or a folder laid out as they are."""
    found = _splits(data)
    if split not in found:
        raise ValueError(f"{data}: no split {split}; {closest(split, found)}")
    reader = found[split]()
    assert isinstance(reader, SpacecraftPhotos)
    return reader


def split_names(data: Path) -> tuple[str, ...]:
    """The splits of a folder."""
    return tuple(_splits(data))


def _splits(data: Path) -> dict:
    found = spacecraft_splits(data)
    if not found:
        got = "another folder" if data.is_dir() else "no such folder"
        raise FileNotFoundError(f"{data}: expected spacecraft laid out as SPEED+, got {got}; see docs/data.md")
    return found


def surface_file(folder: Path) -> Path | None:
    """model.ply (.obj, .stl, ...) of a data set or a run; None where there is none."""
    places = [place / f"model{suffix}" for place in (folder, *(folder / n for n in NESTED)) for suffix in SUFFIXES]
    return next((place for place in places if place.is_file()), None)


def keep_source(data: Path, camera: LensCamera, run: Path) -> None:
    """Write the camera and the surface of a data set into a run, for frames that come later."""
    matrix = [[camera.fx, 0.0, camera.cx + 0.5], [0.0, camera.fy, camera.cy + 0.5], [0.0, 0.0, 1.0]]
    record = {"Nu": camera.width, "Nv": camera.height, "cameraMatrix": matrix, "distCoeffs": list(camera.lens)}
    write_json(run / CAMERA, record)
    file = surface_file(data)
    if file is not None and not (run / file.name).exists():
        with replacing(run / file.name) as temporary:
            shutil.copyfile(file, temporary)


def load_surface(folder: Path) -> Mesh:
    """The surface of a run or a data set; where there is none, the hull of Tango's points."""
    file = surface_file(folder)
    return hull(TANGO.points) if file is None else load_mesh(file)


def hull(points: Float[Tensor, "points 3"]) -> Mesh:
    """The convex hull of points.

    Example:
        >>> len(hull(torch.cat([torch.zeros(1, 3), torch.eye(3)])).faces)
        4
    """
    from scipy.spatial import ConvexHull

    return Mesh(points, torch.from_numpy(ConvexHull(points.double().numpy()).simplices).long())
