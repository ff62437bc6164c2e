"""Second stage: rotation and place from a crop, each by its negative log-likelihood."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data import Augmentation, ImageStore, centre_crop
from armillary.models.spacecraft_pose import SpacecraftPose
from armillary.training.spacecraft.detector import Paint
from armillary.training.stage import Draw, Stage

AT_ONCE = 128
MASKS_LOOKED_AT = 16


class PoseStage(Stage):
    """Crops to poses.

    Args:
        network: with fresh weights; `metres` takes its scale from the crops.
        crops: to train on, with translations; their channels are grey, mask, 0.
        held_out: to measure on.
        augmentation: random views of the crops, of the network's size.
        translation_weight: of the loss of the place.
        paint: changes the looks of crops.
    """

    name = "pose"

    def __init__(
        self,
        network: SpacecraftPose,
        crops: ImageStore,
        held_out: ImageStore,
        augmentation: Augmentation,
        translation_weight: float = 1.0,
        paint: Paint | None = None,
    ) -> None:
        if crops.translations is None or held_out.translations is None:
            raise ValueError("expected crops with translations, got none; take a data set that has them")
        self.network, self.crops, self.held_out = network, crops, held_out
        self.augmentation, self.weight, self.paint = augmentation, translation_weight, paint
        # Without any mask the data set has none.
        self.masked = bool(crops.images[:MASKS_LOOKED_AT, 1].any())
        network.set_scale(crops.translations)

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Random views of random crops: pictures, rotations, translations and cameras."""
        chosen = torch.randint(len(self.crops), (count,), generator=generator)
        batch = self.augmentation(self.crops[chosen], generator)
        images, masks = batch.images[:, :1], batch.images[:, 1] > 0.5
        if self.paint is not None:
            images = self.paint(images, generator, masks if self.masked else None)
        assert batch.translations is not None and batch.intrinsics is not None
        images = images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        return Draw((images, batch.rotations, batch.translations, batch.intrinsics))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Negative log-likelihood of rotation and of place."""
        images, *truth = draw.tensors
        answer = self.network.answer(images)
        with torch.autocast(images.device.type, enabled=False):
            rotation, place = self.network.losses(answer, *truth)
            return rotation.mean() + self.weight * place.mean()

    def figures(self) -> Mapping[str, float]:
        """Median errors and mean losses of held-out crops."""
        device, symmetry = next(self.network.parameters()).device, self.held_out.info.symmetries[0]
        angles, lengths, losses = [], [], []
        for part in torch.arange(len(self.held_out)).split(AT_ONCE):
            batch = centre_crop(self.held_out[part], self.augmentation.size).to(device)
            assert batch.translations is not None and batch.intrinsics is not None
            answer = self.network.answer(batch.images[:, :1].expand(-1, 3, -1, -1))
            pose = self.network.to_metres(answer, batch.intrinsics)
            angles.append(symmetry.distance(answer.rotation.mode, batch.rotations))
            offset = torch.linalg.vector_norm(pose.translation - batch.translations, dim=-1)
            lengths.append(offset / torch.linalg.vector_norm(batch.translations, dim=-1))
            truth = batch.rotations, batch.translations, batch.intrinsics
            losses.append(torch.stack(self.network.losses(answer, *truth)))
        rotation, place = torch.cat(losses, 1).mean(1).tolist()
        return {
            "val_median_deg": math.degrees(torch.cat(angles).median().item()),
            "val_mean_deg": math.degrees(torch.cat(angles).mean().item()),
            "val_translation": torch.cat(lengths).median().item(),
            "val_rotation_loss": rotation,
            "val_place_loss": place,
        }

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Write the trained network; the error of "metres" is that of held-out crops."""
        if self.network.config.translation == "metres":
            self.network.squared_error.fill_(max(metadata["figures"]["val_place_loss"], 1e-6))
        self.network.save_pretrained(folder, metadata)
