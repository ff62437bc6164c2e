"""First stage: a box in a reduced frame, or the answer that there is none."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.spacecraft.frame_store import FrameStore
from armillary.models.box_regression import BoxAnswer, BoxRegression, box_overlap
from armillary.training.spacecraft.frame_view import FrameView, without_object
from armillary.training.stage import Draw, Stage

# Changes the looks of pictures (batch, 1, height, width) by a generator's draws; masks may be None.
Paint = Callable[[Tensor, torch.Generator, Tensor | None], Tensor]
AT_ONCE = 128


class DetectorStage(Stage):
    """Frames to boxes.

    Args:
        network: with fresh weights.
        frames: to train on.
        held_out: to measure on; and again without their objects.
        empty: part of a step's frames from which the object is taken out.
        view: random views of frames.
        paint: changes their looks.
    """

    name = "detector"

    def __init__(
        self,
        network: BoxRegression,
        frames: FrameStore,
        held_out: FrameStore,
        empty: float = 0.25,
        view: FrameView | None = None,
        paint: Paint | None = None,
    ) -> None:
        self.network, self.frames, self.held_out = network, frames, held_out
        self.empty, self.view, self.paint = empty, view or FrameView(), paint
        self.emptied = without_object(held_out, torch.arange(len(held_out)))

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Frames with their boxes."""
        chosen = torch.randint(len(self.frames), (count,), generator=generator)
        images, boxes = self.frames.frames[chosen].float() / 255, self.frames.boxes[chosen]
        out = torch.rand(count, generator=generator) < self.empty
        if bool(out.any()):
            images[out], boxes[out] = without_object(self.frames, chosen[out]), torch.nan
        images, boxes = self.view(images, boxes, generator)
        if self.paint is not None:
            images = self.paint(images, generator, None)
        return Draw((images.contiguous(memory_format=torch.channels_last), boxes))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Of the place and of the box there."""
        images, boxes = draw.tensors
        where, what = self.network(images).losses(boxes)
        return where.mean() + what.mean()

    def figures(self) -> Mapping[str, float]:
        """Overlap of boxes, and how often a frame is rightly called empty or not."""
        seen = ~self.held_out.boxes.isnan().any(-1)
        full, empty = self._answer(self.held_out.frames[seen].float() / 255), self._answer(self.emptied)
        overlap = box_overlap(torch.cat([answer.boxes() for answer in full]).cpu(), self.held_out.boxes[seen])
        found = torch.cat([answer.confidence for answer in full]) > 0.5
        refused = torch.cat([answer.confidence for answer in empty]) < 0.5
        return {
            "val_overlap": overlap.median().item(),
            "val_overlap_10": overlap.quantile(0.1).item(),
            "val_found": found.float().mean().item(),
            "val_refused": refused.float().mean().item(),
        }

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Write the trained network."""
        self.network.save_pretrained(folder, metadata)

    def _answer(self, frames: Float[Tensor, "frames 1 height width"]) -> list[BoxAnswer]:
        device = next(self.network.parameters()).device
        return [self.network(part.to(device)) for part in frames.split(AT_ONCE)]
