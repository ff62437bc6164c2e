"""Which published data set a path holds, and what opens each of its splits."""

from collections.abc import Callable
from pathlib import Path

from armillary.data.published.fault import OnFault
from armillary.data.published.modelnet10 import is_modelnet10_lmdb, is_modelnet10_npz, modelnet10_parts
from armillary.data.published.modelnet10_lmdb import Modelnet10Lmdb
from armillary.data.published.modelnet10_npz import Modelnet10Npz
from armillary.data.published.pascal3d import SPLITS, Pascal3d, pascal3d_folder
from armillary.data.published.pascal3d_viewpoint import PREFIX, viewpoint_splits
from armillary.data.published.render_for_cnn import FOLDER, SYNSETS, Mixture, RenderForCnn
from armillary.data.published.symsol import SHAPE_SETS, Symsol, symsol_parts, symsol_tree
from armillary.data.sample import Reader

Openers = dict[str, Callable[[], Reader]]


def published_splits(path: Path, on_fault: OnFault = "skip") -> Openers:
    """What opens each split of a published data set, and under the name "" a path that is one split itself.

    Empty if the path holds none that is known.

    Args:
        path: a file or folder.
        on_fault: what opening does about faulty samples: leave them out with one note, or refuse the data set.
    """
    for find in (_modelnet10, _symsol, _pascal3d):
        found = find(path, on_fault)
        if found:
            return found
    return {}


def _modelnet10(path: Path, on_fault: OnFault) -> Openers:
    def opener(part: Path) -> Callable[[], Reader]:
        return lambda: Modelnet10Lmdb(part, on_fault) if part.is_dir() else Modelnet10Npz(part, on_fault)

    if is_modelnet10_lmdb(path) or (path.suffix == ".npz" and is_modelnet10_npz(path)):
        return {"": opener(path)}
    return {split: opener(part) for split, part in modelnet10_parts(path).items()} if path.is_dir() else {}


def _symsol(path: Path, on_fault: OnFault) -> Openers:
    def opener(part: str, shapes: tuple[str, ...]) -> Callable[[], Reader]:
        return lambda: Symsol(path, part, shapes, on_fault=on_fault)

    tree = symsol_tree(path)
    if tree is None:
        return {}
    return {
        f"{prefix}{part}": opener(part, shapes)
        for prefix, shapes in SHAPE_SETS.items()
        for part in symsol_parts(tree)
        if not prefix or any(tree.has(f"{part}/images/{shape}_00000.png") for shape in shapes)
    }


def _pascal3d(path: Path, on_fault: OnFault) -> Openers:
    """PASCAL3D+ and, beside it or alone, RenderForCNN."""

    def opener(split: str) -> Callable[[], Reader]:
        return lambda: Pascal3d(path, split, on_fault=on_fault)

    if not path.is_dir():
        return {}
    found: Openers = {}
    if pascal3d_folder(path):
        found = {**{split: opener(split) for split in SPLITS}, **viewpoint_splits(path, on_fault)}
    if any((path / synset).is_dir() for synset in SYNSETS):
        return {"": lambda: RenderForCnn(path, on_fault)}
    synthetic = path / FOLDER
    if synthetic.is_dir():
        found["synthetic"] = lambda: RenderForCnn(synthetic, on_fault)
        for split in [name for name in ("train", f"{PREFIX}train") if name in found]:
            found[f"{split}-synthetic"] = _mixture(found[split], found["synthetic"])
    return found


def _mixture(real: Callable[[], Reader], synthetic: Callable[[], Reader]) -> Callable[[], Reader]:
    return lambda: Mixture(real(), synthetic())
