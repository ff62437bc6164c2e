"""The gradient figure: every step of every head in its table, the paper's argument in its numbers."""

import csv

import pytest
import torch

from armillary.apps.bench import GradientsCommand, main, measure, render, summary
from armillary.models import SphericalRegressionConfig
from armillary.training.gradient_norm import GradientSettings, gradient_records


def small(folder, steps: int) -> GradientsCommand:
    settings = GradientSettings(steps=steps, batch_size=8)
    return GradientsCommand(folder, shapes=("chair",), members=1, views=16, image_size=32, settings=settings)


def test_the_command_writes_figure_and_table(tmp_path, capsys):
    options = ["--shapes", "chair", "--members", "1", "--views", "8", "--image-size", "32", "--batch-size", "4"]
    main(["sexp-gradients", "--out", str(tmp_path / "out"), "--steps", "3", *options], 0.0)
    assert "S_exp: spherical exponential" in capsys.readouterr().out
    assert (tmp_path / "out" / "gradients.png").read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader((tmp_path / "out" / "gradients.csv").read_text().splitlines()))
    assert [(row["head"], int(row["step"])) for row in rows] == [
        (k, s) for k in ("direct", "flat", "exp") for s in range(3)
    ]
    assert all(float(row["regression"]) > 0 and (float(row["signs"]) > 0) == (row["head"] == "exp") for row in rows)


def test_gradients_of_the_exponential_are_bounded_and_those_of_the_length_are_not(tmp_path):
    command = small(tmp_path, 2)
    store = render(command)
    first = {}
    for kind in ("flat", "exp"):
        for spread in (1e-4, 0.05):
            config = SphericalRegressionConfig(image_size=32, kind=kind, antipode=0.0, spread=spread, normalise=False)
            first[kind, spread] = next(iter(gradient_records(config, store, command.settings))).regression
    # The cosine's gradient is at most 0.55, and its weight 10; divided by a short length it has no bound.
    assert max(first["exp", 1e-4], first["exp", 0.05]) < 5.6 and first["flat", 1e-4] > 1000 * first["flat", 0.05]


def test_the_summary_compares_first_and_last_steps(tmp_path):
    command = small(tmp_path, 5)
    records = measure(command, render(command))
    assert len(summary(records).splitlines()) == 4
    assert all(torch.tensor([r.loss for r in own]).isfinite().all() and len(own) == 5 for own in records.values())


@pytest.mark.parametrize("words", [["sexp-gradient"], ["sexp-gradients", "--out", "x", "--steps", "0"]])
def test_wrong_words_are_named(words):
    with pytest.raises(ValueError, match="unknown figure sexp-gradient; did you mean sexp-gradients|expected steps"):
        main(words, 0.0)
