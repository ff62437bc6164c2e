"""A whole data set as square uint8 crops in one tensor: what training and evaluation consume.

Each crop is the picture of a virtual camera aimed at the object with a margin (1.5: half the crop's width is one and a
half times the object's outline), so that augmentation has room to turn, shift and zoom. Poses and intrinsics are
those of the virtual camera; `turns` leads back to the original one. On disk:

    folder/
      images.npy      uint8 (samples, 3, size, size), opened as a memory map
      labels.npz      rotations, turns, intrinsics, translations, category, names
      info.json       DatasetInfo and the margin; written last, so a folder without it is incomplete
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from tqdm import tqdm

from armillary.data.atomic import replacing
from armillary.data.axis_aligned import is_straight, rescale
from armillary.data.framing import estimate_spheres, frame, known_intrinsics
from armillary.data.record import read_json, write_json
from armillary.data.sample import DatasetInfo, Reader, Sample

# More sampled points than 8 x 8 per pixel change a crop by less than its 8-bit rounding.
_MOST_SUPERSAMPLING = 8


@dataclass(frozen=True)
class ImageStore:
    """Crops of one size with their labels; ``store[index]`` is the store of those samples.

    Example:
        >>> store = ImageStore.from_samples([Sample(torch.rand(3, 48, 64), torch.eye(3))], size=32, progress=False)
        >>> store.images.shape, store.images.dtype
        (torch.Size([1, 3, 32, 32]), torch.uint8)
    """

    images: UInt8[Tensor, "samples 3 size size"]
    # R_store_obj: the object in the crop's virtual camera.
    rotations: Float[Tensor, "samples 3 3"]
    intrinsics: Float[Tensor, "samples 3 3"]
    category: Int[Tensor, " samples"]
    # R_store_cam: original camera coordinates to the crop's; R_cam_obj = turns^T @ rotations.
    turns: Float[Tensor, "samples 3 3"]
    names: tuple[str, ...]
    info: DatasetInfo
    # Half the crop's width over the object's outline.
    margin: float = 1.5
    translations: Float[Tensor, "samples 3"] | None = None

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: Int[Tensor, " chosen"] | slice) -> "ImageStore":
        chosen = torch.arange(len(self))[index] if isinstance(index, slice) else index
        return replace(
            self,
            images=self.images[chosen],
            rotations=self.rotations[chosen],
            intrinsics=self.intrinsics[chosen],
            category=self.category[chosen],
            turns=self.turns[chosen],
            names=tuple(self.names[i] for i in chosen.tolist()),
            translations=None if self.translations is None else self.translations[chosen],
        )

    @property
    def size(self) -> int:
        """Width and height of the crops, pixels."""
        return self.images.shape[-1]

    def to(self, device: torch.device | str) -> "ImageStore":
        """The same store with its tensors on `device`."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in moved.items() if isinstance(value, Tensor)})

    @classmethod
    def from_reader(
        cls,
        reader: Reader,
        size: int = 96,
        margin: float = 1.5,
        info: DatasetInfo | None = None,
        folder: Path | None = None,
        threads: int | None = None,
        progress: bool = True,
    ) -> "ImageStore":
        """Crop every sample of a reader.

        Args:
            reader: any reader.
            size: of the crops, pixels.
            margin: half the crop's width over the object's outline.
            info: a training set's, whose categories and bounding spheres then hold here too, so that evaluation
                crops alike; by default the reader's own, spheres estimated where it states none.
            folder: write the store there and map it, for data larger than memory; by default in memory.
            threads: that decode, by default one per core.
            progress: show a bar.
        """
        if len(reader) == 0:
            raise ValueError(f"data set {reader.info.name}: expected samples, got none; check the folder and the split")
        info, rows = _framing_info(reader, info)
        store = _empty_store(len(reader), size, margin, info, folder)
        workers = threads if threads is not None else os.cpu_count() or 1
        names = _run(
            lambda i: store._put(i, _recategorised(reader[i], rows)), len(reader), workers, progress, info.name
        )
        known = store.translations is not None and not bool(store.translations.isnan().any())
        store = replace(store, names=names, translations=store.translations if known else None)
        if folder is not None:
            store._write_labels(folder)
        return store

    @classmethod
    def from_samples(
        cls, samples: list[Sample], size: int = 96, margin: float = 1.5, progress: bool = True
    ) -> "ImageStore":
        """Crop samples already in memory (one category per index that occurs)."""
        count = 1 + max(sample.category for sample in samples)
        info = DatasetInfo("samples", tuple(str(category) for category in range(count)))
        return cls.from_reader(_ListReader(samples, info), size, margin, progress=progress, threads=1)

    def save(self, folder: Path) -> None:
        """Write the store; `load` maps it."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "images.npy") as temporary, temporary.open("wb") as file:
            np.save(file, self.images.numpy())
        self._write_labels(folder)

    @classmethod
    def load(cls, folder: Path) -> "ImageStore":
        """Open a store that `save` or `from_reader(folder=...)` wrote; its images stay on disk until used."""
        record = read_json(folder / "info.json", "build the image store again")
        # Copy on write: torch wants writable memory, and the file stays as it is.
        images = torch.from_numpy(np.load(folder / "images.npy", mmap_mode="c"))
        with np.load(folder / "labels.npz") as labels:
            tensors = {key: torch.from_numpy(labels[key]) for key in labels.files if key != "names"}
            names = tuple(labels["names"].tolist())
        return cls(images, names=names, info=DatasetInfo.from_json(record["info"]), margin=record["margin"], **tensors)

    def _put(self, index: int, sample: Sample) -> str:
        camera = frame(sample, self.info, self.size, self.margin)
        intrinsics = known_intrinsics(sample)
        reduction = (intrinsics[0, 0] / camera.intrinsics[0, 0, 0]).item()
        supersample = min(_MOST_SUPERSAMPLING, max(1, round(reduction)))
        if is_straight(camera.rotation[0]):
            picture = rescale(sample.image, intrinsics, camera.intrinsics[0], self.size, supersample)
        else:
            picture = camera.look(sample.image[None], intrinsics[None], supersample)[0]
        self.images[index] = (picture * 255).round().to(torch.uint8)
        self.rotations[index] = camera.rotation[0] @ sample.rotation
        self.intrinsics[index] = camera.intrinsics[0]
        self.category[index] = sample.category
        self.turns[index] = camera.rotation[0]
        assert self.translations is not None
        if sample.translation is not None:
            self.translations[index] = camera.rotation[0] @ sample.translation
        return sample.name

    def _write_labels(self, folder: Path) -> None:
        arrays: dict[str, Any] = {"names": np.asarray(self.names)}
        for name in ("rotations", "turns", "intrinsics", "category", "translations"):
            value = getattr(self, name)
            if value is not None:
                arrays[name] = value.numpy()
        with replacing(folder / "labels.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        write_json(folder / "info.json", {"margin": self.margin, "info": self.info.to_json()})


class _ListReader(Reader):
    """Samples in memory."""

    def __init__(self, samples: list[Sample], info: DatasetInfo) -> None:
        self.samples = samples
        self.info = info

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def _framing_info(reader: Reader, given: DatasetInfo | None) -> tuple[DatasetInfo, Int[Tensor, " categories"]]:
    """The info to frame with, and the category in it of each of the reader's categories.

    A given info (a training set's) holds for the new data: categories meet by name, or, where each side has only one,
    whatever they are called.
    """
    names = reader.info.categories
    if given is None:
        info = reader.info if reader.info.radii is not None else estimate_spheres(reader)
        return info, torch.arange(len(names))
    if len(names) == len(given.categories) == 1:
        rows = [0]
    else:
        unknown = [name for name in names if name not in given.categories]
        if unknown:
            raise ValueError(
                f"data set {reader.info.name}: expected categories among {', '.join(given.categories)}, "
                f"got {', '.join(unknown)}; use the categories the model was trained on"
            )
        rows = [given.categories.index(name) for name in names]
    return replace(given, name=reader.info.name), torch.tensor(rows)


def _recategorised(sample: Sample, rows: Int[Tensor, " categories"]) -> Sample:
    return replace(sample, category=int(rows[sample.category]))


def _empty_store(count: int, size: int, margin: float, info: DatasetInfo, folder: Path | None) -> ImageStore:
    shape = (count, 3, size, size)
    if folder is None:
        images = torch.zeros(shape, dtype=torch.uint8)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "info.json").unlink(missing_ok=True)
        images = torch.from_numpy(
            np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        )
    return ImageStore(
        images,
        rotations=torch.zeros(count, 3, 3),
        intrinsics=torch.zeros(count, 3, 3),
        category=torch.zeros(count, dtype=torch.int64),
        turns=torch.zeros(count, 3, 3),
        names=(),
        info=info,
        margin=margin,
        translations=torch.full((count, 3), torch.nan),
    )


def _run(work: Callable[[int], str], count: int, threads: int, progress: bool, what: str) -> tuple[str, ...]:
    """The names `work` returns for 0..count-1, done by threads (decoding releases the interpreter's lock)."""
    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(work, range(count))
        bar = tqdm(results, total=count, desc=f"reading {what}", unit="image", disable=not progress, delay=1.0)
        return tuple(bar)
