r"""The table of viewpoint estimation, one row for each category, and text files of angles as the original keeps them.

Median error and accuracies within :math:`\pi/6, \pi/12, \pi/24`, an error of just that angle not counted as within; the
last row is the plain mean over categories. Errors are geodesic. ``legacy`` divides them by the square root of 2, as
published tables did that Spherical Regression corrects: its Acc@30 is the share within 42.4 degrees.

Reference: https://github.com/leoshine/Spherical_Regression, S1.Viewpoint/Note.md and eval_aet_multilevel.py
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.data.published.pascal3d_camera import LIMITS_DEG
from armillary.evaluation.metrics import legacy_error, median_error

THRESHOLDS_DEG = (30.0, 15.0, 7.5)
HEADER = "{:<14s}{:>9s}{:>10s}{:>11s}{:>11s}{:>7s}"
ROW = "{:<14s}{:9.3f}{:10.3f}{:11.3f}{:11.3f}{:7d}"
ANGLES = "{:<20s}   {:8.4f} {:9.4f} {:9.4f}"


@dataclass(frozen=True)
class ViewpointRow:
    """One row of the table: degrees, and percent within each of `THRESHOLDS_DEG`."""

    category: str
    median_error_deg: float
    accuracies: tuple[float, ...]
    objects: int


def viewpoint_table(
    error: Float[Tensor, " views"], category: Int[Tensor, " views"], names: Sequence[str], legacy: bool = False
) -> list[ViewpointRow]:
    """The rows of all categories that occur, and their mean.

    Args:
        error: Geodesic, radians.
        category: Index into names.
        names: Of the categories.
        legacy: Take errors for smaller than they are, to compare with tables not yet corrected.

    Example:
        >>> error = torch.deg2rad(torch.tensor([2.0, 20.0, 50.0]))
        >>> rows = viewpoint_table(error, torch.tensor([0, 0, 1]), ("bus", "car"))
        >>> rows[-1].category, round(rows[-1].median_error_deg, 1), rows[-1].accuracies
        ('MEAN', 30.5, (50.0, 25.0, 25.0))
    """
    shown = legacy_error(error.double()) if legacy else error.double()
    rows = [_row(str(names[c]), shown[category == c]) for c in category.unique().tolist()]
    if not rows:
        raise ValueError("expected at least one view, got none; the split is empty")
    means = [
        sum(column) / len(rows) for column in zip(*([r.median_error_deg, *r.accuracies] for r in rows), strict=True)
    ]
    return [*rows, ViewpointRow("MEAN", means[0], tuple(means[1:]), len(error))]


def _row(name: str, error: Float64[Tensor, " views"]) -> ViewpointRow:
    within = tuple(100 * (error < math.radians(threshold)).double().mean().item() for threshold in THRESHOLDS_DEG)
    return ViewpointRow(name, math.degrees(median_error(error).item()), within, len(error))


def format_table(rows: Sequence[ViewpointRow], legacy: bool = False) -> str:
    """The table as text; that of legacy errors says so.

    Example:
        >>> print(format_table([ViewpointRow("bus", 4.773, (96.753, 92.857, 79.87), 154)]))
        category       MedErr  Acc@pi/6  Acc@pi/12  Acc@pi/24  count
        bus             4.773    96.753     92.857     79.870    154
    """
    note = ["legacy: errors divided by the square root of 2"] if legacy else []
    header = HEADER.format("category", "MedErr", "Acc@pi/6", "Acc@pi/12", "Acc@pi/24", "count")
    return "\n".join(
        [*note, header, *(ROW.format(row.category, row.median_error_deg, *row.accuracies, row.objects) for row in rows)]
    )


def write_viewpoints(path: Path, names: Sequence[str], viewpoints: Float[Tensor, "views 3"]) -> None:
    """Azimuth, elevation and tilt of each view (radians) as a text file in degrees, azimuths from 0 to 360."""
    degrees = torch.rad2deg(viewpoints.double())
    degrees[:, 0] = degrees[:, 0].remainder(360)
    lines = ["# format: {obj_id:<20s}   {a:>8.4f} {e:>9.4f} {t:>9.4f}", "# obj_id a e t"]
    lines += [ANGLES.format(name, *angles) for name, angles in zip(names, degrees.tolist(), strict=True)]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def read_viewpoints(path: Path) -> tuple[tuple[str, ...], Float64[Tensor, "views 3"]]:
    """Names and viewpoints (radians) of a file as `write_viewpoints` and the original write it."""
    names, angles = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.rsplit(None, 3)
        names.append(words[0].strip())
        angles.append(_angles(words[1:], f"{path}: line {number}"))
    return tuple(names), torch.deg2rad(torch.tensor(angles, dtype=torch.float64).reshape(-1, 3))


def _angles(words: list[str], place: str) -> list[float]:
    try:
        angles = [float(word) for word in words]
    except ValueError:
        angles = []
    if len(angles) != 3:
        raise ValueError(
            f"{place}: expected a name, azimuth, elevation and tilt, got {' '.join(words)!r:.60}; correct it"
        )
    for name, value, most in zip(("azimuth", "elevation", "tilt"), angles, LIMITS_DEG, strict=True):
        if not -most <= value <= most:
            raise ValueError(f"{place}: expected {name} from {-most:g} to {most:g} degrees, got {value:g}; correct it")
    return angles
