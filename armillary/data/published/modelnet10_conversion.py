"""ModelNet10-SO(3) between its two forms: LMDB folders and npz files, a few pictures in memory at a time.

To npz, pictures are decoded and the quaternions become matrices; beside the original's arrays ours holds the view
names, which other readers ignore. To LMDB, pictures are encoded as JPEG (quality 95: grey levels move by less than one
on average) and matrices become quaternions; a file without names gets ``category_000123.v000``.
"""

import io
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from armillary.data.atomic import replacing, write_atomically
from armillary.data.published.fault import OnFault
from armillary.data.published.modelnet10 import CATEGORIES, POSES
from armillary.data.published.modelnet10_lmdb import Modelnet10Lmdb
from armillary.data.published.modelnet10_npz import Modelnet10Npz
from armillary.so3 import matrix_to_quat_wxyz

_CHUNK = 512
_JPEG_QUALITY = 95
# Bytes: of a JPEG file's headers and LMDB's pages, and of an empty database.
_ROOM_PER_PICTURE = 8 * 1024
_ROOM = 64 * 1024**2


Views = Modelnet10Lmdb | Modelnet10Npz


def convert_modelnet10(
    source: Path, target: Path, on_fault: OnFault = "skip", compress: bool = False, progress: bool = True
) -> int:
    """Write an LMDB folder as an npz file, or an npz file as an LMDB folder; returns the number of views.

    Args:
        source: the LMDB folder or npz file.
        target: ends in .npz, or else is the LMDB folder to make.
        on_fault: as the readers have it.
        compress: the npz file, as the original does: a third of the size, but it is then read whole.
        progress: show a bar.
    """
    if source.is_dir() == (target.suffix != ".npz"):
        kind = ("an LMDB folder", ".npz") if source.is_dir() else ("an npz file", ".lmdb")
        raise ValueError(f"{target}: {source} is {kind[0]}: expected a target that ends in {kind[1]}; name one")
    if target.exists():
        raise FileExistsError(
            f"{target}: expected a new file or folder, got one that exists; name another or remove it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    views = Modelnet10Lmdb(source, on_fault) if source.is_dir() else Modelnet10Npz(source, on_fault)
    if not views.names:
        raise ValueError(f"{source}: expected sound views, got none; download the data set again")
    if source.is_dir():
        write_npz(views, target, compress, progress)
    else:
        if views.info.categories != CATEGORIES:
            raise ValueError(f"{source}: expected the ten categories of ModelNet10, got PASCAL3D+; nothing to convert")
        write_lmdb(views, target, progress)
    return len(views.names)


def write_npz(views: Views, path: Path, compress: bool = False, progress: bool = True) -> None:
    """An npz file as the original Image2Sphere reads it."""
    first = views.picture(0)
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    labels = {
        "rots": views.rotations.numpy(),
        "cat_ids": views.categories.numpy(),
        "names": np.array(views.names),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", kind, allowZip64=True) as archive:
        with archive.open("imgs.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(views.names), *first.shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for index, picture in _pictures(views, path.name, progress):
                if picture.shape != first.shape:
                    raise ValueError(
                        f"{views.names[index]}: expected a picture of shape {first.shape} as the first, got "
                        f"{picture.shape}; an npz file holds pictures of one size"
                    )
                file.write(picture.tobytes())
        for key, array in labels.items():
            with archive.open(f"{key}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def write_lmdb(views: Views, folder: Path, progress: bool = True) -> None:
    """An LMDB folder as Spherical Regression reads it; without viewID2euler.pkl, whose convention is not documented."""
    import lmdb

    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        _write_lmdb(views, unfinished, folder.name, progress)
        unfinished.rename(folder)
    except lmdb.Error as error:
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{folder}: expected to write an LMDB environment, got '{reason}'; free some disk") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_lmdb(views: Views, folder: Path, name: str, progress: bool) -> None:
    import lmdb

    # LMDB wants to know how large its file may grow; it takes no room before it is written to.
    size = len(views.names) * (2 * views.picture(0).nbytes + _ROOM_PER_PICTURE) + _ROOM
    with lmdb.open(str(folder), map_size=size, sync=False, meminit=False) as environment:
        transaction = environment.begin(write=True)
        for index, picture in _pictures(views, name, progress):
            transaction.put(views.names[index].encode(), _jpeg(picture))
            if index % _CHUNK == _CHUNK - 1:
                transaction.commit()
                transaction = environment.begin(write=True)
        transaction.commit()
        environment.sync(True)
    quaternions = matrix_to_quat_wxyz(views.rotations.double()).numpy()
    poses = {name: quaternion.copy() for name, quaternion in zip(views.names, quaternions, strict=True)}
    # Protocol 2 is what Python 2 reads.
    write_atomically(folder / POSES, pickle.dumps(poses, 2))


def _pictures(views: Views, what: str, progress: bool) -> Iterator[tuple[int, UInt8[np.ndarray, "h w c"]]]:
    bar = tqdm(range(len(views.names)), desc=f"writing {what}", unit="image", disable=not progress, delay=1.0)
    return ((index, views.picture(index)) for index in bar)


def _jpeg(picture: UInt8[np.ndarray, "height width channels"]) -> bytes:
    import PIL.Image

    buffer = io.BytesIO()
    array = picture[..., 0] if picture.shape[-1] == 1 else picture
    PIL.Image.fromarray(array).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
