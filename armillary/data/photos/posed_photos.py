"""Photographs of one object in files of their own, with poses from wherever: what every photo format is read into."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from armillary.data.picture import read_mask, read_picture
from armillary.data.sample import DatasetInfo, Reader, Sample, valid_intrinsics, valid_rotations, valid_translations


@dataclass(frozen=True)
class Photo:
    """One photograph and what its format says of it (float64, OpenCV axes, centre of the top-left pixel (0, 0))."""

    path: Path
    name: str
    # R_cam_obj (3, 3).
    rotation: np.ndarray
    # (3,), metres, or whatever unit the reconstruction has.
    translation: np.ndarray | None = None
    # (3, 3), pixels.
    intrinsics: np.ndarray | None = None
    mask_path: Path | None = None


class PosedPhotos(Reader):
    """Posed photographs of one object.

    Args:
        photos: in the order of the format's file.
        source: the file that listed them, for messages; its folder names the data set.
        category: name of the object; by default that of the folder.
    """

    def __init__(self, photos: Sequence[Photo], source: Path, category: str | None = None) -> None:
        if not photos:
            raise ValueError(f"{source}: expected at least one photograph, got none; add entries")
        missing = [photo.path for photo in photos if not photo.path.is_file()]
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise FileNotFoundError(
                f"{missing[0]}{others}: named in {source.name}, but no such file; restore or drop it"
            )
        self._photos = list(photos)
        self._rotations = valid_rotations(
            np.stack([photo.rotation for photo in photos]), [photo.name for photo in photos], str(source)
        )
        # Checked one by one: a photograph may lack what another has.
        for photo in photos:
            if photo.translation is not None:
                valid_translations(photo.translation[None], [photo.name], str(source))
            if photo.intrinsics is not None:
                valid_intrinsics(photo.intrinsics[None], [photo.name], str(source))
        name = category or source.resolve().parent.name
        self.info = DatasetInfo(name, (name,))

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self._photos[index]
        image, mask = read_picture(photo.path)
        if photo.mask_path is not None:
            mask = read_mask(photo.mask_path, (image.shape[1], image.shape[2]))
        return Sample(
            image,
            self._rotations[index],
            translation=None if photo.translation is None else torch.from_numpy(photo.translation).float(),
            intrinsics=None if photo.intrinsics is None else torch.from_numpy(photo.intrinsics).float(),
            mask=mask,
            name=photo.name,
        )


def pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Pinhole matrix (3, 3), pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)
