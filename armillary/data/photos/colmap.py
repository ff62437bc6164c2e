"""Posed photographs as COLMAP's text model.

    folder/
      cameras.txt    CAMERA_ID MODEL WIDTH HEIGHT PARAMS...            or in sparse/ or sparse/0/
      images.txt     two lines per photograph:
                     IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME      world to camera, OpenCV axes
                     POINTS2D...                                       not used, may be empty
      images/NAME    or beside the text files
      masks/NAME.png optional, not black where the object is visible

Models: PINHOLE, SIMPLE_PINHOLE, and SIMPLE_RADIAL, RADIAL, OPENCV, whose distortion is ignored with a warning. COLMAP
puts (0.5, 0.5) at the centre of the top-left pixel; converted to (0, 0) on reading. Its unit of length is arbitrary.
"""

import warnings
from pathlib import Path

import numpy as np
import torch

from armillary.data.photos.posed_photos import Photo, PosedPhotos, pinhole
from armillary.so3 import quat_wxyz_to_matrix

# Model: (number of parameters, how many of them are focal lengths).
_MODELS = {"SIMPLE_PINHOLE": (3, 1), "PINHOLE": (4, 2), "SIMPLE_RADIAL": (4, 1), "RADIAL": (5, 1), "OPENCV": (8, 2)}


def colmap_model_folder(folder: Path) -> Path | None:
    """Where below a folder cameras.txt and images.txt lie, or None."""
    for place in (folder, folder / "sparse", folder / "sparse" / "0"):
        if (place / "images.txt").is_file() and (place / "cameras.txt").is_file():
            return place
    return None


def read_colmap(folder: Path) -> PosedPhotos:
    """The photographs of a COLMAP text model."""
    model = colmap_model_folder(folder)
    if model is None:
        raise FileNotFoundError(
            f"{folder}: expected cameras.txt and images.txt (here, in sparse or sparse/0), got none; "
            "export the model with 'colmap model_converter --output_type TXT'"
        )
    cameras = _read_cameras(model / "cameras.txt")
    lines = _lines(model / "images.txt")
    # Points may be absent, so empty lines count: entries are every other line from the first that is not empty.
    while lines and not lines[0]:
        lines.pop(0)
    pictures = next((place for place in (folder / "images", model / "images") if place.is_dir()), folder)
    photos = [_photo(line, cameras, pictures, folder / "masks", model / "images.txt") for line in lines[::2] if line]
    return PosedPhotos(photos, model / "images.txt", category=folder.resolve().name)


def _photo(line: str, cameras: dict[str, np.ndarray], pictures: Path, masks: Path, source: Path) -> Photo:
    fields = line.split(maxsplit=9)
    if len(fields) != 10:
        raise ValueError(f"{source}: expected IMAGE_ID, pose, CAMERA_ID and NAME, got '{line[:60]}'; export it again")
    if fields[8] not in cameras:
        raise ValueError(f"{source}: expected a camera of cameras.txt, got id {fields[8]}; export both files again")
    name = fields[9]
    try:
        quat_wxyz, translation = np.split(np.array(fields[1:8], dtype=np.float64), [4])
    except ValueError as error:
        raise ValueError(f"{source}: expected a pose of seven numbers, got '{line[:60]}'; export it again") from error
    if not np.linalg.norm(quat_wxyz) > 0:
        raise ValueError(f"{source}: expected a quaternion, got zero or NaN in '{line[:60]}'; export it again")
    mask = masks / f"{name}.png"
    return Photo(
        path=pictures / name,
        name=name,
        rotation=quat_wxyz_to_matrix(torch.from_numpy(quat_wxyz / np.linalg.norm(quat_wxyz))).numpy(),
        translation=translation,
        intrinsics=cameras[fields[8]],
        mask_path=mask if mask.is_file() else None,
    )


def _lines(path: Path) -> list[str]:
    """The lines of a text file without comments."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        remedy = "export the model with 'colmap model_converter --output_type TXT'"
        raise ValueError(f"{path}: expected text, got a binary file; {remedy}") from error
    return [line for line in lines if not line.startswith("#")]


def _read_cameras(path: Path) -> dict[str, np.ndarray]:
    cameras = {}
    for line in _lines(path):
        fields = line.split()
        if not fields:
            continue
        model = fields[1] if len(fields) > 1 else ""
        if model not in _MODELS or len(fields) != 4 + _MODELS[model][0]:
            raise ValueError(
                f"{path}: expected a camera model among {', '.join(_MODELS)}, got '{line[:60]}'; "
                "undistort with 'colmap image_undistorter', which writes PINHOLE"
            )
        try:
            numbers = [float(field) for field in fields[4:]]
        except ValueError as error:
            raise ValueError(f"{path}: expected numbers after the model, got '{line[:60]}'; export it again") from error
        focals = _MODELS[model][1]
        distortion = numbers[focals + 2 :]
        if any(distortion):
            warnings.warn(f"{path}: lens distortion of camera {fields[0]} ({model}) is ignored", stacklevel=3)
        cameras[fields[0]] = pinhole(numbers[0], numbers[focals - 1], numbers[focals] - 0.5, numbers[focals + 1] - 0.5)
    return cameras
