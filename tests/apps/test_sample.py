"""The sample of test views that Spherical Regression's tables are of, and its figures, by option."""

import json

import numpy as np
import pytest
import torch

from armillary.apps.cli import main
from armillary.apps.dataset import Sampled, sample_places
from armillary.data import DatasetInfo, Reader, Sample
from armillary.models import SphericalRegressionConfig


class Numbers(Reader):
    """Views whose names are their numbers."""

    info = DatasetInfo("numbers", ("one",))

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.zeros(3, 2, 2), torch.eye(3), name=str(index))


def test_the_sample_is_the_originals():
    state = np.random.get_state()
    np.random.seed(3)
    expected = np.sort(np.random.choice(18160, int(0.2 * 18160), replace=False))
    np.random.set_state(state)
    assert np.array_equal(sample_places(18160, 0.2), expected) and len(expected) == 3632


def test_a_sampled_reader_has_the_views_of_the_sample():
    sampled = Sampled(Numbers(), 0.2)
    assert [sampled[i].name for i in range(len(sampled))] == [str(place) for place in sample_places(100, 0.2)]
    for part in (0.0, -1.0, 1.5, 0.001):
        with pytest.raises(ValueError, match="expected a sample above 0 and up to 1 that holds a view"):
            Sampled(Numbers(), part)


def test_legacy_figures_and_signs_are_told_and_the_sample_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    data, model, out = tmp_path / "data", tmp_path / "model", tmp_path / "evaluation"
    render = ["render", "tetX", "--out", str(data), "--scene.size", "48", "--backend", "torch", "--views", "10"]
    assert main(render) == 0
    info = DatasetInfo("tetX", ("tetX",))
    metadata = {"data": info.to_json(), "store_size": 48, "margin": 1.5, "image_size": 32, "trained_on": "", "views": 1}
    SphericalRegressionConfig(image_size=32, hidden=8).build().save_pretrained(model, metadata)
    words = ["evaluate", str(model), "--data", str(data), "--out", str(out)]
    assert main([*words, "--sample", "0.4", "--legacy"]) == 0
    said, figures = capsys.readouterr().out, json.loads((out / "metrics.json").read_text())
    assert "4 views" in said and "legacy, angles" in said and "signs right" in said
    plain, legacy = figures["without_symmetry"]["median_error_deg"], figures["legacy_sqrt2"]["median_error_deg"]
    assert abs(plain / legacy - 2**0.5) < 1e-5
    assert 0 <= figures["signs"]["sign_accuracy"] <= 1
