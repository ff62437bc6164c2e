"""BOP datasets, as `armillary render` writes them and as https://bop.felk.cvut.cz distributes them.

    dataset/
      models/                      or models_eval, models_cad; optional, or beside the split folder
        models_info.json           diameter, box and symmetries per object id (mm); ours also hold name and sphere
        obj_000001.ply
      train/                       a split: train, train_pbr, train_render, test, val, ...
        000001/                    a scene
          scene_gt.json            image id: list of {obj_id, cam_R_m2c (9, row-major), cam_t_m2c (mm)}
          scene_camera.json        image id: {cam_K (9), depth_scale}
          scene_gt_info.json       image id: list of {px_count_visib, visib_fract, ...}    optional
          rgb/000000.png           or .jpg, or gray/
          mask_visib/000000_000000.png   image id, index of the object in it               optional

One sample per visible object of each image. Millimetres become metres here.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.picture import picture_files, read_mask, read_picture
from armillary.data.sample import DatasetInfo, Reader, Sample, valid_rotations
from armillary.so3 import SymmetryGroup

_MM = 1e-3
# Less of an object than this is no fair picture of its rotation (BOP's own limit for test targets is also 0.1).
MIN_VISIBLE = 0.1


@dataclass(frozen=True)
class _Instance:
    """One visible object in one image."""

    name: str
    object_id: int
    picture: Path
    mask: Path | None
    rotation: list[float]
    translation: list[float]
    intrinsics: list[float]


class BopReader(Reader):
    """Objects of a BOP dataset's split.

    Args:
        split_folder: holds scenes.
        min_visible: leave out objects of which a smaller share is visible.
    """

    def __init__(self, split_folder: Path, min_visible: float = MIN_VISIBLE) -> None:
        scenes = bop_scenes(split_folder)
        if not scenes:
            raise FileNotFoundError(
                f"{split_folder}: expected scene folders with scene_gt.json (000001, ...), got none; "
                "name a split folder, or render one with 'armillary render'"
            )
        self._instances = [instance for scene in scenes for instance in _read_scene(scene, min_visible)]
        if not self._instances:
            raise ValueError(f"{split_folder}: expected visible objects, got none; lower min_visible ({min_visible})")
        names = [instance.name for instance in self._instances]
        matrices = _numbers([instance.rotation for instance in self._instances], 9, split_folder, "cam_R_m2c")
        self._rotations = valid_rotations(matrices.reshape(-1, 3, 3), names, str(split_folder))
        self._translations = _MM * _tensor([i.translation for i in self._instances], 3, split_folder, "cam_t_m2c")
        self._intrinsics = _tensor([i.intrinsics for i in self._instances], 9, split_folder, "cam_K").reshape(-1, 3, 3)
        object_ids = sorted({instance.object_id for instance in self._instances})
        self.info, self._category = _info(split_folder, object_ids)

    def __len__(self) -> int:
        return len(self._instances)

    def __getitem__(self, index: int) -> Sample:
        instance = self._instances[index]
        image, _ = read_picture(instance.picture)
        return Sample(
            image,
            self._rotations[index],
            self._translations[index],
            self._intrinsics[index],
            mask=None if instance.mask is None else read_mask(instance.mask, (image.shape[1], image.shape[2])),
            category=self._category[instance.object_id],
            name=instance.name,
        )


def bop_scenes(split_folder: Path) -> list[Path]:
    """The scene folders of a split, in order; empty if this is no split of a BOP dataset."""
    if not split_folder.is_dir():
        return []
    numbered = sorted(path for path in split_folder.iterdir() if path.is_dir() and path.name.isdigit())
    return [path for path in numbered if (path / "scene_gt.json").is_file() or (path / "scene_camera.json").is_file()]


def read_json(path: Path, remedy: str) -> dict:
    """A JSON object from a file."""
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a JSON file, got no such file; {remedy}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected JSON, got '{error}'; {remedy}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(record).__name__}; {remedy}")
    return record


def _read_scene(scene: Path, min_visible: float) -> list[_Instance]:
    remedy = "repeat the same 'armillary render', or download the dataset again"
    poses = read_json(scene / "scene_gt.json", remedy)
    cameras = read_json(scene / "scene_camera.json", remedy)
    info_file = scene / "scene_gt_info.json"
    visibility = read_json(info_file, remedy) if info_file.is_file() else {}
    pictures = picture_files(scene / "rgb") or picture_files(scene / "gray")
    masks = picture_files(scene / "mask_visib") or picture_files(scene / "mask")
    instances = []
    for image_id in sorted(poses, key=int):
        stem = f"{int(image_id):06d}"
        if stem not in pictures:
            raise FileNotFoundError(f"{scene / 'rgb' / stem}.png: expected a picture, got no such file; {remedy}")
        if image_id not in cameras:
            raise ValueError(f"{scene / 'scene_camera.json'}: expected image {image_id}, got no entry; {remedy}")
        seen = visibility.get(image_id, [])
        for number, pose in enumerate(poses[image_id]):
            if number < len(seen) and not _visible(seen[number], min_visible):
                continue
            mask = masks.get(f"{stem}_{number:06d}")
            if masks and mask is None:
                file = scene / "mask_visib" / f"{stem}_{number:06d}.png"
                raise FileNotFoundError(f"{file}: expected a mask, got no such file; {remedy}")
            try:
                instances.append(
                    _Instance(
                        f"{scene.name}/{stem}_{number:06d}",
                        int(pose["obj_id"]),
                        pictures[stem],
                        mask,
                        pose["cam_R_m2c"],
                        pose["cam_t_m2c"],
                        cameras[image_id]["cam_K"],
                    )
                )
            except KeyError as error:
                raise ValueError(f"{scene}: image {image_id}: expected an entry {error}, got none; {remedy}") from error
    return instances


def _visible(entry: dict, min_visible: float) -> bool:
    return entry.get("px_count_visib", 1) > 0 and entry.get("visib_fract", 1.0) >= min_visible


def _numbers(rows: list[list[float]], length: int, source: Path, key: str) -> np.ndarray:
    for row in rows:
        if len(row) != length:
            raise ValueError(f"{source}: expected {length} numbers in {key}, got {len(row)}; correct the file")
    return np.asarray(rows, dtype=np.float64)


def _tensor(rows: list[list[float]], length: int, source: Path, key: str) -> Float[Tensor, "instances length"]:
    return torch.from_numpy(_numbers(rows, length, source, key)).float()


def _info(split_folder: Path, object_ids: list[int]) -> tuple[DatasetInfo, dict[int, int]]:
    """The dataset's info and the category of each object id; objects of one name share a category."""
    places = [
        root / name for root in (split_folder.parent, split_folder) for name in ("models", "models_eval", "models_cad")
    ]
    file = next((place / "models_info.json" for place in places if (place / "models_info.json").is_file()), None)
    models = {} if file is None else read_json(file, "restore it from the dataset's models archive")
    missing = [object_id for object_id in object_ids if str(object_id) not in models]
    if file is not None and missing:
        raise ValueError(f"{file}: expected object {missing[0]} of {split_folder.name}, got no entry; restore the file")
    entries = {object_id: models.get(str(object_id), {}) for object_id in object_ids}
    named = {object_id: entry.get("name", f"obj_{object_id:06d}") for object_id, entry in entries.items()}
    categories = list(dict.fromkeys(named.values()))
    category = {object_id: categories.index(name) for object_id, name in named.items()}
    first = {category[object_id]: object_id for object_id in reversed(object_ids)}
    symmetries = tuple(SymmetryGroup.from_bop(entries[first[index]]) for index in range(len(categories)))
    name = split_folder.resolve().parent.name
    if file is None:
        return DatasetInfo(name, tuple(categories), symmetries), category
    largest: dict[int, tuple[list[float], float]] = {}
    for object_id in object_ids:
        sphere = _sphere(entries[object_id])
        index = category[object_id]
        if index not in largest or sphere[1] > largest[index][1]:
            largest[index] = sphere
    spheres = [largest[index] for index in range(len(categories))]
    centres = torch.tensor([centre for centre, _ in spheres]) * _MM
    radii = torch.tensor([radius for _, radius in spheres]) * _MM
    return DatasetInfo(name, tuple(categories), symmetries, centres, radii), category


def _sphere(entry: dict) -> tuple[list[float], float]:
    """A sphere around the object, mm: the one our writer states, else from box and diameter.

    A set of diameter D fits a ball of radius sqrt(3/8) D (Jung's theorem), a box a ball of half its diagonal.
    """
    if "sphere_radius" in entry:
        return entry["sphere_centre"], float(entry["sphere_radius"])
    low = np.array([entry[f"min_{axis}"] for axis in "xyz"])
    size = np.array([entry[f"size_{axis}"] for axis in "xyz"])
    radius = min(np.linalg.norm(size) / 2, np.sqrt(3 / 8) * entry["diameter"])
    return (low + size / 2).tolist(), float(radius)
