"""ModelNet10-SO(3) as Spherical Regression publishes it.

    train_100V.Rawjpg.lmdb/
      data.mdb               view name -> bytes of a JPEG file, 224 x 224, grey
      lock.mdb               not needed
      viewID2quat.pkl        dict, pickled by Python 2: view name -> quaternion (4,), scalar first, either sign
      viewID2euler.pkl       not used: its convention is not documented
      keys.txt               not needed

A view is named ``bathtub_0107.v001``: category (which may hold a ``_``), model, view. Samples are in the order of
viewID2quat.pkl.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from armillary.data.published.fault import Faults, OnFault
from armillary.data.published.modelnet10 import POSES, category_of, modelnet10_info, sound_samples
from armillary.data.published.picture_database import PictureDatabase
from armillary.data.published.restricted_pickle import load_restricted
from armillary.data.sample import Reader, Sample
from armillary.so3 import quat_wxyz_to_matrix

# A quaternion further than this from unit length is damaged rather than rounded.
_LENGTH_TOLERANCE = 0.01


class Modelnet10Lmdb(Reader):
    """One LMDB folder of ModelNet10-SO(3), read lazily.

    Args:
        folder: holds data.mdb and viewID2quat.pkl.
        on_fault: leave out views without picture, rotation or known category with one note, or refuse the folder.
    """

    def __init__(self, folder: Path, on_fault: OnFault = "skip") -> None:
        self.folder = folder
        self._pictures = PictureDatabase(folder)
        names, quaternions = _read_poses(folder / POSES)
        self.faults = Faults(str(folder))
        present = self._pictures.names()
        kept = []
        for index, name in enumerate(names):
            if name in present:
                kept.append(index)
            else:
                self.faults.add("without a picture", name)
        for name in sorted(present.difference(names)):
            self.faults.add("without a pose", name)
        total = len({*names} | present)
        names, quaternions = [names[index] for index in kept], quaternions[kept]
        matrices = _matrices(quaternions)
        sound, self.rotations, self.categories = sound_samples(
            matrices, [category_of(name) for name in names], names, self.faults
        )
        self.faults.settle(on_fault, total)
        self.names = tuple(names[index] for index in sound.tolist())
        self.info = modelnet10_info(folder.resolve().name.removesuffix(".lmdb").removesuffix(".Rawjpg"))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        picture = self.picture(index)
        image = torch.from_numpy(picture).permute(2, 0, 1).float().div_(255)
        # Grey pictures hold their one channel once; the three are views of it.
        return Sample(
            image.expand(3, -1, -1),
            self.rotations[index],
            category=int(self.categories[index]),
            name=self.names[index],
        )

    def picture(self, index: int) -> UInt8[np.ndarray, "height width channels"]:
        """One picture as it is stored: one channel if grey."""
        import PIL.Image

        name = self.names[index]
        try:
            with PIL.Image.open(io.BytesIO(self._pictures[name])) as file:
                array = np.array(file if file.mode in ("L", "RGB") else file.convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            reason = " ".join(str(error).split())[:80] or type(error).__name__
            raise ValueError(
                f"{self.folder}: view {name}: expected a JPEG picture, got '{reason}'; download the data set again"
            ) from error
        return array if array.ndim == 3 else array[..., None]

    def pictures(self, indices: Sequence[int], threads: int = 2) -> UInt8[np.ndarray, "samples height width 1"]:
        """Many grey pictures of one size, decoded by threads: the fast way to read them all."""
        first = self._grey(indices[0])
        pictures = np.empty((len(indices), *first.shape), dtype=np.uint8)

        def fill(start: int) -> None:
            for place in range(start, len(indices), threads):
                picture = self._grey(indices[place])
                if picture.shape != first.shape:
                    name = self.names[indices[place]]
                    raise ValueError(
                        f"{self.folder}: view {name}: expected {first.shape[1]} x {first.shape[0]} "
                        f"pixels as the first, got {picture.shape[1]} x {picture.shape[0]}; read it as samples instead"
                    )
                pictures[place] = picture

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, range(threads)))
        return pictures

    def _grey(self, index: int) -> UInt8[np.ndarray, "height width 1"]:
        array = self.picture(index)
        if array.shape[2] == 3:
            if not (array == array[..., :1]).all():
                raise ValueError(
                    f"{self.folder}: view {self.names[index]}: expected a grey picture, got colours; "
                    "read it as samples instead"
                )
            array = array[..., :1]
        return array


def _read_poses(path: Path) -> tuple[list[str], Float[np.ndarray, "views 4"]]:
    """Names and quaternions; one of another length than four becomes NaN, to be counted with those without rotation."""
    poses = load_restricted(path)
    if not isinstance(poses, dict) or not poses:
        kind = "an empty one" if isinstance(poses, dict) else f"a {type(poses).__name__}"
        raise ValueError(f"{path}: expected a dict of views, got {kind}; download it again")
    names = [str(name) for name in poses]
    quaternions = np.full((len(names), 4), np.nan)
    for index, quaternion in enumerate(poses.values()):
        array = np.asarray(quaternion).reshape(-1)
        if array.shape == (4,) and array.dtype.kind in "fiu":
            quaternions[index] = array
    return names, quaternions


def _matrices(quaternions: Float[np.ndarray, "views 4"]) -> Float[np.ndarray, "views 3 3"]:
    """Rotation matrices; NaN where there is no quaternion of about unit length."""
    length = np.linalg.norm(quaternions, axis=-1)
    sound = np.abs(length - 1) < _LENGTH_TOLERANCE
    matrices = np.full((len(quaternions), 3, 3), np.nan)
    unit = torch.from_numpy(quaternions[sound] / length[sound, None])
    matrices[sound] = quat_wxyz_to_matrix(unit).numpy()
    return matrices
