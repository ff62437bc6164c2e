"""What a folder has of a published data set: its parts, how many samples each has, what is missing or faulty."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from armillary.data.published.modelnet10 import PARTS, modelnet10_parts
from armillary.data.published.modelnet10_lmdb import Modelnet10Lmdb
from armillary.data.published.modelnet10_npz import Modelnet10Npz
from armillary.data.published.opening import published_splits
from armillary.data.published.pascal3d import Pascal3d, pascal3d_folder
from armillary.data.published.pascal3d_camera import PASCAL_CATEGORIES
from armillary.data.published.render_for_cnn import FOLDER, SYNSETS, RenderForCnn
from armillary.data.published.symsol import SHAPES, Symsol, symsol_parts, symsol_tree

# Views in the published files.
_MODELNET10_VIEWS = {"train": 399_100, "limited_train": 79_820, "test": 18_160}
_SYMSOL_VIEWS = {"train": 45_000, "test": 5_000}
_Counted = Modelnet10Lmdb | Modelnet10Npz | Symsol | Pascal3d | RenderForCnn


@dataclass(frozen=True)
class Part:
    """What there is of one part of a data set.

    Example:
        >>> print(Part("test", 18, 20, ("1 without a picture (bed_0001.v001)",)))
        test: 18 of 20 samples, 2 missing
          1 without a picture (bed_0001.v001)
    """

    name: str
    found: int
    # How many the published files hold, where that is known.
    expected: int | None = None
    # What is missing or faulty, in words.
    problems: tuple[str, ...] = ()
    # What the protocol leaves out, in words.
    excluded: str = ""
    # What is doubtful but stays, in words.
    kept: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.problems and (self.expected is None or self.found >= self.expected)

    def __str__(self) -> str:
        known = f"{self.found:,} samples"
        if self.expected is not None:
            known = f"{self.found:,} of {self.expected:,} samples"
            known += f", {self.expected - self.found:,} missing" if self.found < self.expected else ""
        lines = [f"{self.name}: {known}", *(f"  {problem}" for problem in self.problems)]
        lines += [f"  left out by the protocol: {self.excluded}"] if self.excluded else []
        return "\n".join([*lines, f"  kept: {self.kept}"] if self.kept else lines)


def take_inventory(path: Path) -> list[Part]:
    """The parts of the published data set that a path holds."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a data set, got no such file or folder; check the path")
    parts = [*_modelnet10(path), *_symsol(path), *_pascal3d(path)]
    single = published_splits(path).get("")
    if not parts and single is not None:
        parts = [_count(path.name, single)]
    if not parts:
        raise ValueError(
            f"{path}: expected ModelNet10-SO(3), SYMSOL, PASCAL3D+, RenderForCNN, SPEED+ or SPEED, got none of "
            "their files; see docs/data.md for the trees"
        )
    return parts


def _count(
    name: str, opener: Callable[[], object], expected: int | None = None, problems: tuple[str, ...] = ()
) -> Part:
    """A part, opened to be counted; what keeps it from opening is a problem of it."""
    try:
        with warnings.catch_warnings():
            # The problems say the same.
            warnings.simplefilter("ignore")
            reader = opener()
    except (ValueError, OSError) as error:
        return Part(name, 0, expected, (*problems, str(error)))
    assert isinstance(reader, _Counted)
    excluded = str(reader.excluded) if isinstance(reader, Pascal3d) else ""
    return Part(
        name, len(reader), expected, (*problems, *([str(reader.faults)] if len(reader.faults) else [])), excluded
    )


def _modelnet10(path: Path) -> list[Part]:
    found = modelnet10_parts(path) if path.is_dir() else {}
    if not found:
        return []
    form = 1 if next(iter(found.values())).suffix == ".npz" else 0
    openers = published_splits(path)
    return [
        _count(split, openers[split], _MODELNET10_VIEWS[split])
        if split in found
        else Part(split, 0, _MODELNET10_VIEWS[split], (f"no {files[form]}",))
        for split, files in PARTS.items()
    ]


def _symsol(path: Path) -> list[Part]:
    tree = symsol_tree(path)
    if tree is None:
        return []

    def opener(part: str, shape: str) -> Callable[[], object]:
        return lambda: Symsol(path, part, (shape,))

    parts = []
    for part, views in _SYMSOL_VIEWS.items():
        if part in symsol_parts(tree):
            parts += [_count(f"{part} {shape}", opener(part, shape), views) for shape in SHAPES]
        else:
            parts.append(Part(part, 0, views * len(SHAPES), (f"no {part}/rotations.npz",)))
    return parts


def _pascal3d(path: Path) -> list[Part]:
    if not path.is_dir():
        return []
    root, parts = pascal3d_folder(path), []
    if root is not None:
        lacking = _absent_folders(root, ("pascal", "imagenet"))
        parts.append(_count("train", lambda: Pascal3d(root, "train"), problems=lacking))
        # The test split is VOC's part alone.
        parts.append(_count("test", lambda: Pascal3d(root, "test"), problems=_absent_folders(root, ("pascal",))))
    synthetic = path if any((path / synset).is_dir() for synset in SYNSETS) else path / FOLDER
    if synthetic.is_dir():
        lacking = tuple(f"no {synset}" for synset in SYNSETS if not (synthetic / synset).is_dir())
        parts.append(_count("synthetic", lambda: RenderForCnn(synthetic), problems=lacking))
    return parts


def _absent_folders(root: Path, parts: tuple[str, ...]) -> tuple[str, ...]:
    """In words: the categories of PASCAL3D+ of which nothing is there, and single folders of the others."""
    names = {
        category: [f"{kind}/{category}_{part}" for part in parts for kind in ("Annotations", "Images")]
        for category in PASCAL_CATEGORIES
    }
    absent = {category: [name for name in names[category] if not (root / name).is_dir()] for category in names}
    whole = [category for category in names if absent[category] == names[category]]
    told = [f"nothing of {len(whole)} categories: {', '.join(whole)}"] if whole else []
    return (*told, *(f"no {name}" for category in names if category not in whole for name in absent[category]))
