"""The CSV in which ESA's challenges take poses: no header, one line for each picture, quaternion scalar first, metres.

    lightbox,img000001.jpg,q1,q2,q3,q4,r1,r2,r3      SPEED+: domain and file
    img000001.jpg,q1,q2,q3,q4,r1,r2,r3               SPEED: file

Names are ``lightbox/img000001.jpg`` and ``img000001.jpg``, as the readers of the two data sets give them.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.so3 import matrix_to_quat_wxyz, quat_wxyz_to_matrix

# Printed quaternions are rounded.
UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Submission:
    """Poses by the names of pictures."""

    names: tuple[str, ...]
    rotation: Float[Tensor, "views 3 3"]
    translation: Float[Tensor, "views 3"]

    def matched(self, names: Sequence[str]) -> "Submission":
        """The poses of these pictures in this order; a picture without one, or a pose without a picture, is refused."""
        places = {name: place for place, name in enumerate(self.names)}
        lacking = [name for name in names if name not in places]
        if lacking:
            raise ValueError(
                f"expected a pose for each of {len(names)} pictures, got none for {_told(lacking)}; add the lines"
            )
        unknown = sorted({*places} - {*names})
        if unknown:
            raise ValueError(
                f"expected poses of {len(names)} pictures alone, got one for {_told(unknown)}; drop the lines"
            )
        order = torch.tensor([places[name] for name in names], dtype=torch.int64)
        return Submission(tuple(names), self.rotation[order], self.translation[order])


def write_submission(
    path: Path, names: Sequence[str], rotation: Float[Tensor, "views 3 3"], translation: Float[Tensor, "views 3"]
) -> None:
    """Write poses whole or not at all; names with a domain make the second challenge's lines, others the first's."""
    if len({"/" in name for name in names}) > 1:
        raise ValueError(f"{path}: expected names all with a domain or all without, got both; write two files")
    twice = sorted({name for name in names if names.count(name) > 1}) if len({*names}) < len(names) else []
    if twice:
        raise ValueError(f"{path}: expected one pose for each picture, got more for {_told(twice)}; drop the others")
    numbers = torch.cat([matrix_to_quat_wxyz(rotation.double()), translation.double()], -1).tolist()
    lines = [
        ",".join([*name.split("/"), *(f"{value:.9g}" for value in row)])
        for name, row in zip(names, numbers, strict=True)
    ]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def read_submission(path: Path) -> Submission:
    """Poses of a file in the form of either challenge."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, skipinitialspace=True) if line]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a table of poses, got no such file; check the path") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table as text, got '{error}'; save it as UTF-8 CSV") from error
    names, rows = [], []
    for number, line in enumerate(lines, 1):
        name, row = _pose(line, f"{path}: line {number}")
        names.append(name)
        rows.append(row)
    if not names:
        raise ValueError(f"{path}: expected poses, got an empty file; write it again")
    if len({*names}) < len(names):
        seen = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"{path}: expected one pose for each picture, got two for {seen}; drop one")
    table = torch.tensor(rows, dtype=torch.float64)
    quat_wxyz = torch.nn.functional.normalize(table[:, :4], dim=-1)
    return Submission(tuple(names), quat_wxyz_to_matrix(quat_wxyz), table[:, 4:])


def _pose(line: list[str], place: str) -> tuple[str, list[float]]:
    if len(line) not in (8, 9):
        raise ValueError(
            f"{place}: expected [category,]filename,q1,q2,q3,q4,r1,r2,r3, got {len(line)} columns; correct it"
        )
    try:
        row = [float(word) for word in line[-7:]]
    except ValueError:
        row = [math.nan]
    if not all(math.isfinite(value) for value in row):
        raise ValueError(f"{place}: expected seven numbers after the name, got {','.join(line[-7:]):.60}; correct it")
    length = math.hypot(*row[:4])
    if not abs(length - 1) <= UNIT_TOLERANCE:
        raise ValueError(f"{place}: expected a unit quaternion, got length {length:.3g}; divide by it")
    return "/".join(line[:-7]), row


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"
