"""Our own recipes, one line of purpose each. Budgets are defaults that a command's option replaces."""

import math

from armillary.data import Augmentation
from armillary.models import (
    HarmonicRegressionConfig,
    Image2SphereConfig,
    SphericalRegressionConfig,
    ViewpointRegressionConfig,
)
from armillary.training.config import TrainConfig
from armillary.training.recipes.base import STILL

RECIPES: dict[str, tuple[str, TrainConfig]] = {
    "demo": (
        "five rendered SYMSOL solids, one small model for all, ten minutes of two cores",
        TrainConfig(
            model=HarmonicRegressionConfig(image_size=48, lmax=6),
            # Fixed light tells the object's turn too, so the pictures stay as rendered: many, and none turned.
            augmentation=STILL,
            minutes=8.0,
            validation=0.005,
            precision="bf16-mixed",
            finer_after=0.9,
        ),
    ),
    "mesh": (
        "renderings of meshes: varied light and background, any number of categories",
        TrainConfig(
            model=HarmonicRegressionConfig(image_size=64, lmax=6),
            augmentation=Augmentation(),
            minutes=15.0,
            precision="bf16-mixed",
        ),
    ),
    "photos": (
        "some hundreds of photographs of one object with known poses",
        TrainConfig(
            model=HarmonicRegressionConfig(image_size=64, lmax=6),
            augmentation=Augmentation(turn=math.pi, zoom=0.15, shift=0.1),
            minutes=15.0,
            validation=0.02,
            precision="bf16-mixed",
        ),
    ),
    "image2sphere": (
        "the architecture of Klee et al. (ICLR 2023) with a small encoder, exact likelihood",
        TrainConfig(model=Image2SphereConfig(image_size=64, lmax=6), minutes=60.0),
    ),
    "image2sphere-resnet50": (
        "the published encoder and size, for a GPU",
        TrainConfig(
            model=Image2SphereConfig(encoder="resnet50", image_size=224, lmax=6, sphere_channels=512),
            minutes=600.0,
            precision="bf16-mixed",
        ),
    ),
    "spherical-regression": (
        "renderings: quaternions by magnitudes and signs, a mixture of eight (--kind flat or direct: a plain one)",
        TrainConfig(
            model=SphericalRegressionConfig(image_size=64),
            augmentation=Augmentation(),
            minutes=15.0,
            loss="spherical",
            precision="bf16-mixed",
        ),
    ),
    "viewpoint": (
        "objects that stand: azimuth, elevation and tilt (armillary render --scene.poses viewsphere)",
        TrainConfig(
            model=ViewpointRegressionConfig(image_size=64),
            # Turned as little as photographers do: the tilt stays near zero.
            augmentation=Augmentation(turn=0.1),
            minutes=15.0,
            loss="spherical",
            precision="bf16-mixed",
        ),
    ),
    "debug": (
        "four steps of a very small model: checks that data and installation work",
        TrainConfig(
            model=HarmonicRegressionConfig(image_size=32, lmax=2, pooling="mean"),
            steps=4,
            batch_size=8,
            warmup_steps=2,
            log_every=1,
        ),
    ),
}
