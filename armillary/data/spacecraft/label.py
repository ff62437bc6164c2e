"""Labels of spacecraft pictures: names, quaternions and positions, read from JSON lists and CSV tables, and checked.

`q_vbs2tango` is scalar first; its active matrix takes the spacecraft's frame (tango) to the camera's (vbs, OpenCV
axes): a point x of the spacecraft appears where ``R(q) x + r`` does. (The authors' programs compute the transposed
matrix, of direction cosines, and transpose it before they project; the SPEED+ fork of Image2Sphere learns that one.)
`r_Vo2To_vbs` is the origin of the spacecraft's frame in the camera frame, metres.

Reference: https://github.com/tpark94/spnv2, core/utils/postprocess.py, project_keypoints
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.data.published import Faults
from armillary.so3 import quat_wxyz_to_matrix

# Files print six digits or more.
UNIT_TOLERANCE = 1e-3
QUATERNION, POSITION = ("q_vbs2tango_true", "q_vbs2tango"), ("r_Vo2To_vbs_true", "r_Vo2To_vbs")
# Columns of a table: the fork's name, q, r; SPNv2's name, box, q, r, 12 projected points.
_COLUMNS = {8: 1, 36: 5}
_REMEDY = "unpack the data set again"


@dataclass(frozen=True)
class Labels:
    """Pictures with their poses, in the order of the file."""

    files: tuple[str, ...]
    quat_wxyz: Float[np.ndarray, "samples 4"]
    # Metres.
    position: Float[np.ndarray, "samples 3"]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: Bool[np.ndarray, " samples"] | slice) -> "Labels":
        places = np.arange(len(self))[chosen]
        return Labels(tuple(self.files[place] for place in places), self.quat_wxyz[places], self.position[places])

    @property
    def rotations(self) -> Float[Tensor, "samples 3 3"]:
        """R_cam_obj."""
        length = np.linalg.norm(self.quat_wxyz, axis=1, keepdims=True)
        return quat_wxyz_to_matrix(torch.from_numpy(self.quat_wxyz / length)).float()

    @property
    def places(self) -> dict[str, int]:
        """Where each picture is in the order."""
        return {file: place for place, file in enumerate(self.files)}

    @classmethod
    def of(cls, rows: list[tuple[str, list[float | int], list[float | int]]]) -> "Labels":
        """From names, quaternions and positions."""
        quaternions = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 4)
        positions = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 3)
        return cls(tuple(row[0] for row in rows), quaternions, positions)


def read_label_list(path: Path, faults: Faults) -> Labels:
    """Labels of a JSON list of {filename, q_vbs2tango_true, r_Vo2To_vbs_true}; entries without them are faults."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a list of labels, got no such file; {_REMEDY}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a whole JSON list, got '{error}'; {_REMEDY}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{path}: expected a JSON list of objects with filename, got another value; {_REMEDY}")
    rows = []
    for number, entry in enumerate(entries):
        file = entry.get("filename")
        if not isinstance(file, str) or not file:
            raise ValueError(f"{path}: entry {number}: expected a filename, got {file!r}; {_REMEDY}")
        values = [next((entry[key] for key in keys if key in entry), None) for keys in (QUATERNION, POSITION)]
        if None in values:
            faults.add("without a label", file)
        elif not (_are_numbers(values[0], 4) and _are_numbers(values[1], 3)):
            faults.add("with a label other than 4 and 3 numbers", file)
        else:
            rows.append((file, *values))
    return Labels.of(rows)


def read_label_table(path: Path, faults: Faults) -> Labels:
    """Labels of a CSV table without header: file, q (4), r (3), or file, box (4), q, r, points (24)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, skipinitialspace=True) if line]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a table of labels, got no such file; {_REMEDY}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table as text, got '{error}'; write it again") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if len(line) not in _COLUMNS:
            told = f"got {len(line)} columns" if len(line) > 1 else "got a file name alone"
            raise ValueError(f"{path}: line {number}: expected file, q (4) and r (3), {told}; write the table again")
        first = _COLUMNS[len(line)]
        try:
            values = [float(word) for word in line[first : first + 7]]
        except ValueError:
            values = [np.nan]
        if not _are_numbers(values, 7):
            faults.add("with a label other than 4 and 3 numbers", line[0])
        else:
            rows.append((line[0], values[:4], values[4:]))
    return Labels.of(rows)


def sound_labels(labels: Labels, pictures: set[str], faults: Faults) -> Labels:
    """The labels whose picture is there and whose pose can be; the others become faults."""
    length, depth = np.linalg.norm(labels.quat_wxyz, axis=1), labels.position[:, 2]
    distance = np.linalg.norm(labels.position, axis=1)
    sound, seen = np.ones(len(labels), dtype=bool), set()
    for place, file in enumerate(labels.files):
        fault, name = None, file
        if file in seen:
            fault = "listed twice"
        elif file not in pictures:
            fault = "without a picture"
        elif not abs(length[place] - 1) <= UNIT_TOLERANCE:
            fault, name = "with a quaternion not of unit length", f"{file}: {length[place]:.4g}"
        elif distance[place] == 0:
            fault = "at distance zero"
        elif depth[place] <= 0:
            fault, name = "behind the camera", f"{file}: z = {depth[place]:.4g} m"
        seen.add(file)
        if fault is not None:
            faults.add(fault, name)
            sound[place] = False
    return labels[sound]


def read_poses_of(path: Path, pictures: set[str]) -> Labels:
    """Of a JSON list, the labels of these pictures whose pose can be; the others are left out."""
    faults = Faults(str(path))
    return sound_labels(read_label_list(path, faults), pictures, faults)


def _are_numbers(values: object, count: int) -> bool:
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in values)
