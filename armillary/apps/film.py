"""The frames of a film: picture files with their times, from a folder or a table."""

import csv
import math
import re
from pathlib import Path
from typing import NamedTuple

from armillary.apps.predict import find_pictures


class TimedFrame(NamedTuple):
    """A picture file, or None where the frame is missing, and its time in seconds."""

    file: Path | None
    time: float


def timed_frames(source: Path, fps: float) -> list[TimedFrame]:
    """The frames of a folder in order of their names, or of a CSV file in order of its rows, which must rise in time.

    Example:
        >>> timed_frames(Path("no/such"), 10.0)
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such: no such folder of frames or CSV file; check the name
    """
    if not 0 < fps < math.inf:
        raise ValueError(f"expected frames per second above zero, got {fps}; give --fps 10")
    if source.is_dir():
        files = sorted(find_pictures([source]), key=lambda file: _natural(file.name))
        return [TimedFrame(file, index / fps) for index, file in enumerate(files)]
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such folder of frames or CSV file; check the name")
    frames = _read_table(source)
    for number, (before, after) in enumerate(zip(frames, frames[1:], strict=False), 3):
        if after.time < before.time:
            raise ValueError(
                f"{source}, line {number}: expected a time of {before.time:g} s or later, got {after.time:g} s; "
                "sort the rows by time"
            )
    return frames


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read_table(source: Path) -> list[TimedFrame]:
    try:
        rows = list(csv.DictReader(source.read_text().splitlines()))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source}: expected a CSV file of text, got '{error.reason}'; name a folder or a CSV"
        ) from error
    if not rows or not {"file", "time"} <= rows[0].keys():
        got = ", ".join(rows[0]) if rows else "no rows"
        raise ValueError(f"{source}: expected columns file and time, got {got}; write a header line file,time")
    return [_row(source, number, row) for number, row in enumerate(rows, 2)]


def _row(source: Path, number: int, row: dict[str, str]) -> TimedFrame:
    try:
        time = float(row["time"] or "")
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise ValueError(f"{source}, line {number}: expected a time in seconds, got '{row['time']}'; correct the line")
    file = source.parent / row["file"] if row["file"] else None
    if file is not None and not file.is_file():
        raise FileNotFoundError(
            f"{file}: no such picture ({source}, line {number}); leave the file empty if it is lost"
        )
    return TimedFrame(file, time)
