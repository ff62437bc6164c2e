"""Training on normals: a resumed run is the run, what a step sees depends on the step, other options are refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from armillary.data.normals import NormalAugmentation, NormalSample, NormalStore
from armillary.models.normal_regression import NormalRegressionConfig
from armillary.training.normals import NormalTrainConfig, train_normals
from armillary.training.normals.feed import NormalFeed

CONFIG = NormalTrainConfig(
    model=NormalRegressionConfig(height=32, width=32, channels=8), steps=4, batch_size=3, log_every=1, validation=0.2
)


@pytest.fixture(scope="module")
def store() -> NormalStore:
    generator = torch.Generator().manual_seed(0)
    samples = []
    for index in range(10):
        normals = torch.randn(3, 1, 1, generator=generator)
        normals[2] = -normals[2].abs()
        normals = torch.nn.functional.normalize(normals, dim=0).expand(3, 32, 32)
        samples.append(NormalSample((normals + 1) / 2, normals, torch.ones(32, 32, dtype=torch.bool), str(index)))
    return NormalStore.from_samples(samples, (32, 32), progress=False)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def test_a_run_that_stopped_and_resumed_ends_as_one_that_did_not(store, tmp_path):
    train_normals(CONFIG, tmp_path / "whole", store)
    train_normals(CONFIG, tmp_path / "halves", store, stop_after=2)
    assert not (tmp_path / "halves" / "model").exists()
    train_normals(CONFIG, tmp_path / "halves", store)
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    records = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    assert {"val_loss", "val_median_deg"} <= records[-1].keys()
    assert (tmp_path / "whole" / "curve.png").exists()


def test_a_finished_run_is_left_alone_and_another_is_refused(store, tmp_path):
    train_normals(CONFIG, tmp_path, store)
    before = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    train_normals(CONFIG, tmp_path, store)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="holds a run with another batch_size"):
        train_normals(dataclasses.replace(CONFIG, batch_size=2), tmp_path, store)
    # More of the same is no other run.
    train_normals(dataclasses.replace(CONFIG, steps=5), tmp_path, store)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns != before


def test_what_a_step_sees_depends_on_seed_and_step_alone_and_a_pass_sees_all(store):
    feed = NormalFeed(store, NormalAugmentation(), 4, seed=1)
    later = NormalFeed(store, NormalAugmentation(), 4, seed=1, first_step=3)
    batches = iter(feed)
    fourth = [next(batches) for _ in range(4)][-1]
    assert torch.equal(fourth.images, next(iter(later)).images)
    assert sorted(torch.cat([feed.indices(step) for step in range(5)]).tolist()) == sorted([*range(10)] * 2)


def test_faults_of_the_configuration_are_said(store, tmp_path):
    with pytest.raises(ValueError, match="validation in"):
        NormalTrainConfig(validation=1.0)
    with pytest.raises(ValueError, match="exactly one of --steps and --minutes"):
        NormalTrainConfig().budget()
    with pytest.raises(ValueError, match="expected pictures of"):
        train_normals(dataclasses.replace(CONFIG, model=NormalRegressionConfig()), tmp_path / "run", store)
    unknown = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, encoder="resnet99"))
    with pytest.raises(ValueError, match="did you mean"):
        train_normals(unknown, tmp_path / "run", store)
    assert not (tmp_path / "run").exists()
    only = store.part(torch.tensor([0]))
    with pytest.raises(ValueError, match="set --validation 0"):
        train_normals(dataclasses.replace(CONFIG, validation=0.9), tmp_path / "run", only)
