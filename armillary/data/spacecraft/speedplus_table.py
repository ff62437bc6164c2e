"""SPEED+ as the SPEED+ fork of Image2Sphere, and SPNv2, prepare it: small pictures and tables of labels.

    speedplus/
      camera.json                        of the pictures before they were stretched   optional: SPEED+'s own else
      synthetic/                         a domain
        labels/train.csv                 no header: file, q (4, scalar first), r (3, metres)
        labels/validation.csv            or SPNv2's: file, box (4), q, r, 12 points (24)
        images_768x512_RGB/img000001.jpg grey; the size is in the folder's name
      lightbox/
        labels/test.csv
        images_768x512_RGB/

The splits are those of speedplus.py; beside the lists as published they end in the size: `train-768x512`.
"""

import re
from pathlib import Path

from armillary.data.published import Faults, OnFault
from armillary.data.spacecraft.label import read_label_table
from armillary.data.spacecraft.photos import SpacecraftPhotos, find_spacecraft
from armillary.data.spacecraft.speedplus import find_camera, name_of

_FOLDER = re.compile(r"images_(\d+)x(\d+)_RGB")


def open_speedplus_table(
    domain: Path, part: str = "train", data_split: float = 1.0, straight: bool = True, on_fault: OnFault = "skip"
) -> SpacecraftPhotos:
    """One table of a domain; arguments as of `open_speedplus`."""
    file = domain / "labels" / f"{part}.csv"
    faults = Faults(str(file))
    labels, pictures = read_label_table(file, faults), small_pictures(domain)
    if pictures is None:
        raise FileNotFoundError(f"{domain}: expected a folder images_768x512_RGB, got none; prepare the pictures again")
    return SpacecraftPhotos(
        labels,
        pictures,
        find_camera(domain, needed=False),
        file,
        f"{name_of(domain, part)} {size_of(pictures)}",
        domain.resolve().name,
        None,
        find_spacecraft(domain.resolve().parent),
        faults,
        data_split,
        straight,
        on_fault,
    )


def small_pictures(domain: Path) -> Path | None:
    """The folder of a domain whose name says the size of its pictures, or None."""
    return next((path for path in sorted(domain.iterdir()) if path.is_dir() and _FOLDER.fullmatch(path.name)), None)


def size_of(pictures: Path) -> str:
    """The size in a folder's name.

    Example:
        >>> size_of(Path("synthetic/images_768x512_RGB"))
        '768x512'
    """
    match = _FOLDER.fullmatch(pictures.name)
    return f"{match[1]}x{match[2]}" if match else ""
