"""The comparison with the original: its rungs differ in what they say, and it runs, resumes and prints its table."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
# What each rung changes beside the one before.
CHANGES = {
    "tuned": {"learning_rate"},
    "optimiser": {"optimizer", "learning_rate", "weight_decay", "schedule", "warmup_steps", "clip"},
    "likelihood": {"loss"},
    "layers": {"model.original", "model.training_points", "model.sphere_filter"},
    "axis": {"model.axis"},
    "lmax": {"model.lmax"},
}


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Import as the scripts do: their folder on the path."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def fields(config) -> dict:
    record = dataclasses.asdict(config)
    model = record.pop("model")
    return record | {f"model.{name}": value for name, value in model.items()}


def test_each_rung_changes_what_it_says_and_nothing_else():
    rungs = importlib.import_module("ladder").ladder("small-fine", 48, 100, seed=3)
    before = fields(rungs["published"].config)
    for name, changed in CHANGES.items():
        here = fields(rungs[name].config)
        assert {key for key in here if here[key] != before[key]} == changed, name
        before = here
    assert rungs["deterministic"].config == rungs["tuned"].config
    assert (
        len({(r.config.steps, r.config.seed, r.config.batch_size, r.config.model.encoder) for r in rungs.values()}) == 1
    )


def test_the_comparison_runs_once_and_prints_what_is_there(tmp_path, monkeypatch, capsys):
    side_by_side = importlib.import_module("side_by_side")
    monkeypatch.setattr(importlib.import_module("protocol"), "TEST_VIEWS", 4)
    rungs = ["tuned", "deterministic", "axis"]
    options = ["symsol", "--views", "2", "--size", "32", "--steps", "1", "--seeds", "0", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["x", *options, "--rungs", *rungs, "--out", str(tmp_path)])
    side_by_side.main()
    first = {name: (tmp_path / f"{name}-0.json").read_text() for name in rungs}
    table = capsys.readouterr().out
    assert all(f"| {text} | 1 | -2." in table for text in ("all points in evaluation", "lift about the optical axis"))
    side_by_side.main()
    assert all((tmp_path / f"{name}-0.json").read_text() == text for name, text in first.items())
    figures = json.loads(first["axis"])
    assert set(figures["categories"]) == {"tet", "cube", "icosa", "cone", "cyl"}
    assert figures["mean"]["top2"] <= figures["mean"]["median"]
