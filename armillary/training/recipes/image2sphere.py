"""Recipes named like the data sets of the original Image2Sphere, in two variants each: ours, and as published.

`symsol1-N` takes the first N views of each of five shapes for one model; `symsol2-sphx-N`, `symsol2-cylo-N` and
`symsol2-tetx-N` one shape each. The original calls them symsolI-N, symsolII-N, symsolIII-N and symsolIIII-N.

A published figure stands here only if its source was read, and then with its source.

Reference: Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926; https://github.com/dmklee/image2sphere
"""

import re
from dataclasses import replace

from armillary.data import Augmentation
from armillary.models import Image2SphereConfig
from armillary.training.config import TrainConfig
from armillary.training.recipes.base import STILL, Recipe

# The data set has 45,000 views of each shape to train on; its names in the literature say 50,000.
MOST_VIEWS = 50_000
ALL_VIEWS = 45_000
NONE = "none of Image2Sphere is verified"
README = "its released checkpoint, README of github.com/dmklee/image2sphere"
QUOTED = "as third parties quote the paper, https://arxiv.org/abs/2106.05965"

# A turn of 0.4 about a vector of length 3 is what the original's "0.4" comes to.
WARP = replace(STILL, flip=0.5, up=0.4 / 3, box=0.1)


def _ours(encoder: str, lmax: int, augmentation: Augmentation, margin: float) -> TrainConfig:
    """Optical axis as pole, exact likelihood, AdamW with a cosine; as many passes as the original."""
    model = Image2SphereConfig(encoder=encoder, image_size=224, lmax=lmax, sphere_channels=512)
    return TrainConfig(
        model=model,
        augmentation=augmentation,
        epochs=40.0,
        learning_rate=3e-4,
        warmup_steps=500,
        validation=0.01,
        margin=margin,
        precision="bf16-mixed",
    )


def faithful(encoder: str = "resnet50", augmentation: Augmentation = STILL, margin: float = 1.0) -> TrainConfig:
    """What the original does by default: y as pole, 20 random points, cross entropy on level 3, SGD, no hold-out.

    Example:
        >>> config = faithful()
        >>> config.loss, config.optimizer, config.epochs, config.model.training_points
        ('full-grid', 'sgd', 40.0, 20)
    """
    model = Image2SphereConfig(
        encoder=encoder,
        image_size=224,
        lmax=6,
        axis="y",
        training_points=20,
        sphere_channels=512,
        sphere_filter="harmonic",
        original=True,
    )
    return TrainConfig(
        model=model,
        augmentation=augmentation,
        epochs=40.0,
        loss="full-grid",
        optimizer="sgd",
        learning_rate=1e-3,
        weight_decay=0.0,
        warmup_steps=0,
        schedule="steps",
        clip=0.0,
        validation=0.0,
        margin=margin,
    )


MODELNET10 = Recipe(
    "ModelNet10-SO(3), 100 views of each model",
    _ours("resnet50", 6, replace(STILL, noise=0.02, blur=0.3), 1.0),
    f"Acc@15 0.721 ({README})",
)
PASCAL3D = Recipe(
    "PASCAL3D+ with warped views; synthetic ones too where the data set holds them",
    _ours("resnet101", 6, Augmentation(turn=0.0, zoom=0.1, shift=0.05, flip=0.5, up=0.4, box=0.1), 1.5),
    f"median error 9.6 degrees, mean of twelve categories ({README})",
    ("train-synthetic", "train"),
)
IMAGE2SPHERE: dict[str, tuple[Recipe, TrainConfig]] = {
    "modelnet10": (MODELNET10, faithful()),
    "modelnet10-limited": (
        replace(MODELNET10, purpose="the same, 20 views of each model", published=NONE, splits=("limited_train",)),
        faithful(),
    ),
    "pascal3d-warp-synth": (PASCAL3D, faithful("resnet101", WARP, 1.5)),
}
SYMSOL: dict[str, tuple[str, tuple[str, ...], str]] = {
    "symsol1": (
        "SYMSOL I, one model for five shapes, 50000 (or any number of) views of each",
        ("tet", "cube", "icosa", "cone", "cyl"),
        f"{NONE}; Implicit-PDF has 4.10 nats in the measure pi^2, mean of five shapes ({QUOTED})",
    ),
    **{
        f"symsol2-{name}": (
            f"SYMSOL II, {shape} alone",
            (shape,),
            f"{NONE}; Implicit-PDF has 7.57 nats in the measure pi^2, mean of sphX, cylO and tetX ({QUOTED})",
        )
        for name, shape in (("sphx", "sphereX"), ("cylo", "cylO"), ("tetx", "tetX"))
    },
}


def symsol_recipe(name: str) -> tuple[Recipe, TrainConfig] | None:
    """Ours and as published, by a name of the family ``symsol...-N``; None when it is none of them.

    Example:
        >>> symsol_recipe("symsol2-cylo-10000")[0].config.views
        10000
        >>> symsol_recipe("symsol1-many")
        Traceback (most recent call last):
        ...
        ValueError: recipe symsol1-many: expected a number of views from 1 to 50000 after symsol1-, got 'many'; write \
symsol1-50000
    """
    family = next((each for each in SYMSOL if name.startswith(f"{each}-")), None)
    if family is None:
        return None
    number = name.removeprefix(f"{family}-")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", number) or int(number) > MOST_VIEWS:
        raise ValueError(
            f"recipe {name}: expected a number of views from 1 to {MOST_VIEWS} after {family}-, got '{number}'; "
            f"write {family}-{MOST_VIEWS}"
        )
    purpose, shapes, published = SYMSOL[family]
    ours = replace(_ours("resnet50", 8, STILL, 1.0), finer_after=0.9)
    part = {"objects": shapes, "views": int(number)}
    splits = ("train", "symsol1-train" if family == "symsol1" else f"{shapes[0]}-train")
    recipe = Recipe(purpose, replace(ours, **part), published if int(number) >= ALL_VIEWS else NONE, splits)
    # A label drawn anew at each reading: more supervision than others take.
    return recipe, replace(faithful(), equivalent_labels=True, **part)
