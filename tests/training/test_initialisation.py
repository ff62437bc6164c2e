"""Laws of the start of a training: an encoder begins where another model's ended, whatever the head, or not at all."""

import dataclasses
import json

import pytest
import torch

from armillary.models import HarmonicRegressionConfig, SphericalRegressionConfig, from_pretrained
from armillary.training import train
from armillary.training.initialisation import build_model


def test_heads_of_all_kinds_begin_with_one_encoder(tmp_path):
    HarmonicRegressionConfig(lmax=2).build().save_pretrained(tmp_path)
    saved = from_pretrained(tmp_path).encoder.state_dict()
    for kind in ("exp", "flat", "direct"):
        model = build_model(SphericalRegressionConfig(hidden=8, kind=kind), str(tmp_path))
        assert all(torch.equal(value, saved[key]) for key, value in model.encoder.state_dict().items())


def test_the_rest_begins_as_without_it(tmp_path):
    HarmonicRegressionConfig(lmax=2).build().save_pretrained(tmp_path)
    heads = []
    for folder in ("", str(tmp_path)):
        torch.manual_seed(3)
        heads.append(build_model(SphericalRegressionConfig(hidden=8), folder).head)
    assert all(torch.equal(a, b) for a, b in zip(heads[0].parameters(), heads[1].parameters(), strict=True))


def test_a_run_records_where_it_began(tmp_path, store, config):
    first = train(config, tmp_path / "first", store)
    second = dataclasses.replace(config, encoder_of=str(first), steps=1, learning_rate=1e-12)
    ended = from_pretrained(train(second, tmp_path / "second", store))
    begun = from_pretrained(first)
    # One step of a rate of nothing; statistics of batches move on their own.
    for a, b in zip(ended.encoder.parameters(), begun.encoder.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert json.loads((tmp_path / "second" / "config.json").read_text())["encoder_of"] == str(first)


def test_another_encoder_and_no_model_are_refused_before_anything_is_written(tmp_path, store, config):
    HarmonicRegressionConfig(encoder="small-fine", image_size=32, lmax=2).build().save_pretrained(tmp_path / "fine")
    cases = ((ValueError, "fine: expected an encoder of the same layers, got small-fine for small; set --encoder"),)
    for error, said in (*cases, (FileNotFoundError, "expected a saved model, got no such file")):
        folder = tmp_path / ("fine" if error is ValueError else "gone")
        with pytest.raises(error, match=said):
            train(dataclasses.replace(config, encoder_of=str(folder)), tmp_path / "run", store)
        assert not (tmp_path / "run").exists()
