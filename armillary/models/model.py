"""What every model is: images in, a distribution over rotations out; with a configuration that rebuilds it."""

import difflib
from abc import ABC, abstractmethod
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import SO3Distribution
from armillary.models.storage import load_weights, read_record, write_folder
from armillary.nn import Encoder, HarmonicHead, PointNoise, TransformersEncoder, make_encoder

# typing.Self is refused by beartype on methods, and needs Python 3.11.
ModelKind = TypeVar("ModelKind", bound="Model")


class Model(nn.Module, ABC):
    """A conditional distribution over rotations.

    Attributes:
        kind: Name of the class in saved models.
        config_type: The frozen dataclass that builds it.
        config: The one that built this model.
        encoder: Its encoder.
    """

    kind: ClassVar[str]
    config_type: ClassVar[type]
    config: Any
    encoder: Encoder

    @abstractmethod
    def __init__(self, config: Any, encoder: Encoder | None = None) -> None:  # noqa: ANN401 - each kind has its own
        super().__init__()

    @abstractmethod
    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> SO3Distribution:
        """Distribution of each image's rotation; images have values in [0, 1] and the configuration's size."""

    def save_pretrained(self, folder: str | Path, metadata: dict[str, Any] | None = None) -> None:
        """Write ``config.json`` and ``model.safetensors``, each complete or not at all.

        Args:
            folder: Made when missing.
            metadata: Further JSON values to keep, such as the data's categories and symmetries (`read_metadata`).
        """
        encoder = self.encoder
        record = {
            "kind": self.kind,
            "config": asdict(self.config),
            "encoder_architecture": encoder.architecture if isinstance(encoder, TransformersEncoder) else None,
            "metadata": metadata or {},
        }
        write_folder(Path(folder), record, self.state_dict())

    @classmethod
    def from_pretrained(cls: type[ModelKind], folder: str | Path) -> ModelKind:
        """The model saved in a folder, in eval mode on the CPU; ValueError when it is of another kind.

        A checkpoint brings its own encoder weights, so loading looks for no others.
        """
        record = read_record(Path(folder))
        if record.get("kind") != cls.kind:
            raise ValueError(
                f"expected a model of kind {cls.kind} in {folder}, got {record.get('kind')!r}; use its class"
            )
        config = read_config(cls.config_type, record.get("config", {}))
        # A local encoder has no architecture on record; its name is all it takes.
        model = cls(config, make_encoder(config.encoder, record.get("encoder_architecture")))
        load_weights(model, Path(folder))
        return model.eval()


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


def read_config(config_type: type, record: dict[str, Any]) -> Any:  # noqa: ANN401 - whichever dataclass is given
    """A configuration from JSON values; ValueError names the closest match of an unknown field."""
    known = [field.name for field in fields(config_type)]
    for name in record:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ValueError(f"expected fields of {config_type.__name__}, got {name!r}; did you mean {near!r}?")
    return config_type(**record)


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
