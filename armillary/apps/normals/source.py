"""Where evaluated normals come from: a trained model, or files that any program wrote."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.apps.normals.predictor import NormalPredictor, load_normals
from armillary.data.normals import NormalSample, camera_facing, decode_normals, encode_normals, read_normals
from armillary.data.picture import picture_files
from armillary.evaluation.normal_metrics import to_full_size


class NormalSource(ABC):
    """Normals for the pictures of a data set."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Of the model's last layer, or "files"."""

    @abstractmethod
    def normals(self, sample: NormalSample) -> Float[Tensor, "3 height width"]:
        """Unit normals of a picture, at its size."""


@dataclass(frozen=True)
class ModelNormals(NormalSource):
    """Those that a model predicts."""

    predictor: NormalPredictor
    # As published: rounded to 8 bits at the model's size, the nearest pixel taken at the picture's.
    official: bool = False

    @property
    def kind(self) -> str:
        """Of the model's last layer."""
        return self.predictor.model.config.kind

    def normals(self, sample: NormalSample) -> Float[Tensor, "3 height width"]:
        """Predicted."""
        if not self.official:
            return self.predictor(sample.image)
        stored = decode_normals(encode_normals(self.predictor.at_model_size(sample.image), 8))
        return to_full_size(stored, (sample.image.shape[-2], sample.image.shape[-1]))


@dataclass(frozen=True)
class FileNormals(NormalSource):
    """Those in a folder of pictures named as the samples; of another size, the nearest pixel is taken."""

    folder: Path
    files: dict[str, Path]

    @property
    def kind(self) -> str:
        """No model's."""
        return "files"

    def normals(self, sample: NormalSample) -> Float[Tensor, "3 height width"]:
        """Read."""
        if sample.name not in self.files:
            raise FileNotFoundError(
                f"{self.folder}: expected the normals of picture {sample.name}, got none; write a file for each picture"
            )
        stored = functional.normalize(read_normals(self.files[sample.name]), dim=0)
        size = (sample.image.shape[-2], sample.image.shape[-1])
        return camera_facing(stored) if tuple(stored.shape[1:]) == size else to_full_size(stored, size)


def open_source(path: Path, device: torch.device, official: bool = False, expected: bool = False) -> NormalSource:
    """The normals of a run, of a model folder, or of a folder of PNG files in the data's code."""
    files = picture_files(path) if not (path / "config.json").exists() else {}
    if files:
        return FileNormals(path, files)
    return ModelNormals(load_normals(path, device, expected), official)
