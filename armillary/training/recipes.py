"""Named configurations: one table, one line of purpose each. Budgets are defaults that a command's option replaces.

Those named like the data sets of the original Image2Sphere are in `original_recipes`, those of Spherical Regression in
`spherical_recipes` and `viewpoint_recipes`; each has a variant ``NAME-original`` that does as published.
"""

import difflib
import math
import re
from dataclasses import replace

from armillary.data import Augmentation
from armillary.models import (
    HarmonicRegressionConfig,
    Image2SphereConfig,
    SphericalRegressionConfig,
    ViewpointRegressionConfig,
)
from armillary.training.config import TrainConfig
from armillary.training.original_recipes import MOST_VIEWS, NAMED, ORIGINAL, SYMSOL, Recipe, symsol_recipe
from armillary.training.spherical_recipes import SPHERICAL
from armillary.training.viewpoint_recipes import VIEWPOINT

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

# Protocols of the original systems: ours, and as published.
PUBLISHED: dict[str, tuple[Recipe, TrainConfig]] = {**SPHERICAL, **VIEWPOINT, **NAMED}


def recipe(name: str) -> TrainConfig:
    """The configuration of a name.

    Example:
        >>> recipe("fotos")
        Traceback (most recent call last):
        ...
        ValueError: unknown recipe fotos; did you mean photos?
    """
    return named_recipe(name).config


def named_recipe(name: str) -> Recipe:
    """The recipe of a name, with its purpose and the published figure it stands against.

    Example:
        >>> named_recipe("modelnet10").published
        'Acc@15 0.721 (its released checkpoint, README of github.com/dmklee/image2sphere)'
    """
    if name in RECIPES:
        purpose, config = RECIPES[name]
        return Recipe(purpose, config)
    plain = name.removesuffix(ORIGINAL)
    found = PUBLISHED.get(plain) or symsol_recipe(plain)
    if found is None:
        known = recipe_names()
        # A number of views is no reason to call two names unlike.
        asked = re.sub(r"\d{2,}", str(MOST_VIEWS), _translated(plain))
        near = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
        end = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise ValueError(f"unknown recipe {name}; {end}")
    ours, as_published = found
    return ours if plain == name else replace(ours, purpose=f"{ours.purpose}; as published", config=as_published)


def _translated(name: str) -> str:
    """symsolI-N to symsolIIII-N, as the original counts, are in the order of our table."""
    counted = re.fullmatch(r"symsol(I{1,4})(-.*)", name)
    return [*SYMSOL][len(counted[1]) - 1] + counted[2] if counted else name


def recipe_names() -> dict[str, str]:
    """Each recipe's name and what it is for; SYMSOL's stand for those of any number of views."""
    original = [*PUBLISHED, *(f"{family}-{MOST_VIEWS}" for family in SYMSOL)]
    ours = {name: purpose for name, (purpose, _) in RECIPES.items()}
    return ours | {name: named_recipe(name).purpose for name in original}
