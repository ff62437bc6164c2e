"""What every model is: images in, a distribution over rotations out; with a configuration that rebuilds it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import SO3Distribution
from armillary.nn import Encoder

# typing.Self is refused by beartype on methods, and needs Python 3.11.
ModelKind = TypeVar("ModelKind", bound="Model")


class Model(nn.Module, ABC):
    """A conditional distribution over rotations.

    Attributes:
        config: The frozen dataclass that built the model.
        encoder: Its encoder.
    """

    config: Any
    encoder: Encoder

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> SO3Distribution:
        """Distribution of each image's rotation; images have values in [0, 1] and the configuration's size."""

    def save_pretrained(self, folder: str | Path, metadata: dict[str, Any] | None = None) -> None:
        """Write ``config.json`` and ``model.safetensors``; `armillary.models.pretrained.save_pretrained`."""
        from armillary.models.pretrained import save_pretrained

        save_pretrained(self, folder, metadata)

    @classmethod
    def from_pretrained(cls: type[ModelKind], folder: str | Path) -> ModelKind:
        """The model saved in a folder, in eval mode; ValueError when it is of another kind."""
        from armillary.models.pretrained import from_pretrained

        model = from_pretrained(folder)
        if not isinstance(model, cls):
            found = type(model).__name__
            raise ValueError(f"expected a {cls.__name__} in {folder}, got {found}; use {found}.from_pretrained")
        return model


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
