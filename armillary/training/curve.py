"""The learning curve of a run, from its metrics.jsonl."""

import io
import json
from pathlib import Path
from typing import Any

from armillary.data.atomic import write_atomically


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics.jsonl; a last line cut short by an interruption is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def curve_png(records: list[dict[str, Any]]) -> bytes:
    """Training and held-out log-likelihood against time, or the loss of models that have their own, as PNG bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.8), dpi=110, layout="constrained")
    axis = figure.add_subplot()
    own_loss = any("objective" in record for record in records)
    sign = 1.0 if own_loss else -1.0
    minutes = [record["elapsed_s"] / 60.0 for record in records]
    axis.plot(minutes, [sign * record["loss"] for record in records], label="training batches", linewidth=1.0)
    held_out = [(record["elapsed_s"] / 60.0, sign * record["val_loss"]) for record in records if "val_loss" in record]
    if held_out:
        axis.plot(*zip(*held_out, strict=True), "o-", label="held-out views", markersize=4)
    axis.set_xlabel("minutes")
    axis.set_ylabel("loss" if own_loss else "log-likelihood (ll_haar, nats)")
    axis.grid(True, color="0.9")
    axis.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_curve(metrics: Path, path: Path) -> None:
    """Draw the learning curve of a metrics.jsonl to a PNG file, written whole or not at all."""
    write_atomically(path, curve_png(read_metrics(metrics)))
