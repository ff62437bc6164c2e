"""The normals of Spherical Regression (NYUv2 and PBRS) as published: pictures in LMDB folders, and lists of names.

nyu_v2/                                  pbrs/
  ImageData.Rawpng.lmdb/                   ImageData.Rawjpg.lmdb/     key -> picture, colours
  NormCamera.Rawpng.lmdb/                  NormCamera.Rawpng.lmdb/    key -> PNG, red, green, blue = x, z, y up
  NormCamera_Ladicky.Rawpng.lmdb/                                     another estimate of the same
  Valid.Rawpng.lmdb/                       Valid.Rawpng.lmdb/         key -> PNG, one channel, not zero where known
  Valid_ALL.Rawpng.lmdb/                                              goes with the Ladicky normals
  trainNdxs.txt  testNdxs.txt              data_goodlist_v2.txt       "folder/key" a line; the whole line is the key

A folder may hold keys.txt, a list the original writes when it can; it is not needed, nor any right to write. Surfaces
whose stored z is above 0 are taken to 0 and normals made unit again, as the original does. A pixel the mask calls
known without a normal (the code's middle) counts as not known.

Reference: dataset/SurfaceNormal of https://github.com/leoshine/Spherical_Regression
"""

from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from armillary.data.normals.deep_png import read_png
from armillary.data.normals.encoding import decode_normals
from armillary.data.normals.sample import NormalReader, NormalSample, checked_sample
from armillary.data.picture import decode_picture
from armillary.data.published.picture_database import PictureDatabase

LISTS = {"train": "trainNdxs.txt", "test": "testNdxs.txt"}
GOOD_LIST = "data_goodlist_v2.txt"
PICTURES = ("ImageData.Rawpng.lmdb", "ImageData.Rawjpg.lmdb")
# Normals and the masks that go with them.
KINDS = {"official": ("NormCamera", "Valid"), "ladicky": ("NormCamera_Ladicky", "Valid_ALL")}
# A code of 8 bits keeps directions of vectors longer than this to five degrees.
SHORTEST = 0.1


class SurfaceNormalDatabase(NormalReader):
    """A part of nyu_v2 or pbrs.

    Args:
        folder: holds the LMDB folders.
        split: "train" or "test" of nyu_v2; pbrs has "train" alone.
        kind: "official" (Zhang et al., of the published evaluation) or "ladicky" (what the original trains on); by
            default ladicky to train on where there is one, official to test.
    """

    def __init__(self, folder: Path, split: str = "train", kind: str | None = None) -> None:
        self.source = str(folder)
        if kind is None:
            kind = "ladicky" if split == "train" and (folder / _database("ladicky", 0)).is_dir() else "official"
        if kind not in KINDS:
            raise ValueError(f"expected normals among {', '.join(KINDS)}, got '{kind}'; choose one")
        self.names = _listed(folder, split)
        pictures = [folder / name for name in PICTURES if (folder / name).is_dir()]
        if not pictures:
            raise FileNotFoundError(f"{folder}: expected {' or '.join(PICTURES)}, got neither; unpack the data again")
        self.pictures = PictureDatabase(pictures[0])
        self.normals, self.masks = (_plain(folder / _database(kind, part)) for part in (0, 1))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NormalSample:
        name = self.names[index]
        image = decode_picture(self._content(self.pictures, name), f"{self.pictures.folder}: {name}")[0]
        source = f"{self.normals.folder}: {name}"
        stored = read_png(self._content(self.normals, name), source)
        if stored.ndim != 3 or stored.shape[2] != 3:
            raise ValueError(f"{source}: expected a picture of three channels, got {stored.shape}; unpack it again")
        vectors = decode_normals(stored)
        length = torch.linalg.vector_norm(vectors, dim=0)
        mask = self._mask(name)
        if mask.shape == length.shape:
            mask = mask & (length > SHORTEST)
        return checked_sample(image, vectors / length.clamp_min(1e-6), mask, name, self.source)

    def _mask(self, name: str) -> Bool[Tensor, "height width"]:
        stored = read_png(self._content(self.masks, name), f"{self.masks.folder}: {name}")
        return torch.from_numpy((stored.reshape(*stored.shape[:2], -1) != 0).any(-1))

    def _content(self, database: PictureDatabase, name: str) -> bytes:
        try:
            return database[name]
        except KeyError as error:
            raise ValueError(
                f"{database.folder}: expected a picture named {name}, got none; unpack it again"
            ) from error


def database_splits(folder: Path) -> tuple[str, ...]:
    """The parts of a folder of nyu_v2 or pbrs; none if it is another folder.

    Example:
        >>> database_splits(Path("no/such/folder"))
        ()
    """
    if not any((folder / _database(kind, 0)).is_dir() for kind in KINDS):
        return ()
    parts = tuple(split for split, name in LISTS.items() if (folder / name).is_file())
    if not parts and not (folder / GOOD_LIST).is_file():
        raise FileNotFoundError(
            f"{folder}: expected {', '.join(LISTS.values())} or {GOOD_LIST}, got none; unpack the data again"
        )
    return parts or ("train",)


def _database(kind: str, part: int) -> str:
    return f"{KINDS[kind][part]}.Rawpng.lmdb"


def _plain(folder: Path) -> PictureDatabase:
    if (folder / "remap.yml").exists():
        raise ValueError(f"{folder}/remap.yml: expected normals of 8 or 16 bits, got a remapped range; leave it out")
    return PictureDatabase(folder)


def _listed(folder: Path, split: str) -> tuple[str, ...]:
    if split not in (known := database_splits(folder)):
        raise ValueError(f"{folder}: expected a part among {', '.join(known) or 'none'}, got '{split}'; choose one")
    listed = folder / LISTS[split]
    path = listed if listed.is_file() else folder / GOOD_LIST
    names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if path == listed:
        wrong = next((line for line in names if line.count("/") != 1), None)
        if wrong is not None:
            raise ValueError(f"{path}: expected lines folder/name, got '{wrong}'; restore the file")
        names = [line.split("/")[1] for line in names]
    if not names:
        raise ValueError(f"{path}: expected names of pictures, got none; restore the file")
    return tuple(names)
