"""Normals in one npz file, or in a folder of ``train.npz``, ``val.npz``, ``test.npz``.

frames.npz
  image   (pictures, height, width, 3) uint8
  normal  (pictures, height, width, 3) floats (x, z, y up), which is (n_x, n_z, -n_y) of OpenCV's; 0 where not known
  mask    (pictures, height, width)    not zero where the normal is known                             optional
  name    (pictures,)                  text                                                           optional
"""

from pathlib import Path

import numpy as np
import torch

from armillary.data.normals.encoding import camera_order
from armillary.data.normals.sample import NormalReader, NormalSample, checked_sample
from armillary.data.record import read_npz


class NormalNpz(NormalReader):
    """The pictures of one npz file; other arrays in it, such as depth, are left alone.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        arrays = read_npz(path, ("image", "normal"), "store image and normal", leave=("depth",))
        image, normal = arrays["image"], arrays["normal"]
        if image.dtype != np.uint8 or image.ndim != 4 or image.shape[-1] != 3:
            raise ValueError(
                f"{path}: expected pictures (pictures, height, width, 3) uint8, got {image.shape} {image.dtype}; "
                "convert them"
            )
        if normal.shape != image.shape or normal.dtype.kind != "f":
            raise ValueError(
                f"{path}: expected normals {image.shape} of floats as the pictures, got {normal.shape} {normal.dtype}; "
                "store all at one size"
            )
        self.images, self.normals = image, normal
        self.masks = arrays.get("mask")
        if self.masks is not None and self.masks.shape != image.shape[:3]:
            raise ValueError(f"{path}: expected masks {image.shape[:3]}, got {self.masks.shape}; store all at one size")
        names = arrays.get("name", np.arange(len(image)))
        self.names = tuple(str(name) for name in names)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> NormalSample:
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 255
        stored = torch.from_numpy(self.normals[index].astype(np.float32)).permute(2, 0, 1)
        # NaN counts as known, so that it is refused.
        mask = ~(stored == 0).all(0) if self.masks is None else torch.from_numpy(self.masks[index] != 0)
        return checked_sample(image, camera_order(stored), mask, self.names[index], self.source)
