"""Recipes for viewpoints on PASCAL3D+ by the protocol of Spherical Regression, in two variants: ours, and as published.

As published but for the crops: the original stretches an object's box to a square, here the crop is square. Trained on
all objects of VOC train and ImageNet, and on RenderForCNN's pictures where the data set holds them; evaluate with
``--split viewpoint-easy``.

The figures in the paper come from errors that are too small by the square root of 2; what stands here is its authors'
correction.

Reference: Spherical Regression (Liao et al., 2019), https://arxiv.org/abs/1904.05404;
https://github.com/leoshine/Spherical_Regression, S1.Viewpoint
"""

from dataclasses import replace

from armillary.data import Augmentation
from armillary.models import ViewpointRegressionConfig
from armillary.training.config import TrainConfig
from armillary.training.recipes.base import Recipe
from armillary.training.recipes.spherical import PUBLISHED_TRAINING

CATEGORIES = 12
FIGURES = (
    "told the category, VOC val easy, 2,136 objects: median error 13.0 degrees, Acc@30 0.834, Acc@15 0.631, mean of "
    "twelve categories (corrected, README and S1.Viewpoint/Note.md of github.com/leoshine/Spherical_Regression)"
)
# regEulerNet.py: ResNet-101, averaged features, 1,024 hidden, half of them dropped.
_MODEL = ViewpointRegressionConfig(
    encoder="resnet101", image_size=224, pooling="mean", hidden=1024, dropout=0.5, categories=CATEGORIES
)
_OURS = TrainConfig(
    model=_MODEL,
    augmentation=Augmentation(turn=0.0, zoom=0.1, shift=0.05, flip=0.5),
    epochs=10.0,
    loss="spherical",
    learning_rate=3e-4,
    warmup_steps=500,
    validation=0.01,
    margin=1.5,
    precision="bf16-mixed",
)
# trainval_workdir.py: 80,000 steps with synthetic pictures, the rate down at each third; two GPUs of 64.
_PUBLISHED = replace(
    PUBLISHED_TRAINING, model=replace(_MODEL, normalise=False), epochs=None, steps=80_000, batch_size=128
)

VIEWPOINT: dict[str, tuple[Recipe, TrainConfig]] = {
    "pascal3d-viewpoint": (
        Recipe(
            "viewpoints on PASCAL3D+, told the category; synthetic pictures too where the data set holds them",
            _OURS,
            FIGURES,
            ("viewpoint-train-synthetic", "viewpoint-train", "train"),
        ),
        _PUBLISHED,
    ),
}
