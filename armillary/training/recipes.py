"""Named configurations: one table, one line of purpose each. Budgets are defaults that a command's option replaces."""

import difflib
import math

from armillary.data import Augmentation
from armillary.models import HarmonicRegressionConfig, Image2SphereConfig
from armillary.training.config import TrainConfig

RECIPES: dict[str, tuple[str, TrainConfig]] = {
    "demo": (
        "five rendered SYMSOL solids, one small model for all, ten minutes of two cores",
        TrainConfig(
            model=HarmonicRegressionConfig(image_size=48, lmax=6),
            # Fixed light tells the object's turn too, so the pictures stay as rendered: many, and none turned.
            augmentation=Augmentation(turn=0.0, zoom=0.0, shift=0.0, gain=0.0, tone=0.0, noise=0.0, blur=0.0),
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


def recipe(name: str) -> TrainConfig:
    """The configuration of a name.

    Example:
        >>> recipe("fotos")
        Traceback (most recent call last):
        ...
        ValueError: unknown recipe fotos; did you mean photos?
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.5)
        end = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(RECIPES)}"
        raise ValueError(f"unknown recipe {name}; {end}")
    return RECIPES[name][1]


def recipe_names() -> dict[str, str]:
    """Each recipe's name and what it is for."""
    return {name: purpose for name, (purpose, _) in RECIPES.items()}
