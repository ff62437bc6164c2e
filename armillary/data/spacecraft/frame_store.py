"""Whole frames reduced for a detector, with the boxes of what they show.

A frame is made small enough to fit, and stands in the upper left corner; the rest is black. Boxes are of what is
seen: of the mask where there is one, else of the spacecraft's points, cut at the frame's edges.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional

from armillary.data.atomic import replacing
from armillary.data.camera import project
from armillary.data.sample import Sample
from armillary.data.spacecraft.contour import mask_box


@dataclass(frozen=True)
class FrameStore:
    """Reduced grey frames, masks and boxes of a split.

    Example:
        >>> store = FrameStore.empty(2, 80, 128)
        >>> store.put(0, Sample(torch.rand(3, 120, 192), torch.eye(3), mask=torch.ones(120, 192).bool()))
        >>> store.boxes[0]
        tensor([ -0.5000,  -0.5000, 127.5000,  79.5000])
    """

    frames: UInt8[Tensor, "frames 1 height width"]
    # Where the object is; nowhere in frames without a mask.
    masks: Bool[Tensor, "frames height width"]
    # Left, top, right, bottom in pixels of the reduced frames; NaN where nothing is seen.
    boxes: Float[Tensor, "frames 4"]

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def empty(cls, count: int, height: int, width: int) -> "FrameStore":
        """Room for so many frames."""
        return cls(
            torch.zeros(count, 1, height, width, dtype=torch.uint8),
            torch.zeros(count, height, width, dtype=torch.bool),
            torch.full((count, 4), torch.nan),
        )

    def put(self, place: int, sample: Sample) -> None:
        """Keep a frame, reduced; its box is the sample's, else its mask's."""
        height, width = self.frames.shape[-2:]
        small, scale = reduce_frame(sample.image, height, width)
        self.frames[place] = (small * 255).round().to(torch.uint8)
        box = sample.box
        if sample.mask is not None:
            # Wherever a pixel shows some of it: thin parts count.
            self.masks[place] = reduce_frame(sample.mask[None].float(), height, width)[0][0] > 0.02
            box = mask_box(sample.mask) if box is None else box
        if box is not None:
            self.boxes[place] = (box + 0.5) * scale - 0.5

    def save(self, path: Path) -> None:
        """Write them whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, frames=self.frames.numpy(), masks=self.masks.numpy(), boxes=self.boxes.numpy())

    @classmethod
    def load(cls, path: Path) -> "FrameStore":
        """The inverse of `save`."""
        with np.load(path) as parts:
            return cls(*(torch.from_numpy(parts[name]) for name in ("frames", "masks", "boxes")))


def reduce_frame(
    image: Float[Tensor, "channels rows columns"], height: int, width: int
) -> tuple[Float[Tensor, "grey {height} {width}"], float]:
    """A frame of one grey channel in the upper left corner of a smaller one, and the scale: (u + 1/2) scale - 1/2.

    Example:
        >>> small, scale = reduce_frame(torch.ones(3, 120, 200), 80, 128)
        >>> scale, small.sum().round()
        (0.64, tensor(9856.))
    """
    rows, columns = image.shape[-2:]
    scale = min(height / rows, width / columns)
    size = max(1, round(rows * scale)), max(1, round(columns * scale))
    grey = image.float().mean(0)[None, None]
    small = functional.interpolate(grey, size, mode="bilinear", align_corners=False, antialias=True)[0]
    return functional.pad(small.clamp(0, 1), (0, width - size[1], 0, height - size[0])), scale


def seen_box(sample: Sample, points: Float[Tensor, "points 3"]) -> Float[Tensor, "4"]:
    """Box of what a frame shows of the object: of its mask, else of its points; NaN where it shows nothing.

    Args:
        sample: with a mask, or with translation and intrinsics.
        points: that outline the object, metres.
    """
    if sample.mask is not None:
        return mask_box(sample.mask)
    assert sample.translation is not None and sample.intrinsics is not None
    return projected_box(sample, points)


def projected_box(sample: Sample, points: Float[Tensor, "points 3"]) -> Float[Tensor, "4"]:
    """Box of an object's points in a frame, cut at its edges; NaN where all lie outside."""
    assert sample.translation is not None and sample.intrinsics is not None
    camera = points @ sample.rotation.T + sample.translation
    front = points[camera[:, 2] > 1e-3]
    if len(front) == 0:
        return torch.full((4,), torch.nan)
    pixels = project(front, sample.rotation, sample.translation, sample.intrinsics)
    rows, columns = sample.image.shape[-2:]
    limit = torch.tensor([columns, rows]) - 0.5
    low, high = pixels.amin(0).clamp_min(-0.5), torch.minimum(pixels.amax(0), limit)
    return torch.cat([low, high]) if bool((high > low).all()) else torch.full((4,), torch.nan)
