r"""SYMSOL I and II: solids that look the same from several sides, with every equivalent rotation.

    symsol_dataset.zip               or the folder it unpacks to; in either perhaps below symsol/
      train/
        rotations.npz                one array for each shape: (views, members, 3, 3)
        images/cone_00000.png        shape and view, 224 x 224
      test/
        ...

SYMSOL I: tet, cube, icosa (12, 24, 60 members), cone, cyl (every degree of a continuous group: 360, 720). SYMSOL II:
sphereX, cylO, tetX, whose mark makes the pose unique (one member). 45,000 training and 5,000 test views of each.

Which member is the label: `first` takes member 0, as the data set's authors do; `random` draws one for each view from
the seed (the original Image2Sphere draws anew at each reading); `all` takes member 0 and gives the set as
`Sample.equivalents`.

What is known of the convention: the files state none. `member_group` measures on which side the members differ.
:math:`R_i = R_0 g_i` with the same :math:`g_i` in each view says that the label acts on object coordinates, as ours
do, and the :math:`g_i` are the shape's group in the frame of its own model, which need not be the frame of
`make_solid`. What cannot be told from the files is the camera: no intrinsics, no translation, and its axes are not
stated, so that a label may differ from OpenCV's by a constant turn from the left. Train without turned pictures where
that matters.

Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.picture import decode_picture
from armillary.data.published.fault import Faults, OnFault
from armillary.data.published.file_tree import FileTree, find_tree
from armillary.data.published.member_group import MemberSide, member_group
from armillary.data.sample import ROTATION_TOLERANCE, DatasetInfo, Reader, Sample
from armillary.so3 import nearest_rotation, rotation_defect

SYMSOL_1 = ("tet", "cube", "icosa", "cone", "cyl")
SYMSOL_2 = ("sphereX", "cylO", "tetX")
SHAPES = SYMSOL_1 + SYMSOL_2
# What a split's name may begin with: train, symsol1-train, sphereX-train, ...
SHAPE_SETS = {"": SHAPES, "symsol1-": SYMSOL_1, "symsol2-": SYMSOL_2, **{f"{shape}-": (shape,) for shape in SYMSOL_2}}
Label = Literal["first", "random", "all"]
_REMEDY = "download the data set again"
# Views whose members are compared to find the group.
_COMPARED = 4
_ROWS = 1024


class Symsol(Reader):
    """Views of one split.

    Args:
        path: the zip file or folder.
        split: train or test.
        shapes: which shapes, in the order of the categories; those that are absent are left out.
        label: which of the equivalent rotations is the label.
        views: only so many first views of each shape.
        seed: of the random labels.
        on_fault: leave out views without picture or rotation with one note, or refuse the data set.
    """

    def __init__(
        self,
        path: Path,
        split: str = "train",
        shapes: Sequence[str] = SHAPES,
        label: Label = "first",
        views: int | None = None,
        seed: int = 0,
        on_fault: OnFault = "skip",
    ) -> None:
        tree = symsol_tree(path)
        if tree is None:
            raise FileNotFoundError(f"{path}: expected train/rotations.npz and images, got none; {_REMEDY}")
        unknown = [shape for shape in shapes if shape not in SHAPES]
        if unknown:
            raise ValueError(f"expected shapes among {', '.join(SHAPES)}, got {unknown[0]}; name one of them")
        self._tree, self._split, self._label = tree, split, label
        generator = torch.Generator().manual_seed(seed)
        self.faults = Faults(f"{tree}/{split}")
        present = tree.files(f"{split}/images")
        names, rotations, categories, groups, self._members = [], [], [], [], []
        # For each category, on which side the members differ.
        self.member_sides: list[MemberSide] = []
        total = 0
        with _Rotations(tree, f"{split}/rotations.npz") as arrays:
            shapes = [shape for shape in shapes if shape in arrays.shapes]
            if not shapes:
                told = ", ".join(arrays.shapes)
                raise ValueError(f"{tree}/{split}: expected other shapes, got {told}; name one of them")
            for category, shape in enumerate(shapes):
                members, chosen = arrays.read(shape, views, label == "all", generator if label == "random" else None)
                group, side = member_group(members[:_COMPARED], continuous=shape in ("cone", "cyl"))
                groups.append(group)
                self.member_sides.append(side)
                sound = _sound(chosen, shape, present, self.faults)
                total += len(chosen)
                if views is None:
                    total += self._report_unlabelled(shape, len(chosen), present)
                names += [f"{shape}_{index:05d}" for index in sound.tolist()]
                rotations.append(nearest_rotation(chosen[sound]).float())
                categories += [category] * len(sound)
                self._members += [members[index] for index in sound.tolist()] if label == "all" else []
        self.faults.settle(on_fault, total)
        self.names, self.rotations, self.categories = tuple(names), torch.cat(rotations), torch.tensor(categories)
        # A radius of 0 says that no bounding sphere is known, nor worth estimating: there is no camera.
        zero = torch.zeros(len(shapes))
        self.info = DatasetInfo(f"symsol {split}", tuple(shapes), tuple(groups), zero[:, None].expand(-1, 3), zero)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        file = f"{self._split}/images/{self.names[index]}.png"
        image, _ = decode_picture(self._tree.read(file), f"{self._tree}/{file}")
        return Sample(
            image,
            self.rotations[index],
            category=int(self.categories[index]),
            name=self.names[index],
            equivalents=self._equivalents(index) if self._label == "all" else None,
        )

    def _equivalents(self, index: int) -> Float[Tensor, "members 3 3"]:
        return nearest_rotation(torch.from_numpy(np.array(self._members[index], dtype=np.float64))).float()

    def _report_unlabelled(self, shape: str, count: int, present: set[str]) -> int:
        """Note the pictures of a shape that have no rotation."""
        numbered = {name for name in present if name.startswith(f"{shape}_") and name.endswith(".png")}
        extra = sorted(numbered.difference(f"{shape}_{index:05d}.png" for index in range(count)))
        for name in extra:
            self.faults.add("without a rotation", name)
        return len(extra)


class _Rotations:
    """The arrays of a rotations.npz, read in parts, so that not all equivalents are ever in memory."""

    def __init__(self, tree: FileTree, name: str) -> None:
        self._source = f"{tree}/{name}"
        self._file = tree.open(name)
        try:
            self._archive = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            self._file.close()
            raise ValueError(f"{self._source}: expected an npz file, got '{error}'; {_REMEDY}") from error
        self.shapes = [entry.removesuffix(".npy") for entry in self._archive.namelist()]

    def __enter__(self) -> "_Rotations":
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()
        self._file.close()

    def read(
        self, shape: str, views: int | None, keep: bool, generator: torch.Generator | None
    ) -> tuple[Float[np.ndarray, "kept members 3 3"], Float[Tensor, "views 3 3"]]:
        """The members of the first views (of all, if they are to be kept), and the label of each view."""
        try:
            with self._archive.open(f"{shape}.npy") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                size, fortran, dtype = read(file)
                if len(size) != 4 or size[2:] != (3, 3) or size[1] < 1 or fortran or dtype.kind != "f":
                    raise ValueError(f"an array {size} of {dtype}, expected floats (views, members, 3, 3)")
                count = size[0] if views is None else min(views, size[0])
                members, labels = [], []
                for block in _rows(file, count, size[1], dtype):
                    wanted = block if keep else block[: max(0, _COMPARED - sum(map(len, members)))]
                    members.append(np.array(wanted))
                    which = torch.zeros(len(block), dtype=torch.int64)
                    if generator is not None:
                        which = torch.randint(block.shape[1], (len(block),), generator=generator)
                    labels.append(torch.from_numpy(block[np.arange(len(block)), which.numpy()].astype(np.float64)))
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{self._source}: shape {shape}: got {error}; {_REMEDY}") from error
        empty = np.zeros((0, size[1], 3, 3), dtype)
        return np.concatenate([empty, *members]), torch.cat([torch.zeros(0, 3, 3, dtype=torch.float64), *labels])


def _rows(
    file: IO[bytes] | io.BufferedIOBase, count: int, members: int, dtype: np.dtype
) -> Iterator[Float[np.ndarray, "rows {members} 3 3"]]:
    """Blocks of rows of an array's file."""
    row = members * 9 * dtype.itemsize
    for start in range(0, count, _ROWS):
        length = min(_ROWS, count - start)
        content = file.read(length * row)
        if len(content) < length * row:
            raise ValueError(f"{start + len(content) // row} of {count} rows: the file is truncated")
        yield np.frombuffer(content, dtype=dtype).reshape(length, members, 3, 3)


def _sound(labels: Float[Tensor, "views 3 3"], shape: str, present: set[str], faults: Faults) -> Tensor:
    """The views that have a picture and a rotation."""
    finite = labels.isfinite().all(-1).all(-1)
    defect = torch.where(finite, rotation_defect(labels.nan_to_num(0.0, 0.0, 0.0)), torch.inf)
    rotation = defect <= ROTATION_TOLERANCE
    picture = torch.tensor([f"{shape}_{index:05d}.png" in present for index in range(len(labels))], dtype=torch.bool)
    for index in (~rotation).nonzero().flatten().tolist():
        faults.add("without a rotation", f"{shape}_{index:05d}")
    for index in (rotation & ~picture).nonzero().flatten().tolist():
        faults.add("without a picture", f"{shape}_{index:05d}")
    return (rotation & picture).nonzero().flatten()


def symsol_tree(path: Path) -> FileTree | None:
    """Where in a folder or zip file SYMSOL begins, or None."""

    def holds(tree: FileTree) -> bool:
        return bool(symsol_parts(tree))

    return find_tree(path, holds, ("symsol", "symsol_dataset"))


def symsol_parts(tree: FileTree) -> list[str]:
    """Which of train and test are there."""
    return [part for part in ("train", "test") if tree.has(f"{part}/rotations.npz")]
