"""One comparison as a row: printed, checked against its targets, kept as JSON and in ``results.csv``."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from armillary.data.atomic import write_atomically

HEADER = (
    f"{'what':<66}{'ours ms':>10}{'theirs ms':>11}{'ratio':>8}{'(quartiles)':>16}{'target':>8}"
    f"{'peak MB':>9}{'target':>8}{'error':>10}{'theirs':>10}{'target':>8} unit"
)


@dataclass(frozen=True)
class Row:
    """What was measured, and what it must reach where it must reach something.

    Times are medians of one call; ``ratio`` is theirs over ours, the median of the rounds, between their quartiles.
    ``peak_mb`` is the largest memory our side held, its answer and the tables it builds included; errors are in
    ``unit``.
    """

    name: str
    ratio: float
    target: float | None
    ours_ms: float
    theirs_ms: float
    peak_mb: float | None
    target_mb: float | None = None
    error: float | None = None
    their_error: float | None = None
    target_error: float | None = None
    unit: str = ""
    ratio_low: float | None = None
    ratio_high: float | None = None
    note: str = ""

    @property
    def missed(self) -> tuple[str, ...]:
        """Which targets are missed; nothing measured misses."""
        limits = (("memory", self.peak_mb, self.target_mb), ("error", self.error, self.target_error))
        above = tuple(name for name, value, limit in limits if limit is not None and not (value or 0) < limit)
        return above + (("ratio",) if self.target is not None and not self.ratio >= self.target else ())

    @property
    def verdict(self) -> str:
        """``reached``, ``MISSED`` with what, or nothing where there is no target."""
        if self.missed:
            return f"MISSED {', '.join(self.missed)}"
        return "" if self.target is None and self.target_mb is None and self.target_error is None else "reached"

    def __str__(self) -> str:
        """One aligned line below ``HEADER``."""
        quartiles = f"({_short(self.ratio_low)} - {_short(self.ratio_high)})"
        return (
            f"{self.name:<66}{self.ours_ms:>10.2f}{self.theirs_ms:>11.1f}{_short(self.ratio):>8}{quartiles:>16}"
            f"{_short(self.target):>8}{_short(self.peak_mb):>9}{_short(self.target_mb):>8}{_short(self.error):>10}"
            f"{_short(self.their_error):>10}{_short(self.target_error):>8} "
            f"{self.unit:<8} {self.verdict:<14} {self.note}"
        ).rstrip()


def _short(number: float | None) -> str:
    """Three digits, or a dash for none."""
    if number is None:
        return "-"
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _cell(value: str | float | None) -> str:
    """Numbers to four digits: more is noise, and would change with every record."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """JSON list, one object a row."""
    write_atomically(path, (json.dumps([asdict(row) for row in rows], indent=1) + "\n").encode())


def read_rows(path: Path) -> list[Row]:
    """The inverse of ``write_rows``."""
    return [Row(**row) for row in json.loads(path.read_text())]


def record(path: Path, rows: Iterable[Row], machine: dict[str, str]) -> None:
    """Put rows into a CSV keyed by machine and name, in place of older ones with the same key."""
    columns = [*machine, *(field.name for field in fields(Row))]
    kept = list(csv.DictReader(io.StringIO(path.read_text()))) if path.exists() else []
    known = {tuple(old[name] for name in ("device", "threads", "torch", "name")): old for old in kept}
    for row in rows:
        values = {name: _cell(value) for name, value in (machine | asdict(row)).items()}
        known[tuple(values[name] for name in ("device", "threads", "torch", "name"))] = values
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(known.values())
    write_atomically(path, text.getvalue().encode())
