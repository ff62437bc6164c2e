"""Posed photographs in one npz file.

photos.npz
  image   (samples, height, width, 3) uint8
  R       (samples, 3, 3)             object (world) to camera, x_cam = R x + t, OpenCV axes
  t       (samples, 3)                metres                                   optional
  K       (samples, 3, 3) or (3, 3)   pixels, centre of the top-left at (0, 0) optional
  name    (samples,)                  text                                     optional
  mask    (samples, height, width)    not zero where the object is visible     optional
"""

from pathlib import Path

import numpy as np
import torch

from armillary.data.record import read_npz
from armillary.data.sample import DatasetInfo, Reader, Sample, valid_intrinsics, valid_rotations, valid_translations


class PosedNpzReader(Reader):
    """Photographs of one object with their rotations, in one npz file.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name) / "photos.npz"
        >>> np.savez(path, image=np.zeros((2, 8, 8, 3), np.uint8), R=np.stack([np.eye(3)] * 2))
        >>> PosedNpzReader(path)[1].name
        '000001'
        >>> folder.cleanup()
    """

    def __init__(self, path: Path) -> None:
        arrays = _read(path)
        count = len(arrays["image"])
        self._images = arrays["image"]
        names = arrays.get("name", np.array([f"{index:06d}" for index in range(count)]))
        self._names = [str(name) for name in names]
        self._rotations = valid_rotations(arrays["R"], self._names, str(path))
        self._translations, self._intrinsics = None, None
        if "t" in arrays:
            self._translations = valid_translations(arrays["t"], self._names, str(path))
        if "K" in arrays:
            intrinsics = np.broadcast_to(arrays["K"], (count, 3, 3))
            self._intrinsics = valid_intrinsics(intrinsics, self._names, str(path))
        self._masks = arrays.get("mask")
        self.info = DatasetInfo(path.stem, (path.stem,))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        return Sample(
            image=torch.from_numpy(self._images[index]).permute(2, 0, 1).float() / 255,
            rotation=self._rotations[index],
            translation=None if self._translations is None else self._translations[index],
            intrinsics=None if self._intrinsics is None else self._intrinsics[index],
            mask=None if self._masks is None else torch.from_numpy(self._masks[index] != 0),
            name=self._names[index],
        )


def _read(path: Path) -> dict[str, np.ndarray]:
    """The file's arrays, their shapes checked against the tree above."""
    arrays = read_npz(path, ("image", "R"), "write it again, as docs/data.md says")
    image = arrays["image"]
    if image.dtype != np.uint8 or image.ndim != 4 or image.shape[-1] != 3:
        raise ValueError(
            f"{path}: expected image as uint8 (samples, height, width, 3), got {image.dtype} {image.shape}; convert it"
        )
    count, height, width, _ = image.shape
    allowed = {
        "R": [(count, 3, 3)],
        "t": [(count, 3)],
        "K": [(count, 3, 3), (3, 3)],
        "name": [(count,)],
        "mask": [(count, height, width)],
    }
    for key, shapes in allowed.items():
        if key in arrays and arrays[key].shape not in shapes:
            raise ValueError(f"{path}: expected {key} of shape {shapes[0]}, got {arrays[key].shape}; correct the array")
    return arrays
