"""Laws of a training run: resuming changes nothing, the folder is complete, time budgets end on time."""

import dataclasses
import json
import time

import pytest
import torch

from armillary.data import Augmentation
from armillary.data.atomic import write_atomically
from armillary.models import HarmonicRegressionConfig, from_pretrained, read_metadata
from armillary.training import read_config, recipe, train
from armillary.training.feed import hold_out


def test_two_steps_and_two_more_are_four_steps_bitwise(tmp_path, store, config):
    whole = from_pretrained(train(config, tmp_path / "whole", store))
    train(config, tmp_path / "parts", store, stop_after=2)
    assert not (tmp_path / "parts" / "model").exists()
    parts = from_pretrained(train(config, tmp_path / "parts", store))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("whole", "parts")
    ]
    assert len(losses[0]) == 4 and losses[0] == losses[1]


def test_weight_averaging_resumes_bitwise(tmp_path, store, config):
    config = dataclasses.replace(config, ema=0.9)
    whole = from_pretrained(train(config, tmp_path / "whole", store))
    train(config, tmp_path / "parts", store, stop_after=2)
    parts = from_pretrained(train(config, tmp_path / "parts", store))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name


def test_a_run_folder_is_complete(tmp_path, store, config):
    training, held_out = hold_out(store, 0.2, 0)
    folder = train(config, tmp_path / "run", training, held_out)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("config.json", "environment.json", "log.txt", "metrics.jsonl", "tensorboard"),
        *("curve.png", "checkpoint.ckpt", "model"),
    }
    assert any((tmp_path / "run" / "tensorboard").iterdir())
    assert read_config(tmp_path / "run") == config
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 4 and {"loss", "val_loss", "learning_rate", "elapsed_s", "images_per_s"} <= last.keys()
    metadata = read_metadata(folder)
    assert metadata["image_size"] == 32 and metadata["data"] == store.info.to_json()


def test_a_finished_run_is_not_trained_again(tmp_path, store, config):
    folder = train(config, tmp_path / "run", store)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert train(config, tmp_path / "run", store) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_another_configuration_is_refused_and_named(tmp_path, store, config):
    train(config, tmp_path / "run", store)
    with pytest.raises(ValueError, match="holds a run with another learning_rate"):
        train(dataclasses.replace(config, learning_rate=1.0), tmp_path / "run", store)


def test_a_larger_budget_continues_a_finished_run(tmp_path, store, config):
    train(config, tmp_path / "run", store)
    train(dataclasses.replace(config, steps=6), tmp_path / "run", store)
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_time_budget_ends_on_time_with_its_schedule_finished(tmp_path, store, config):
    config = dataclasses.replace(config, steps=None, minutes=2.0 / 60.0)
    started = time.perf_counter()
    train(config, tmp_path / "run", store, started=started)
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    # One step of this model takes some tens of milliseconds; a loaded machine may need a second for one.
    assert 2.0 <= last["elapsed_s"] < 3.5
    assert last["learning_rate"] < 0.1 * config.learning_rate


def test_one_batch_overfits(tmp_path, store, config):
    config = dataclasses.replace(
        config,
        model=HarmonicRegressionConfig(image_size=32, lmax=3),
        augmentation=Augmentation(turn=0.0, zoom=0.0, shift=0.0, gain=0.0, tone=0.0, noise=0.0, blur=0.0),
        steps=60,
        log_every=10,
        warmup_steps=5,
        batch_size=8,
    )
    train(config, tmp_path / "run", store[slice(0, 8)])
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    # A uniform answer scores 0; a density of degree 3 at eight labels reaches 2 nats within 60 steps.
    assert last["loss"] < -2.0


def test_a_loss_that_is_no_number_ends_the_run_with_the_remedy(tmp_path, store, config):
    # Gradient clipping bounds a step's direction, not its length.
    with pytest.raises(ValueError, match="half the --learning-rate"):
        train(dataclasses.replace(config, learning_rate=1e30), tmp_path / "run", store)


def test_denormals_are_flushed_only_while_training(tmp_path, store, config):
    train(config, tmp_path / "run", store)
    assert (torch.tensor(1e-40) * 1.0).item() > 0.0


def test_a_damaged_configuration_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        read_config(tmp_path)
    write_atomically(tmp_path / "config.json", b"{}")
    with pytest.raises(ValueError, match="config.json"):
        read_config(tmp_path)


def test_bf16_trains(tmp_path, store, config):
    model = from_pretrained(train(dataclasses.replace(config, precision="bf16-mixed"), tmp_path / "run", store))
    assert all(value.dtype != torch.bfloat16 for value in model.state_dict().values())


def test_an_unknown_recipe_suggests_the_closest():
    with pytest.raises(ValueError, match="did you mean photos"):
        recipe("fotos")
