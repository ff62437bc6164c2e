"""One door to all formats: `open_dataset` looks at what a path holds and takes the reader that fits.

photos.npz                       posed photographs (photos/posed_npz.py)
transforms.json, or its folder   NeRF (photos/nerf.py); transforms_train.json, transforms_test.json are splits
folder with cameras.txt          COLMAP text, also in sparse/ or sparse/0/ (photos/colmap.py)
poses.csv, or its folder         table of files and quaternions (photos/pose_csv.py)
ModelNet10-SO(3), SYMSOL, PASCAL3D+   as published (published/)
SPEED+, SPEED                    as published, or one domain's folder (spacecraft/)
folder of scenes 000001, ...     one split of a BOP dataset (bop/reader.py); a folder of such folders is the dataset
folder with train/, test/, ...   splits, each any of the above

Where a mesh model.ply (.obj, .stl, ...) lies beside photos.npz, poses.csv or transforms.json, or in COLMAP's folder, in
the units and frame of the poses, rotations that fit the pictures in another convention alone are refused.
"""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from armillary.data.bop.reader import BopReader, bop_scenes
from armillary.data.photos import PosedNpzReader, colmap_model_folder, read_colmap, read_nerf, read_pose_csv
from armillary.data.published import OnFault, published_splits
from armillary.data.reprojection import require_reprojection
from armillary.data.sample import Reader
from armillary.data.shapes.mesh_file import SUFFIXES, load_mesh
from armillary.data.spacecraft import spacecraft_splits

_FORMATS = (
    "a BOP split (000001/scene_gt.json), transforms.json (NeRF), cameras.txt and images.txt (COLMAP), "
    "a .csv of files and quaternions, an .npz with image and R, or ModelNet10-SO(3), SYMSOL, PASCAL3D+, "
    "SPEED+ or SPEED as published"
)


def open_dataset(path_or_name: str | Path, split: str | None = None, on_fault: OnFault = "skip") -> Reader:
    """The reader for what a file or folder holds.

    Args:
        path_or_name: of a file or folder.
        split: needed if and only if the data set has several.
        on_fault: what to do about faulty samples of a published data set: leave them out with one note that counts and
            names them, or refuse it.

    Example:
        >>> open_dataset("no/such/folder")
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such/folder: expected a data set, got no such file or folder; check the path
    """
    path = Path(path_or_name)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a data set, got no such file or folder; {_nearest(path)}")
    splits = _splits(path, on_fault)
    if split is None and len(splits) == 1:
        split = next(iter(splits))
    if not splits:
        if split is not None:
            raise ValueError(f"{path}: expected splits, got a data set without any; leave the split '{split}' out")
        return _opener(path, on_fault)()
    if split is None:
        raise ValueError(f"{path}: expected one split, got {', '.join(splits)}; name one of them")
    if split not in splits:
        close = get_close_matches(split, splits, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "name one of them"
        raise ValueError(f"{path}: expected a split among {', '.join(splits)}, got '{split}'; {hint}")
    return splits[split]()


def dataset_splits(path: str | Path) -> tuple[str, ...]:
    """The names of a data set's splits, empty if it has none.

    Example:
        >>> dataset_splits("no/such/folder")
        ()
    """
    return tuple(_splits(Path(path), "skip"))


def _splits(path: Path, on_fault: OnFault) -> dict[str, Callable[[], Reader]]:
    """What opens each split; empty for a path that is one split itself."""
    published = published_splits(path, on_fault) or spacecraft_splits(path, on_fault)
    if published:
        return {} if "" in published else published
    if not path.is_dir() or _recognised(path):
        return {}
    nerf = {
        file.stem.removeprefix("transforms_"): _opener(file, on_fault)
        for file in sorted(path.glob("transforms_*.json"))
    }
    children = (child for child in sorted(path.iterdir()) if child.is_dir() and _recognised(child))
    return nerf or {child.name: _opener(child, on_fault) for child in children}


def _opener(path: Path, on_fault: OnFault) -> Callable[[], Reader]:
    """What opens a path that is one split."""
    return lambda: _open_single(path, on_fault)


def _recognised(path: Path) -> bool:
    """Whether a folder is itself one split of some format."""
    return bool(
        "" in published_splits(path)
        or bop_scenes(path)
        or (path / "transforms.json").is_file()
        or colmap_model_folder(path)
        or len(list(path.glob("*.csv"))) == 1
        or len(list(path.glob("*.npz"))) == 1
    )


def _open_single(path: Path, on_fault: OnFault) -> Reader:
    published = published_splits(path, on_fault)
    if "" in published:
        return published[""]()
    if path.is_dir():
        if bop_scenes(path):
            return BopReader(path)
        if (path / "transforms.json").is_file():
            return _open_single(path / "transforms.json", on_fault)
        if colmap_model_folder(path):
            return _checked(read_colmap(path), path)
        files = [*path.glob("*.csv"), *path.glob("*.npz")]
        if len(files) == 1:
            return _open_single(files[0], on_fault)
        found = ", ".join(sorted(child.name for child in path.iterdir())[:8]) or "an empty folder"
        raise ValueError(f"{path}: expected {_FORMATS}, got {found}; see docs/data.md for the layouts")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _checked(PosedNpzReader(path), path.parent)
    if suffix == ".json":
        return _checked(read_nerf(path), path.parent)
    if suffix == ".csv":
        return _checked(read_pose_csv(path), path.parent)
    raise ValueError(f"{path}: expected {_FORMATS}, got a '{suffix}' file; unpack or convert it, or name its folder")


def _checked(reader: Reader, folder: Path) -> Reader:
    """The reader, its poses held against the pictures where the folder has the object's mesh."""
    mesh = next((file for file in (folder / f"model{suffix}" for suffix in SUFFIXES) if file.is_file()), None)
    if mesh is not None:
        require_reprojection(reader, load_mesh(mesh).vertices, f"{folder}: by {mesh.name}")
    return reader


def _nearest(path: Path) -> str:
    """A hint at a name close to the one asked for, if the folder exists."""
    if not path.parent.is_dir():
        return "check the path"
    close = get_close_matches(path.name, [child.name for child in path.parent.iterdir()], n=1)
    return f"did you mean '{path.parent / close[0]}'?" if close else "check the path"
