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

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from armillary.data.bop.model import MM_PER_METRE, read_models
from armillary.data.picture import picture_files, read_mask, read_picture
from armillary.data.record import read_json
from armillary.data.sample import Reader, Sample, valid_intrinsics, valid_rotations, valid_translations

# Less of an object than this is no fair picture of its rotation (BOP's own limit for test targets is also 0.1).
MIN_VISIBLE = 0.1


@dataclass(frozen=True)
class _Instance:
    """One visible object in one image."""

    name: str
    object_id: int
    picture: Path
    mask: Path | None
    # As in the files: row-major, millimetres, pixels.
    rotation: Float[np.ndarray, "9"]
    translation: Float[np.ndarray, "3"]
    intrinsics: Float[np.ndarray, "9"]

    @property
    def place(self) -> tuple[int, int, int]:
        """Numbers of scene, image and object."""
        scene, image = self.name.split("/")
        return int(scene), int(image.split("_")[0]), self.object_id


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
        matrices = np.stack([instance.rotation for instance in self._instances]).reshape(-1, 3, 3)
        self._rotations = valid_rotations(matrices, names, str(split_folder))
        translations = np.stack([instance.translation for instance in self._instances])
        self._translations = valid_translations(translations / MM_PER_METRE, names, str(split_folder))
        intrinsics = np.stack([instance.intrinsics for instance in self._instances]).reshape(-1, 3, 3)
        self._intrinsics = valid_intrinsics(intrinsics, names, str(split_folder))
        # Scene, image and object of each sample, as BOP's result files name them.
        self.places = torch.tensor([instance.place for instance in self._instances])
        object_ids = sorted({instance.object_id for instance in self._instances})
        self.info, self._category = read_models(split_folder, object_ids)

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


def _read_scene(scene: Path, min_visible: float) -> list[_Instance]:
    remedy = "repeat the same 'armillary render', or download the dataset again"
    poses = read_json(scene / "scene_gt.json", remedy)
    cameras = read_json(scene / "scene_camera.json", remedy)
    info_file = scene / "scene_gt_info.json"
    visibility = read_json(info_file, remedy) if info_file.is_file() else {}
    pictures = picture_files(scene / "rgb") or picture_files(scene / "gray")
    masks = picture_files(scene / "mask_visib") or picture_files(scene / "mask")
    instances = []
    for record, name in ((poses, "scene_gt"), (cameras, "scene_camera"), (visibility, "scene_gt_info")):
        _check_entries(record, dict if name == "scene_camera" else list, scene / f"{name}.json", remedy)
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
            name = f"{scene.name}/{stem}_{number:06d}"
            if not isinstance(pose.get("obj_id"), int):
                raise ValueError(f"{scene}: image {image_id}: expected a number obj_id, got none; {remedy}")
            source = f"{scene}: image {image_id}"
            rotation = _numbers(pose, "cam_R_m2c", 9, source)
            translation = _numbers(pose, "cam_t_m2c", 3, source)
            intrinsics = _numbers(cameras[image_id], "cam_K", 9, source)
            instances.append(_Instance(name, pose["obj_id"], pictures[stem], mask, rotation, translation, intrinsics))
    return instances


def _check_entries(record: dict, kind: type, file: Path, remedy: str) -> None:
    """Refuse a scene file that is not image number to an object, or to a list of objects."""
    for image_id, entry in record.items():
        inside = entry if isinstance(entry, list) else [entry]
        if not image_id.isdigit() or not isinstance(entry, kind) or not all(isinstance(part, dict) for part in inside):
            raise ValueError(f"{file}: image {image_id}: expected what BOP has there, got {entry!r:.40}; {remedy}")


def _visible(entry: dict, min_visible: float) -> bool:
    return entry.get("px_count_visib", 1) > 0 and entry.get("visib_fract", 1.0) >= min_visible


def _numbers(entry: dict, key: str, count: int, source: str) -> Float[np.ndarray, "{count}"]:
    """What an entry holds under a key; whole numbers may stand without a point."""
    values = entry.get(key)
    if not isinstance(values, list) or len(values) != count or not all(isinstance(v, int | float) for v in values):
        got = "none" if values is None else f"{values!r:.60}"
        raise ValueError(f"{source}: expected {count} numbers {key}, got {got}; correct the file or download it again")
    return np.array(values, dtype=np.float64)
