"""The comparison of heads: its rows differ in what they say, the same shapes are held out of all, and it runs."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from armillary.models import SphericalRegressionConfig
from armillary.so3 import random_rotations

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """Import as the scripts do: their folder on the path."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_the_rows_differ_in_the_model_alone():
    heads = importlib.import_module("spherical_heads")
    rows = heads.rungs(heads.Command("zoo", Path("x"), told=True), 3, 10)
    trained = {name: row.config for name, row in rows.items() if row.weights_of is None}
    records = [dataclasses.asdict(config) for config in trained.values()]
    for record in records:
        assert record.pop("model")["categories"] == 10
    assert all({**record, "loss": ""} == {**records[0], "loss": ""} for record in records)
    assert len({config.model for config in trained.values()}) == len(trained)


def test_options_of_the_start_hold_for_all_rows():
    heads = importlib.import_module("spherical_heads")
    rows = heads.rungs(heads.Command("zoo", Path("x"), encoder_of="RUN/model", normalise=False), 0, 10).values()
    assert {row.config.encoder_of for row in rows} == {"RUN/model"}
    spherical = [row.config.model for row in rows if isinstance(row.config.model, SphericalRegressionConfig)]
    assert len(spherical) == len(rows) - 1 and not any(model.normalise for model in spherical)


def test_highest_answers_are_peaks_of_their_density():
    heads = importlib.import_module("spherical_heads")
    torch.manual_seed(0)
    model = SphericalRegressionConfig(image_size=32, hidden=16, spread=0.3).build().eval()
    model.noise.sigma.fill_(0.1)
    with torch.no_grad():
        images = torch.rand(3, 3, 32, 32)
        quick, exact = heads.Quick(model)(images), model(images)
        rotations = random_rotations(3)
        assert torch.equal(quick.log_prob(rotations), exact.log_prob(rotations))
        # Answers as far apart as theirs hardly add to one another's height.
        assert (quick.modes(2).log_prob[:, 0] - exact.modes(1).log_prob[:, 0]).abs().max() < 0.1


def test_the_comparison_runs_once_and_prints_what_is_there(tmp_path, monkeypatch, capsys):
    heads, protocol = importlib.import_module("spherical_heads"), importlib.import_module("protocol")
    monkeypatch.setattr(protocol, "TEST_VIEWS", 4)
    options = ["symsol", "--views", "12", "--size", "32", "--steps", "1", "--seeds", "0", "--threads", "1"]
    rows = ["exp-most-probable", "direct"]
    monkeypatch.setattr(sys, "argv", ["x", *options, "--heads", *rows, "--out", str(tmp_path)])
    heads.main()
    first = {name: (tmp_path / f"{name}-0.json").read_text() for name in rows}
    assert "| direct, the better of q and -q | 1 |" in capsys.readouterr().out
    heads.main()
    assert all((tmp_path / f"{name}-0.json").read_text() == text for name, text in first.items())
    assert {"sigma", "outlier", "temperature"} == {*json.loads(first["exp-most-probable"])["noise"]}
