"""Which reader a path of pictures with normals takes, and which parts it has."""

from pathlib import Path

from armillary.data.normals.normal_folder import IMAGE, NormalFolder, folder_splits
from armillary.data.normals.normal_npz import NormalNpz
from armillary.data.normals.sample import NormalReader
from armillary.data.normals.surface_normal_database import SurfaceNormalDatabase, database_splits

# In this order a part is chosen that nobody named: to train on, and to measure on.
TRAINING, HELD_OUT = ("train",), ("test", "val")
REMEDY = "name a folder of `armillary normals render`, an npz file, nyu_v2 or pbrs"


def normal_splits(path: Path) -> tuple[str, ...]:
    """The parts of a data set; none where it is one.

    Example:
        >>> normal_splits(Path("no/such/folder"))
        ()
    """
    if not path.is_dir():
        return ()
    return database_splits(path) or folder_splits(path) or tuple(sorted(file.stem for file in path.glob("*.npz")))


def open_normals(path: Path, split: str | None = None, prefer: tuple[str, ...] = TRAINING) -> NormalReader:
    """The reader of a data set's part.

    Args:
        path: rendered rooms, an npz file or a folder of them, nyu_v2, pbrs.
        split: the part; by default the first of `prefer` that there is.
        prefer: see there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected pictures with normals, got no such file or folder; check the path")
    splits = normal_splits(path)
    if split is not None and split not in splits:
        raise ValueError(f"{path}: expected a part among {', '.join(splits) or 'none'}, got '{split}'; choose one")
    if not splits:
        return _open_one(path)
    chosen = split or next((name for name in prefer if name in splits), None)
    if chosen is None:
        raise ValueError(f"{path}: expected a part {' or '.join(prefer)}, got {', '.join(splits)}; name one by --split")
    if database_splits(path):
        return SurfaceNormalDatabase(path, chosen)
    return _open_one(path / chosen if (path / chosen).is_dir() else path / f"{chosen}.npz")


def _open_one(path: Path) -> NormalReader:
    if path.is_file() and path.suffix == ".npz":
        return NormalNpz(path)
    if (path / IMAGE).is_dir():
        return NormalFolder(path)
    raise ValueError(f"{path}: expected pictures with normals, got another file or folder; {REMEDY}")
