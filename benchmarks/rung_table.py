"""What a comparison has measured so far, as Markdown and as a picture: means over seeds with their deviation."""

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path

from ladder import Rung
from matplotlib.figure import Figure
from measure import FIGURES

from armillary.apps.plots.figure import figure_png

# Title, and where a bar begins: at the likelihood of a uniform answer.
DRAWN = {
    "ll_ipdf": ("log-likelihood (nats, measure pi²)", -2 * math.log(math.pi)),
    "acc15": ("Acc@15 (%)", 0.0),
    "median": ("median error (degrees)", 0.0),
}


def read(out: Path, name: str) -> list[dict]:
    """The records of a rung, one for each seed that is there."""
    return [json.loads(path.read_text()) for path in sorted(out.glob(f"{name}-[0-9]*.json"))]


def table(out: Path, rungs: Mapping[str, Rung]) -> str:
    """Mean over categories, rung by rung."""
    lines = [_line(("", "seeds", *FIGURES.values())), _line(("---",) * (2 + len(FIGURES)))]
    for name, rung in rungs.items():
        if records := read(out, name):
            means = [record["mean"] for record in records]
            lines.append(_line((rung.change, str(len(means)), *(_spread([m[key] for m in means]) for key in FIGURES))))
    return "\n".join(lines)


def category_table(out: Path, names: tuple[str, ...]) -> str:
    """Category by category, some rungs beside one another in each cell."""
    there = {name: records for name in names if (records := read(out, name))}
    if not there:
        return ""
    lines = [_line((" / ".join(there), *FIGURES.values())), _line(("---",) * (1 + len(FIGURES)))]
    for category in [*next(iter(there.values()))[0]["categories"], "mean"]:
        cells = [
            " / ".join(_spread([_of(record, category)[key] for record in records]) for records in there.values())
            for key in FIGURES
        ]
        lines.append(_line((category, *cells)))
    return "\n".join(lines)


def picture(out: Path, rungs: Mapping[str, Rung]) -> bytes:
    """A row for each rung, a dot for each seed, a bar to their mean, as PNG bytes."""
    there = {name: records for name in rungs if (records := read(out, name))}
    figure = Figure(figsize=(10.5, 0.9 + 0.34 * len(there)), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(DRAWN), sharey=True, squeeze=False)[0]
    for axis, (key, (title, start)) in zip(axes, DRAWN.items(), strict=True):
        for place, records in enumerate(there.values()):
            values = [record["mean"][key] for record in records]
            axis.barh(place, statistics.fmean(values) - start, left=start, height=0.6, color="#9db8d2")
            axis.plot(values, [place] * len(values), "o", color="#1f3a5f", markersize=4)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(there)), [rungs[name].change for name in there])
    axes[0].invert_yaxis()
    return figure_png(figure)


def _of(record: dict, category: str) -> dict[str, float]:
    return record["mean"] if category == "mean" else record["categories"][category]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(values: list[float]) -> str:
    digits = 2 if max(map(abs, values)) < 10 else 1
    half = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{half}"
