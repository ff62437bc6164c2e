"""A small rendered data set and a configuration that trains on it in a second."""

import pytest

from armillary.data import Augmentation, ImageStore, rendered_store
from armillary.data.shapes.solid import make_solid
from armillary.models import HarmonicRegressionConfig
from armillary.training import TrainConfig


@pytest.fixture(scope="module")
def store() -> ImageStore:
    return rendered_store([make_solid("tetX")], 20, size=48, backend="torch", progress=False)


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        model=HarmonicRegressionConfig(image_size=32, lmax=2, pooling="mean"),
        augmentation=Augmentation(),
        steps=4,
        batch_size=4,
        warmup_steps=2,
        log_every=1,
    )
