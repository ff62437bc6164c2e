"""Many shapes at once: members of the zoo's families, or the models of a folder by category and split.

A folder of meshes is laid out as ModelNet, one of surface points holds one archive for each category and split::

    ModelNet10/                       points/
      chair/                            chair_train.npz      points (models, k, 3); where they were scaled and centred,
        train/chair_0001.off, ...       chair_test.npz       scale (models,) and center (models, 3) undo it
        test/chair_0890.off, ...        ...
      ...
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from armillary.data.shapes.mesh_file import SUFFIXES, load_mesh
from armillary.data.shapes.shape import Shape
from armillary.data.shapes.surfels import surfels
from armillary.data.shapes.zoo import make_shape


def zoo_members(families: Sequence[str], first: int, count: int) -> list[Shape]:
    """Members ``first`` to ``first + count - 1`` of each family, with the symmetry of each.

    Example:
        >>> [shape.name for shape in zoo_members(("mug", "car"), 0, 2)]
        ['mug', 'mug', 'car', 'car']
    """
    every = [(family, seed) for family in families for seed in range(first, first + count)]
    return [make_shape(*one) for one in tqdm(every, desc="making shapes", unit="shape", delay=2)]


def folder_models(folder: str | Path, split: str, categories: Sequence[str] = ()) -> list[Shape]:
    """The models of a split, category by category; their symmetries are not known.

    Args:
        folder: laid out as above.
        split: "train" or "test".
        categories: those to read; by default all that are there.
    """
    bar = tqdm(model_paths(folder, split, categories).items(), desc=f"reading {split}", unit="category", delay=2)
    return [shape for name, path in bar for shape in (_mesh_models if path.is_dir() else _point_models)(name, path)]


def model_paths(folder: str | Path, split: str, categories: Sequence[str] = ()) -> dict[str, Path]:
    """The folder of meshes or the archive of points of each category; ValueError where there are none."""
    folder = Path(folder)
    points = {path.name.removesuffix(f"_{split}.npz"): path for path in sorted(folder.glob(f"*_{split}.npz"))}
    meshes = {path.parent.name: path for path in sorted(folder.glob(f"*/{split}")) if path.is_dir()}
    found = points or meshes
    if not found:
        what = f"CATEGORY/{split}/*.off or CATEGORY_{split}.npz"
        raise ValueError(f"{folder}: expected models as {what}, got none; check the folder")
    missing = [name for name in categories if name not in found]
    if missing:
        raise ValueError(f"{folder}: expected categories among {', '.join(found)}, got {missing[0]}; correct its name")
    return {name: path for name, path in found.items() if not categories or name in categories}


def _point_models(name: str, path: Path) -> Iterator[Shape]:
    try:
        with np.load(path) as arrays:
            points = arrays["points"].astype(np.float32)
            scale, centre = (arrays[key].astype(np.float32) if key in arrays else None for key in ("scale", "center"))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: expected an archive with points, got '{error}'; make it again") from error
    if points.ndim != 3 or points.shape[-1] != 3:
        raise ValueError(f"{path}: expected points (models, k, 3), got shape {points.shape}; make the archive again")
    points = points if scale is None else points * scale[:, None, None]
    points = points if centre is None else points + centre[:, None]
    return (Shape(name, surfels(torch.from_numpy(cloud))) for cloud in points)


def _mesh_models(name: str, path: Path) -> Iterator[Shape]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{path}: expected meshes ({', '.join(SUFFIXES)}), got none; check the folder")
    return (Shape(name, load_mesh(file)) for file in files)
