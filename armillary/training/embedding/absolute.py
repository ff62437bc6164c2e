"""A rival of the student: a density of the rotation of each picture, trained with poses; two make a relative one."""

from dataclasses import replace
from pathlib import Path

from armillary.data import ImageStore
from armillary.models.image2sphere import Image2SphereConfig
from armillary.training.config import TrainConfig
from armillary.training.embedding.config import EmbeddingTrainConfig
from armillary.training.recipes.base import STILL
from armillary.training.run import train


def train_absolute(config: EmbeddingTrainConfig, folder: Path, views: ImageStore, stop_after: int | None) -> bool:
    """Image2Sphere on the student's pictures, with its encoder, batch and budget; whether it is done."""
    training, size = config.student_training, config.material.size
    settings = TrainConfig(
        model=Image2SphereConfig(encoder=config.student.encoder, image_size=size),
        augmentation=replace(STILL, size=size),
        minutes=training.minutes,
        steps=training.steps,
        batch_size=training.batch_size,
        seed=training.seed,
        precision=training.precision,
        margin=views.margin,
    )
    model = train(settings, folder, views, stop_after=stop_after)
    return (model / "model.safetensors").exists()
