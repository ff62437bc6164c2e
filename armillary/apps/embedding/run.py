"""A finished chain: its configuration, its material and its networks, read when they are asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.embedding.chain import stage_folder
from armillary.data import ImageStore, centre_crop
from armillary.models import Model, SphericalTeacher, from_pretrained, read_metadata
from armillary.models.siamese_regression import SiameseRegression
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.models.view_synthesis import ViewSynthesiser
from armillary.training.embedding.config import EmbeddingTrainConfig
from armillary.training.embedding.material import Material
from armillary.training.run_folder import read_config_record

AT_ONCE = 256


@dataclass(frozen=True)
class EmbeddingRun:
    """The folder of `armillary train embedding`."""

    folder: Path

    @cached_property
    def config(self) -> EmbeddingTrainConfig:
        """Of the chain."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{self.folder}: expected a run of `armillary train embedding`, got no config.json")
        try:
            return EmbeddingTrainConfig.from_json(read_config_record(path))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: expected settings of a chain, got {error!r}; restore the file") from None

    @cached_property
    def material(self) -> Material:
        """Its shapes and pictures."""
        return Material(self.folder / "material", self.config.material, self.config.teacher.side // 2 - 1)

    @cached_property
    def teacher(self) -> SphericalTeacher:
        """The first stage."""
        return SphericalTeacher.from_pretrained(stage_folder(self.folder, "teacher"))

    @cached_property
    def student(self) -> SphericalEmbedding:
        """The second stage."""
        return SphericalEmbedding.from_pretrained(stage_folder(self.folder, "student"))

    @cached_property
    def student_metadata(self) -> dict[str, Any]:
        """What was saved with the student: temperature and scores among it, once it is calibrated."""
        return read_metadata(stage_folder(self.folder, "student"))

    @cached_property
    def synthesiser(self) -> ViewSynthesiser:
        """The third stage."""
        return ViewSynthesiser.from_pretrained(stage_folder(self.folder, "synthesiser"))

    @cached_property
    def siamese(self) -> SiameseRegression | None:
        """The first rival; None where it was not trained."""
        folder = self.folder / "siamese" / "model"
        return SiameseRegression.from_pretrained(folder) if folder.is_dir() else None

    @cached_property
    def absolute(self) -> Model | None:
        """The second rival; None where it was not trained."""
        folder = self.folder / "absolute" / "model"
        return from_pretrained(folder) if folder.is_dir() else None

    def pictures(self, views: ImageStore) -> Float[Tensor, "views 3 height width"]:
        """What the networks are shown of views."""
        return centre_crop(views, self.config.material.size).images

    @torch.no_grad()
    def embed(self, views: ImageStore) -> Float[Tensor, "views channels coeffs"]:
        """The student's maps of views."""
        places = torch.arange(len(views)).split(AT_ONCE)
        return torch.cat([self.student(self.pictures(views[part])) for part in places])
