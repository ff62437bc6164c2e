"""The benchmarks run, and their stopwatch is right."""

import csv
import importlib
import json
import statistics
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = (
    "density_query",
    "exact_mode",
    "wigner_matrices",
    "so3_activation",
    "sphere_correlation",
    "training_loss",
    "normaliser",
    "transforms",
    "azimuth",
    "head_overhead",
)
PROMISED = {"name", "ratio", "target", "ours_ms", "theirs_ms", "peak_mb"}


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Import as the scripts do: their folder on the path. Threads are the process's: put back what was there."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_writes_rows_with_what_was_promised(script, tmp_path):
    module, duel = importlib.import_module(script), importlib.import_module("duel")
    out = tmp_path / "rows.json"
    rows = duel.compete(module.__doc__, module.rows, ["--quick", "--threads", "1", "--out", str(out)])
    written = json.loads(out.read_text())
    assert len(written) == len(rows) > 0
    for row in written:
        assert set(row) >= PROMISED
        assert row["ours_ms"] > 0 and row["theirs_ms"] > 0
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["error"] is None or 0 <= row["error"] < 0.1


def test_the_runner_knows_every_script():
    assert importlib.import_module("run").SCRIPTS == tuple(f"{script}.py" for script in SCRIPTS)


def test_two_sleeps_of_known_ratio_have_that_ratio():
    duel = importlib.import_module("duel")
    times = duel.alternate(lambda: time.sleep(0.03), lambda: time.sleep(0.12), duel.Conditions(1, quick=True))
    assert len(times.ours) > len(times.theirs)  # the shorter is called as often as fits
    # A busy machine wakes sleepers some milliseconds late.
    assert statistics.median(times.theirs) / statistics.median(times.ours) == pytest.approx(4, rel=0.15)


def test_the_peak_is_the_largest_memory_held_at_once():
    duel = importlib.import_module("duel")

    def work() -> torch.Tensor:
        total = torch.zeros(250_000)
        for _ in range(3):
            total = total + torch.ones(250_000)  # 1 MB each: the sum, a one, the new sum
        return total

    assert duel.peak_megabytes(work, torch.device("cpu")) == pytest.approx(3.0, rel=0.01)


def row(**values):
    module = importlib.import_module("row")
    return module.Row(
        **({"name": "a", "ratio": 2.0, "target": None, "ours_ms": 1, "theirs_ms": 2, "peak_mb": 5} | values)
    )


def test_a_row_misses_what_it_does_not_reach():
    assert row().verdict == "" and not row().missed
    assert row(target=2.0).verdict == "reached"
    assert row(target=2.1).missed == ("ratio",)
    assert row(target_mb=5.0).missed == ("memory",)
    assert row(error=0.1, target_error=0.2, target_mb=6.0, target=1.0).verdict == "reached"
    assert row(error=float("nan"), target_error=0.2).verdict == "MISSED error"
    assert row(target_error=0.2).missed == ()


def test_a_later_record_of_the_same_machine_and_name_takes_the_place_of_the_earlier(tmp_path):
    module = importlib.import_module("row")
    one, other = ({"device": device, "threads": "2", "torch": "2.6", "date": "today"} for device in ("A", "B"))
    path = tmp_path / "results.csv"
    module.record(path, [row(), row(name="b")], one)
    module.record(path, [row(ratio=3.0)], one)
    module.record(path, [row(ratio=4.0)], other)
    kept = list(csv.DictReader(path.read_text().splitlines()))
    assert [(line["device"], line["name"], float(line["ratio"])) for line in kept] == [
        ("A", "a", 3.0),
        ("A", "b", 2.0),
        ("B", "a", 4.0),
    ]
    assert list(kept[0]) == ["device", "threads", "torch", "date", *(field.name for field in fields(module.Row))]
