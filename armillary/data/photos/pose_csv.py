"""Posed photographs as a table of files and quaternions; the header names the quaternion's order.

    folder/
      poses.csv      file,qw,qx,qy,qz[,tx,ty,tz][,fx,fy,cx,cy][,mask]
      ...            files relative to the table

Columns come in any order, known by name. The quaternion is the rotation from object (world) to camera, OpenCV
axes; tx, ty, tz is the object's origin in the camera frame, metres; fx, fy, cx, cy are pixels with the centre of the
top-left pixel at (0, 0). A quaternion is scaled to unit length if it is within 1 % of it.
"""

import csv
from pathlib import Path

import numpy as np
import torch

from armillary.data.photos.posed_photos import Photo, PosedPhotos, pinhole
from armillary.so3 import quat_wxyz_to_matrix

_QUAT_WXYZ = ("qw", "qx", "qy", "qz")
_TRANSLATION = ("tx", "ty", "tz")
_INTRINSICS = ("fx", "fy", "cx", "cy")


def read_pose_csv(path: Path) -> PosedPhotos:
    """The photographs that a table lists."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            columns = tuple(name.strip() for name in table.fieldnames or ())
            table.fieldnames = columns
            rows = list(table)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a table of poses, got no such file; check the path") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table as text, got '{error}'; save it as UTF-8 CSV") from error
    missing = [name for name in ("file", *_QUAT_WXYZ) if name not in columns]
    if missing:
        raise ValueError(
            f"{path}: expected columns file,qw,qx,qy,qz, got {','.join(columns) or 'no header'}; name the columns in "
            "the first line, so that the quaternion's order is known"
        )
    for group in (_TRANSLATION, _INTRINSICS):
        present = [name for name in group if name in columns]
        if present and len(present) != len(group):
            raise ValueError(
                f"{path}: expected all of {','.join(group)} or none, got {','.join(present)}; complete them"
            )
    return PosedPhotos([_photo(path, columns, row, number) for number, row in enumerate(rows)], path)


def _photo(path: Path, columns: tuple[str, ...], row: dict[str, str], number: int) -> Photo:
    if not row["file"]:
        raise ValueError(f"{path}: row {number}: expected the name of a picture under file, got none; correct the row")

    def numbers(names: tuple[str, ...]) -> np.ndarray:
        try:
            return np.array([float(row[name]) for name in names])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: row {number} ({row['file']}): expected numbers in {','.join(names)}, got "
                f"{','.join(str(row[name]) for name in names)}; correct the row"
            ) from error

    quat_wxyz = numbers(_QUAT_WXYZ)
    length = np.linalg.norm(quat_wxyz)
    if not abs(length - 1) < 0.01:
        raise ValueError(
            f"{path}: row {number} ({row['file']}): expected a unit quaternion, got length {length:.3g}; "
            "correct the row"
        )
    return Photo(
        path=path.parent / row["file"],
        name=row["file"],
        rotation=quat_wxyz_to_matrix(torch.from_numpy(quat_wxyz / length)).numpy(),
        translation=numbers(_TRANSLATION) if "tx" in columns else None,
        intrinsics=pinhole(*numbers(_INTRINSICS)) if "fx" in columns else None,
        mask_path=path.parent / row["mask"] if row.get("mask") else None,
    )
