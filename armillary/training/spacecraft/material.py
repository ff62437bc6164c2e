"""Crops and reduced frames of a data set, made once for a run.

RUN/material/
  train/                crops (data/store.py); their channels are grey, mask, 0
  train-frames.npz      reduced frames, masks, boxes
  validation/           the same of the held-out split
  validation-frames.npz
"""

from dataclasses import dataclass, replace
from pathlib import Path

from armillary.data import ImageStore
from armillary.data.sample import DatasetInfo
from armillary.data.spacecraft import SpacecraftPhotos
from armillary.data.spacecraft.frame_store import FrameStore
from armillary.data.spacecraft.framed import FramedReader, true_boxer
from armillary.training.spacecraft.config import SpacecraftTrainConfig


@dataclass(frozen=True, eq=False)
class Material:
    """What a run trains on."""

    crops: ImageStore
    frames: FrameStore

    def __len__(self) -> int:
        return len(self.crops)


def load_material(
    folder: Path,
    name: str,
    reader: SpacecraftPhotos,
    config: SpacecraftTrainConfig,
    count: int | None = None,
    info: DatasetInfo | None = None,
) -> Material:
    """Crops and frames of a split, read from a folder where they were made before.

    Args:
        folder: RUN/material.
        name: of the split.
        reader: its pictures.
        config: sizes, margins.
        count: so many pictures, evenly chosen.
        info: the training split's.
    """
    crops, frames = folder / name, folder / f"{name}-frames.npz"
    # The frames are written last.
    if not frames.is_file():
        kept = FrameStore.empty(len(reader) if count is None else min(count, len(reader)), *_frame_size(config))
        framed = FramedReader(reader, true_boxer(reader.spacecraft.points), kept, count, masked=True)
        ImageStore.from_reader(framed, _crop_size(config), config.margin * config.padding, info, crops)
        kept.save(frames)
    return Material(padded(ImageStore.load(crops), config), FrameStore.load(frames))


def padded(store: ImageStore, config: SpacecraftTrainConfig) -> ImageStore:
    """Crops whose object includes the padding around its box."""
    return replace(store, margin=config.margin)


def _crop_size(config: SpacecraftTrainConfig) -> int:
    return round(config.pose.image_size * config.margin / 2) * 2


def _frame_size(config: SpacecraftTrainConfig) -> tuple[int, int]:
    return config.detector.height, config.detector.width
