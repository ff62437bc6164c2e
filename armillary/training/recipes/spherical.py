"""Recipes for the protocol of Spherical Regression on ModelNet10-SO(3), in two variants each: ours, and as published.

As published but for the encoder: AlexNet and VGG16 came with weights in a format of their own; here it is a ResNet-50.

The figures in the paper's tables come from errors that are too small by the square root of 2; what stands here are
those its authors give in their correction.

Reference: Spherical Regression (Liao et al., 2019), https://arxiv.org/abs/1904.05404;
https://github.com/leoshine/Spherical_Regression, S3.3D_Rotation
"""

from dataclasses import replace

from armillary.models import SphericalRegressionConfig
from armillary.nn.sphere_head import PUBLISHED_SPREAD
from armillary.training.config import TrainConfig
from armillary.training.recipes.base import STILL, Recipe

CATEGORIES = 10
CORRECTED = "corrected, S3.3D_Rotation/Readme.md of github.com/leoshine/Spherical_Regression"
FIGURES = (
    "VGG16, told the category, on its 20 % sample of the test views: median error 28.7 degrees, Acc@30 0.658, "
    f"Acc@15 0.496; with a plain quaternion (kind flat) 37.8, 0.549, 0.382 ({CORRECTED})"
)
NONE = "none for 20 views of each model"

_MODEL = SphericalRegressionConfig(encoder="resnet50", image_size=224, pooling="mean", categories=CATEGORIES)
_OURS = TrainConfig(
    model=_MODEL,
    augmentation=replace(STILL, noise=0.02, blur=0.3),
    epochs=40.0,
    loss="spherical",
    learning_rate=3e-4,
    warmup_steps=500,
    validation=0.01,
    margin=1.0,
    precision="bf16-mixed",
)
# regQuatNet.py and the training script beside it: 150 epochs with steps down after 50 and 100.
PUBLISHED_TRAINING = TrainConfig(
    model=replace(_MODEL, antipode=0.0, hidden=996, spread=PUBLISHED_SPREAD, normalise=False),
    augmentation=STILL,
    epochs=150.0,
    batch_size=40,
    loss="spherical",
    optimizer="sgd",
    learning_rate=1e-3,
    nesterov=False,
    weight_decay=5e-4,
    warmup_steps=0,
    schedule="steps",
    decay_every=1 / 3,
    clip=0.0,
    validation=0.0,
    margin=1.0,
)

SPHERICAL: dict[str, tuple[Recipe, TrainConfig]] = {
    "spherical-modelnet10": (
        Recipe("Spherical Regression on ModelNet10-SO(3), 100 views of each model, told the category", _OURS, FIGURES),
        PUBLISHED_TRAINING,
    ),
    "spherical-modelnet10-limited": (
        Recipe("the same, 20 views of each model", _OURS, NONE, ("limited_train",)),
        PUBLISHED_TRAINING,
    ),
}
