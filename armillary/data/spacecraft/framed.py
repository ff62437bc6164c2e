"""A reader whose samples have the box of what they show, and whose frames are kept reduced while they are read."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.evenly import evenly_chosen
from armillary.data.sample import Reader, Sample
from armillary.data.spacecraft.frame_store import FrameStore, seen_box

# From a sample to a box: left, top, right, bottom in pixels, NaN for none.
Boxer = Callable[[Sample], Float[Tensor, "4"]]


class FramedReader(Reader):
    """Samples with boxes; crops are then aimed at them. One pass gives crops and reduced frames alike.

    Args:
        reader: of spacecraft.
        boxer: where the object is; samples it finds nothing in are framed by their labels.
        frames: filled while samples are read.
        count: so many samples, evenly chosen; by default all.
        masked: pictures become (grey, mask, 0), so that crops take their masks along.
    """

    def __init__(
        self,
        reader: Reader,
        boxer: Boxer,
        frames: FrameStore | None = None,
        count: int | None = None,
        masked: bool = False,
    ) -> None:
        self.reader, self.boxer, self.frames, self.info = reader, boxer, frames, reader.info
        self.masked = masked
        self.places = evenly_chosen(len(reader), len(reader) if count is None else count).tolist()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Sample:
        sample = self.reader[self.places[index]]
        box = self.boxer(sample)
        sample = replace(sample, box=None if bool(box.isnan().any()) else box)
        if self.frames is not None:
            self.frames.put(index, sample)
        return replace(sample, image=_with_mask(sample)) if self.masked else sample


def _with_mask(sample: Sample) -> Float[Tensor, "3 height width"]:
    grey = sample.image.mean(0)
    mask = torch.zeros_like(grey) if sample.mask is None else sample.mask.to(grey)
    return torch.stack([grey, mask, torch.zeros_like(grey)])


def true_boxer(points: Float[Tensor, "points 3"]) -> Boxer:
    """Boxes of masks, else of an object's points (metres)."""
    return lambda sample: seen_box(sample, points)
