"""What every model is: images in, a distribution over rotations out; with a configuration that rebuilds it."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import SO3Distribution
from armillary.models.saved import SavedNetwork
from armillary.nn import Encoder, HarmonicHead, PointNoise


class Model(SavedNetwork):
    """A conditional distribution over rotations.

    Attributes:
        encoder: Its encoder.
    """

    encoder: Encoder

    @abstractmethod
    def __init__(self, config: Any, encoder: Encoder | None = None) -> None:  # noqa: ANN401 - each kind has its own
        super().__init__()

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> SO3Distribution:
        """Distribution of each image's rotation; images have values in [0, 1] and the configuration's size."""


class HarmonicModel(Model):
    """A model whose answer is a harmonic density, trained by likelihood.

    Attributes:
        head: The last layer, whose ``training_normaliser`` the training sets.
    """

    head: HarmonicHead


class PointModel(Model):
    """A model that answers with rotations and is trained by a loss of its own.

    Attributes:
        noise: Makes a density of the answers; the end of the training fits it on held-out views.
    """

    noise: PointNoise

    @abstractmethod
    def answers(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
        """Rotations for each image, and the logits of their probabilities."""

    @abstractmethod
    def task_loss(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss of a batch, by one forward pass; 0 at a perfect fit."""

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> SO3Distribution:
        """Distribution of each image's rotation: the answers, by their probabilities, with noise and outliers."""
        return self.noise(*self.answers(images, category))


def check_images(images: Float[Tensor, "batch 3 height width"], size: int) -> None:
    """ValueError unless the images are square with the configuration's side (px)."""
    if tuple(images.shape[-2:]) != (size, size):
        height, width = images.shape[-2:]
        raise ValueError(f"expected images of {size} x {size} px, got {height} x {width}; resize them")


def one_hot(category: Int[Tensor, " batch"] | None, categories: int) -> Float[Tensor, "batch categories"]:
    """One-hot vectors of category indices; ValueError when there are none."""
    if category is None:
        raise ValueError(
            f"expected the category of each image (the model knows {categories}), got None; pass category="
        )
    return nn.functional.one_hot(category.long(), categories).to(torch.get_default_dtype())
