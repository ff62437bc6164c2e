"""PASCAL3D+ release 1.1: photographs of twelve categories, each with the camera of an aligned CAD model.

    PASCAL3D+_release1.1/                          or the folder that holds it
      Annotations/car_pascal/2008_000251.mat       pascal3d_annotation.py
      Annotations/car_imagenet/n02814533_10001.mat
      Images/car_pascal/2008_000251.jpg
      Images/car_imagenet/n02814533_10001.JPEG
      Image_sets/car_imagenet_train.txt            names, one a line
      Image_sets/car_imagenet_val.txt
      PASCAL/VOCdevkit/VOC2012/ImageSets/Main/car_train.txt     names and -1, 0 or 1
      PASCAL/VOCdevkit/VOC2012/ImageSets/Main/car_val.txt

Splits: `train` is VOC train, ImageNet train and ImageNet val; `test` is VOC val; the parts alone are `voc-train`,
`imagenet-train`, `imagenet-val`. The protocol takes the first object of each picture and leaves out those that are
occluded, truncated or difficult, that have only a coarse viewpoint (distance 0) or an empty box; another protocol is in
pascal3d_viewpoint.py. A sample is the whole photograph with its camera and box: the virtual camera then crops. Lengths
are in units of the CAD models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from tqdm import tqdm

from armillary.data.picture import read_picture
from armillary.data.published.fault import Faults, OnFault
from armillary.data.published.pascal3d_annotation import EXCLUSIONS, Annotation, Exclusion, read_annotations
from armillary.data.published.pascal3d_camera import (
    PASCAL_CATEGORIES,
    in_range,
    viewpoint_intrinsics,
    viewpoint_rotation,
)
from armillary.data.sample import DatasetInfo, Reader, Sample

# (Part, list of names): what each split is made of.
SPLITS: dict[str, tuple[tuple[str, str], ...]] = {
    "train": (("pascal", "train"), ("imagenet", "train"), ("imagenet", "val")),
    "test": (("pascal", "val"),),
    "voc-train": (("pascal", "train"),),
    "imagenet-train": (("imagenet", "train"),),
    "imagenet-val": (("imagenet", "val"),),
}
FOLDER = "PASCAL3D+_release1.1"
# Focal length in pixels where no camera is known: that of the others.
LONG_LENS = 3000.0
_SUFFIX = {"pascal": ".jpg", "imagenet": ".JPEG"}
_VOC_LISTS = Path("PASCAL", "VOCdevkit", "VOC2012", "ImageSets", "Main")


@dataclass(frozen=True)
class _Object:
    """One annotated object in one photograph."""

    name: str
    picture: Path
    annotation: Annotation


class Pascal3d(Reader):
    """Objects of one split.

    Args:
        folder: the release, or the folder that holds it.
        split: see above.
        exclude: leave objects with these flags out.
        objects: the first of each picture, as the protocol has it, or all of the category that its folder names.
        coarse: take objects of which only the seen side is annotated too, for untilted; their camera is not known, so
            that of a long lens aimed at the box stands for it.
        on_fault: leave out pictures without annotation, viewpoint or file with one note, or refuse the data set.
        progress: show a bar while the annotations are read.
    """

    def __init__(
        self,
        folder: Path,
        split: str = "train",
        exclude: Sequence[Exclusion] = EXCLUSIONS,
        objects: Literal["first", "all"] = "first",
        coarse: bool = False,
        on_fault: OnFault = "skip",
        progress: bool = True,
    ) -> None:
        root = pascal3d_folder(folder)
        if root is None:
            raise FileNotFoundError(f"{folder}: expected Annotations and Images of {FOLDER}, got none; unpack it")
        self.folder = root
        self.faults = Faults(f"{root} {split}")
        # What the protocol leaves out: no fault, but counted.
        self.excluded = Faults(f"{root} {split}")
        self._objects: list[_Object] = []
        listed = [entry for category in PASCAL_CATEGORIES for entry in self._listed(category, SPLITS[split])]
        for category, part, name in tqdm(
            listed, desc=f"reading {split}", unit="annotation", disable=not progress, delay=1
        ):
            self._read(category, part, name, exclude, objects, coarse)
        self.faults.settle(on_fault, len(self._objects) + len(self.faults) + len(self.excluded))
        angles = torch.tensor([_angles(entry.annotation) for entry in self._objects], dtype=torch.float64)
        azimuth, elevation, theta, distance = angles.reshape(-1, 4).unbind(-1)
        self.rotations = viewpoint_rotation(azimuth, elevation, theta).float()
        self.translations = torch.stack([torch.zeros_like(distance)] * 2 + [distance], -1).float()
        self.categories = torch.tensor(
            [PASCAL_CATEGORIES.index(entry.annotation.category) for entry in self._objects], dtype=torch.int64
        )
        self.names = tuple(entry.name for entry in self._objects)
        # A radius of 0 says that no bounding sphere is known, nor worth estimating: the boxes say where to look.
        zero = torch.zeros(len(PASCAL_CATEGORIES))
        self.info = DatasetInfo(f"PASCAL3D+ {split}", PASCAL_CATEGORIES, (), zero[:, None].expand(-1, 3), zero)

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index: int) -> Sample:
        entry = self._objects[index]
        view = entry.annotation.viewpoint
        image, _ = read_picture(entry.picture)
        left, top, right, bottom = entry.annotation.box
        camera = (LONG_LENS, (left + right) / 2, (top + bottom) / 2)
        if view is not None:
            camera = (view["focal"] * view["viewport"], view["px"], view["py"])
        return Sample(
            image,
            self.rotations[index],
            None if view is None else self.translations[index],
            viewpoint_intrinsics(*camera).float(),
            category=int(self.categories[index]),
            name=entry.name,
            box=torch.tensor(entry.annotation.box),
        )

    def _listed(self, category: str, parts: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
        """Category, part and name of each picture of the split's lists; nothing of a category that is not there."""
        found = []
        for part, subset in parts:
            files = [self.folder / kind / f"{category}_{part}" for kind in ("Images", "Annotations")]
            if not any(place.is_dir() for place in files):
                continue
            present = {path.stem for place in files if place.is_dir() for path in place.iterdir()}
            for name, flag in self._names(category, part, subset):
                # VOC lists every picture for every category; PASCAL3D+ has those that show it.
                if name in present or part == "imagenet":
                    found.append((category, part, name))
                elif flag != "-1":
                    self.excluded.add("not in PASCAL3D+", f"{category}_{part}/{name}")
        return found

    def _names(self, category: str, part: str, subset: str) -> list[tuple[str, str]]:
        """Names in a list, with VOC's flag."""
        voc = self.folder / _VOC_LISTS / f"{category}_{subset}.txt"
        path = voc if part == "pascal" else self.folder / "Image_sets" / f"{category}_imagenet_{subset}.txt"
        if not path.is_file():
            self.faults.add("missing list", path.name)
            return []
        words = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        return [(line[0], line[1] if len(line) > 1 else "") for line in words if line]

    def _read(
        self,
        category: str,
        part: str,
        name: str,
        exclude: Sequence[str],
        objects: Literal["first", "all"],
        coarse: bool,
    ) -> None:
        """Take the objects of one picture, or note why not."""
        full = f"{category}_{part}/{name}"
        picture = self.folder / "Images" / f"{category}_{part}" / f"{name}{_SUFFIX[part]}"
        file = self.folder / "Annotations" / f"{category}_{part}" / f"{name}.mat"
        if not picture.is_file():
            return self.faults.add("without a picture", full)
        if not file.is_file():
            return self.faults.add("without an annotation", full)
        try:
            annotations = read_annotations(file)
        except ValueError:
            return self.faults.add("with a damaged annotation", full)
        if objects == "first":
            chosen = [(full, annotation) for annotation in annotations[:1]]
        else:
            chosen = [(f"{full}#{n}", entry) for n, entry in enumerate(annotations) if entry.category == category]
        if not chosen:
            self.faults.add("without an object", full)
        for label, annotation in chosen:
            kind = _reason(annotation, exclude, coarse)
            if kind is None:
                self._objects.append(_Object(label, picture, annotation))
            else:
                (self.faults if kind in _FAULTS else self.excluded).add(kind, label)


_FAULTS = ("without a viewpoint", "of unknown category", "with angles out of range")


def _reason(annotation: Annotation, exclude: Sequence[str], coarse: bool) -> str | None:
    """Why an object is left out, or None."""
    if annotation.viewpoint is None and annotation.coarse is None:
        return "without a viewpoint"
    if annotation.category not in PASCAL_CATEGORIES:
        return "of unknown category"
    if annotation.viewpoint is None and not coarse:
        return "with a coarse viewpoint"
    if not in_range(*_angles(annotation)[:3]):
        return "with angles out of range"
    flagged = next((flag for flag in exclude if flag in annotation.flags), None)
    return flagged or ("with an empty box" if annotation.empty else None)


def _angles(annotation: Annotation) -> tuple[float, float, float, float]:
    """Azimuth, elevation, theta (degrees) and distance, 0 where it is not known."""
    view = annotation.viewpoint
    if view is not None:
        return view["azimuth"], view["elevation"], view["theta"], view["distance"]
    assert annotation.coarse is not None
    return *annotation.coarse, 0.0, 0.0


def pascal3d_folder(path: Path) -> Path | None:
    """Where the release lies: the folder itself or one below, or None."""
    for place in (path, path / FOLDER):
        if (place / "Annotations").is_dir() and (place / "Images").is_dir():
            return place
    return None
