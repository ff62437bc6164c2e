"""Posed photographs as NeRF's transforms.json (instant-ngp, nerfstudio, Blender's synthetic scenes).

    folder/
      transforms.json            or transforms_train.json, transforms_test.json
        camera_angle_x           horizontal field of view, radians             } one of the two, here
        fl_x, fl_y, cx, cy, w, h focal lengths, principal point, size, pixels  } or in each frame
        frames
          file_path              relative to the file, with or without suffix (.png)
          transform_matrix       4 x 4, camera to world, OpenGL camera axes (x right, y up, z backward)
          mask_path              optional
      images/...

Converted on reading: camera axes to OpenCV (y and z change sign), the matrix to world-to-camera, and pixel coordinates
from this format's (0.5, 0.5) at the centre of the top-left pixel to (0, 0). Lens distortion (k1, k2, p1, p2) is ignored
with a warning.
"""

import math
import warnings
from pathlib import Path

import numpy as np

from armillary.data.photos.posed_photos import Photo, PosedPhotos, pinhole
from armillary.data.record import read_json

_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0])


def read_nerf(path: Path) -> PosedPhotos:
    """The photographs that a transforms.json lists."""
    record = read_json(path, "check the path, and see NeRF's transforms.json")
    if not isinstance(record.get("frames"), list):
        raise ValueError(f"{path}: expected a list 'frames', got none; see NeRF's transforms.json")
    if not all(isinstance(frame, dict) for frame in record["frames"]):
        raise ValueError(
            f"{path}: expected each of frames to be an object, got another value; see NeRF's transforms.json"
        )
    if any(record.get(key) or any(frame.get(key) for frame in record["frames"]) for key in ("k1", "k2", "p1", "p2")):
        warnings.warn(f"{path}: lens distortion is ignored; undistort the photographs first", stacklevel=2)
    return PosedPhotos([_photo(path, record, frame, number) for number, frame in enumerate(record["frames"])], path)


def _photo(path: Path, record: dict, frame: dict, number: int) -> Photo:
    for key in ("file_path", "transform_matrix"):
        if key not in frame:
            raise ValueError(f"{path}: frame {number}: expected {key}, got {', '.join(frame) or 'nothing'}; add it")
    try:
        matrix = np.array(frame["transform_matrix"], dtype=np.float64)
        file = path.parent / frame["file_path"]
        file = file if file.suffix else file.with_suffix(".png")
        intrinsics = _intrinsics({**record, **frame}, file)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ValueError(
            f"{path}: frame {number}: expected numbers and a file name, got '{error}'; correct it"
        ) from error
    if matrix.shape not in ((4, 4), (3, 4)):
        raise ValueError(f"{path}: frame {number}: expected a 4 x 4 transform_matrix, got {matrix.shape}; correct it")
    rotation = _OPENCV_FROM_OPENGL @ matrix[:3, :3].T
    return Photo(
        path=file,
        name=frame["file_path"],
        rotation=rotation,
        translation=-rotation @ matrix[:3, 3],
        intrinsics=intrinsics,
        mask_path=path.parent / frame["mask_path"] if "mask_path" in frame else None,
    )


def _intrinsics(entry: dict, file: Path) -> np.ndarray | None:
    width, height = (entry["w"], entry["h"]) if "w" in entry and "h" in entry else _size(file)
    if "fl_x" in entry:
        focal = float(entry["fl_x"])
    elif "camera_angle_x" in entry:
        focal = width / 2 / math.tan(entry["camera_angle_x"] / 2)
    else:
        return None
    return pinhole(
        focal,
        float(entry.get("fl_y", focal)),
        float(entry.get("cx", width / 2)) - 0.5,
        float(entry.get("cy", height / 2)) - 0.5,
    )


def _size(file: Path) -> tuple[int, int]:
    """Width and height; of a missing or broken file anything will do, as reading it is refused later."""
    import PIL.Image

    try:
        with PIL.Image.open(file) as picture:
            return picture.size
    except OSError:
        return 1, 1
