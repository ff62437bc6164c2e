"""ModelNet10-SO(3) as the original Image2Sphere converts it, and its miniature of PASCAL3D+.

    modelnet10_train.npz
      imgs      (samples, 224, 224, 1) uint8      or (samples, height, width, 3)
      rots      (samples, 3, 3) float32           the stored quaternions as matrices
      cat_ids   (samples,)                        number of the category, in alphabetical order
      names     (samples,)                        view names; ours alone, from `armillary data convert`

    mini_pascal.npz
      imgs      (samples, 224, 224, 3) uint8      crops of PASCAL3D+
      rots      (samples, 3, 3)                   object to camera, OpenCV axes
      clss      (samples, 1)                      number of the category, in alphabetical order

An array that is stored without compression is mapped, not read; the original compresses, so that its files are
read into memory (20 GB for 100 views): convert them once.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from armillary.data.published.fault import Faults, OnFault
from armillary.data.published.modelnet10 import CATEGORIES, modelnet10_info, sound_samples
from armillary.data.published.pascal3d_camera import PASCAL_CATEGORIES
from armillary.data.record import read_npz
from armillary.data.sample import DatasetInfo, Reader, Sample

_REMEDY = "convert the data set again"


class Modelnet10Npz(Reader):
    """Pictures, rotations and categories of one npz file.

    Args:
        path: of the file.
        on_fault: leave out samples without rotation or known category with one note, or refuse the file.
    """

    def __init__(self, path: Path, on_fault: OnFault = "skip") -> None:
        self.path = path
        arrays = read_npz(path, ("rots",), _REMEDY, leave=("imgs",))
        self._images = mapped_array(path, "imgs")
        if self._images.ndim != 4 or self._images.shape[-1] not in (1, 3) or self._images.dtype != np.uint8:
            raise ValueError(
                f"{path}: expected imgs as uint8 (samples, height, width, 1 or 3), got {self._images.dtype} "
                f"{self._images.shape}; {_REMEDY}"
            )
        key, categories = ("clss", PASCAL_CATEGORIES) if "clss" in arrays else ("cat_ids", CATEGORIES)
        if key not in arrays:
            raise ValueError(f"{path}: expected arrays imgs, rots, cat_ids, got no cat_ids; {_REMEDY}")
        self.faults = Faults(str(path))
        count = self._common_length({"rots": arrays["rots"], key: arrays[key]})
        numbers = arrays[key].reshape(len(arrays[key]), -1)[:count, 0].astype(np.int64)
        told = [categories[number] if 0 <= number < len(categories) else "" for number in numbers]
        names = [str(name) for name in arrays.get("names", ())][:count]
        if len(names) != count:
            names = [f"{category or 'unknown'}_{index:06d}" for index, category in enumerate(told)]
        self._rows, self.rotations, self.categories = sound_samples(
            arrays["rots"][:count], told, names, self.faults, categories
        )
        self.faults.settle(on_fault, max(len(self._images), len(arrays["rots"]), len(arrays[key])))
        self.names = tuple(names[index] for index in self._rows.tolist())
        zero = torch.zeros(len(categories))
        self.info = modelnet10_info(path.stem)
        if key == "clss":
            self.info = DatasetInfo(path.stem, categories, centres=zero[:, None].expand(-1, 3), radii=zero)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        image = torch.from_numpy(self.picture(index)).permute(2, 0, 1).float().div_(255)
        return Sample(
            image.expand(3, -1, -1), self.rotations[index], category=int(self.categories[index]), name=self.names[index]
        )

    def picture(self, index: int) -> UInt8[np.ndarray, "height width channels"]:
        """One picture as it is stored: one channel if grey."""
        return np.array(self._images[int(self._rows[index])])

    def _common_length(self, labels: dict[str, np.ndarray]) -> int:
        """The samples that have a picture and every label; the others are faults."""
        lengths = {"imgs": len(self._images), **{key: len(array) for key, array in labels.items()}}
        shortest = min(lengths.values())
        for index in range(shortest, max(lengths.values())):
            lacking = " and ".join(key for key, length in lengths.items() if length <= index)
            self.faults.add(f"without {lacking}", f"number {index}")
        return shortest


def mapped_array(path: Path, key: str) -> np.ndarray:
    """One array of an npz file: mapped where it is stored without compression, else read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(f"{key}.npy")
            if entry.compress_type != zipfile.ZIP_STORED:
                with archive.open(entry) as file:
                    return np.lib.format.read_array(file, allow_pickle=False)
        with path.open("rb") as file:
            # A local header has 30 bytes, of which the last four are the lengths of the name and the extra field.
            file.seek(entry.header_offset + 26)
            file.seek(sum(np.frombuffer(file.read(4), dtype="<u2").tolist()), 1)
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            order = "F" if fortran else "C"
            if dtype.hasobject:
                raise ValueError("objects")
            return np.memmap(path, dtype=dtype, mode="r", offset=file.tell(), shape=shape, order=order)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path}: expected an npz file with an array {key}, got a damaged or other file; {_REMEDY}"
        ) from error
