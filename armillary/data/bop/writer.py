"""The engine of `armillary render`: random views of shapes, written as a BOP dataset.

    folder/
      models/                    obj_000001.ply (mm, vertex colours), models_info.json, render.json
      train/                     the split
        render.json              the settings: another command on the same folder is refused
        000001/                  one scene per shape, in the order given
          scene_gt.json, scene_camera.json, scene_gt_info.json
          rgb/000000.png         uint8
          mask/000000_000000.png, mask_visib/000000_000000.png    0 or 255
          depth/000000.png       uint16, times depth_scale millimetres, 0 where empty
          normals/000000.png     uint8, 255 (n + 1) / 2 in the camera frame, 0 where empty; on request

View i is a pure function of the settings, each file is written whole or not at all, and scene files list a view only
when its pictures exist. So the same command after an interruption makes exactly what is missing.
"""

import dataclasses
import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from armillary.data.atomic import remove_temporaries, write_atomically
from armillary.data.bop.model import MM_PER_METRE, write_models
from armillary.data.record import read_json, write_json
from armillary.data.rendering.renderer import Backend, Frames, Renderer
from armillary.data.rendering.scene import BLOCK, SceneSettings, ViewBlock, draw_block, render_block
from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.shape import Shape

# Scene files are rewritten this often (seconds) while views are added; views since then are rendered again on resuming.
_SAVE_INTERVAL = 5.0
_SCENE_FILES = ("scene_gt", "scene_camera", "scene_gt_info")


def write_bop(
    folder: Path,
    shapes: Sequence[Shape],
    views_per_shape: int,
    settings: SceneSettings | None = None,
    split: str = "train",
    normals: bool = False,
    backend: Backend = "auto",
    threads: int = 2,
    progress: bool = True,
) -> Path:
    """Render views of shapes into a BOP dataset, or what is missing of it; returns the split's folder.

    Args:
        folder: of the dataset; several splits with the same shapes may share it.
        shapes: object ids 1, 2, ... in this order; shapes of one name are one category.
        views_per_shape: pictures of each.
        settings: how they are photographed; take another seed for another split.
        split: name of the split's folder.
        normals: write normal maps too.
        backend: of the renderer; not part of the settings.
        threads: that encode pictures.
        progress: show a bar.
    """
    settings = settings or SceneSettings()
    if not shapes or views_per_shape < 1:
        raise ValueError(
            f"expected shapes and views, got {len(shapes)} shapes and {views_per_shape} views; ask for one"
        )
    prints = [f"{shape.name} {_fingerprint(shape.mesh)}" for shape in shapes]
    _claim(folder / "models", {"shapes": prints})
    wanted = {"views": views_per_shape, "normals": normals, "shapes": prints, **dataclasses.asdict(settings)}
    _claim(folder / split, wanted)
    write_models(folder / "models", shapes)
    renderer = Renderer(size=settings.size, backend=backend)
    bar = tqdm(total=len(shapes) * views_per_shape, desc="rendering", unit="image", disable=not progress)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for number, shape in enumerate(shapes):
                scene = _Scene(folder / split / f"{number + 1:06d}", number, shape, settings, views_per_shape, normals)
                scene.complete(renderer, pool, bar.update)
    finally:
        bar.close()
        renderer.close()
    return folder / split


@dataclasses.dataclass(frozen=True)
class _Writing:
    """A block whose pictures are being written."""

    views: ViewBlock
    frames: Frames
    first: int
    count: int
    jobs: list[Future]


class _Scene:
    """One shape's scene folder and the annotations of its finished views."""

    def __init__(
        self, folder: Path, number: int, shape: Shape, settings: SceneSettings, views: int, normals: bool
    ) -> None:
        self.folder, self.number, self.mesh = folder, number, shape.mesh
        self.settings, self.views = settings, views
        self.kinds = ("rgb", "mask", "mask_visib", "depth") + (("normals",) if normals else ())
        self.centre, self.radius = shape.mesh.bounding_sphere()
        self.depth_scale = _depth_scale(self.radius, settings)
        self.annotations: dict[str, dict[str, object]] = {name: {} for name in _SCENE_FILES}

    def complete(self, renderer: Renderer, pool: ThreadPoolExecutor, report: Callable[[int], object]) -> None:
        """Render every block of which a view is missing; one block is encoded while the next is rendered."""
        for kind in self.kinds:
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
            remove_temporaries(self.folder / kind)
        remove_temporaries(self.folder)
        done = self._load()
        saved = time.monotonic()
        writing: _Writing | None = None
        try:
            for block in range(math.ceil(self.views / BLOCK)):
                first, count = block * BLOCK, min(BLOCK, self.views - block * BLOCK)
                if done.issuperset(range(first, first + count)):
                    report(count)
                    continue
                following = self._start_block(renderer, pool, block, first, count)
                if writing is not None:
                    self._finish_block(writing, report)
                writing = following
                if time.monotonic() - saved > _SAVE_INTERVAL:
                    self._save()
                    saved = time.monotonic()
            if writing is not None:
                self._finish_block(writing, report)
        finally:
            # Also when interrupted: what is finished need not be rendered again.
            self._save()

    def _load(self) -> set[int]:
        """The finished views: annotated in all three files, every picture present."""
        records = []
        for name in _SCENE_FILES:
            file = self.folder / f"{name}.json"
            records.append(read_json(file, "delete the file and repeat the command") if file.is_file() else {})
        annotated = set(records[0]).intersection(*records[1:])
        for kind in self.kinds:
            suffix = "_000000.png" if kind.startswith("mask") else ".png"
            present = {path.name for path in (self.folder / kind).iterdir()}
            annotated = {key for key in annotated if f"{int(key):06d}{suffix}" in present}
        for name, record in zip(_SCENE_FILES, records, strict=True):
            self.annotations[name] = {key: record[key] for key in annotated}
        return {int(key) for key in annotated}

    def _save(self) -> None:
        for name, record in self.annotations.items():
            ordered = {key: record[key] for key in sorted(record, key=int)}
            write_atomically(self.folder / f"{name}.json", json.dumps(ordered).encode())

    def _start_block(
        self, renderer: Renderer, pool: ThreadPoolExecutor, block: int, first: int, count: int
    ) -> "_Writing":
        views = draw_block(self.centre, self.radius, self.settings, self.number, block)
        frames = render_block(renderer, self.mesh, views, self.settings, count)
        pictures = _pictures(frames, self.depth_scale, self.kinds)
        jobs = []
        for offset in range(count):
            stem = f"{first + offset:06d}"
            for kind, array in pictures.items():
                files = [self.folder / kind / f"{stem}.png"]
                if kind == "mask":
                    files = [self.folder / name / f"{stem}_000000.png" for name in ("mask", "mask_visib")]
                jobs.append(pool.submit(_write_png, files, array[offset]))
        return _Writing(views, frames, first, count, jobs)

    def _finish_block(self, writing: "_Writing", report: Callable[[int], object]) -> None:
        try:
            for job in writing.jobs:
                job.result()
        finally:
            for job in writing.jobs:
                job.cancel()
        self._annotate(writing.views, writing.frames, writing.first, writing.count)
        report(writing.count)

    def _annotate(self, views: ViewBlock, frames: Frames, first: int, count: int) -> None:
        intrinsics = self.settings.intrinsics().double().flatten().tolist()
        for offset in range(count):
            key = str(first + offset)
            self.annotations["scene_gt"][key] = [
                {
                    "cam_R_m2c": views.rotations[offset].double().flatten().tolist(),
                    "cam_t_m2c": (views.translations[offset].double() * MM_PER_METRE).tolist(),
                    "obj_id": self.number + 1,
                }
            ]
            self.annotations["scene_camera"][key] = {"cam_K": intrinsics, "depth_scale": self.depth_scale}
            self.annotations["scene_gt_info"][key] = [_mask_info(frames.mask[offset].cpu().numpy())]


def _pictures(frames: Frames, depth_scale: float, kinds: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What the files hold, by kind; "mask" stands for both masks, which are the same without occlusion."""
    depth = (frames.depth * (MM_PER_METRE / depth_scale)).round().clamp(0, 65535)
    pictures = {
        "rgb": frames.rgb.cpu().numpy(),
        "mask": frames.mask.cpu().numpy().astype(np.uint8) * 255,
        "depth": depth.cpu().numpy().astype(np.uint16),
    }
    if "normals" in kinds:
        normals = ((frames.normals + 1) * 127.5).round() * frames.mask[..., None]
        pictures["normals"] = normals.cpu().numpy().astype(np.uint8)
    return pictures


def _mask_info(mask: np.ndarray) -> dict[str, object]:
    """What BOP's scene_gt_info.json holds; nothing occludes the object, so all of it is visible."""
    count = int(mask.sum())
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [-1, -1, -1, -1]
    if count:
        box = [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
    return {
        "bbox_obj": box,
        "bbox_visib": box,
        "px_count_all": count,
        "px_count_valid": count,
        "px_count_visib": count,
        "visib_fract": 1.0 if count else 0.0,
    }


def _write_png(files: list[Path], array: np.ndarray) -> None:
    import PIL.Image

    content = io.BytesIO()
    # Level 1 is twice as fast as the default and within a few per cent of its size on rendered pictures.
    PIL.Image.fromarray(array).save(content, "PNG", compress_level=1)
    for file in files:
        write_atomically(file, content.getvalue())


def _depth_scale(radius: float, settings: SceneSettings) -> float:
    """Millimetres per unit of a depth map: 0.1, or more where the farthest point would not fit 16 bits."""
    tangent = settings.fill / (1 + settings.fill_jitter) * math.tan(math.radians(settings.fov_deg) / 2)
    farthest = (radius * math.sqrt(1 + tangent**-2) + radius) * MM_PER_METRE
    return max(0.1, farthest / 65000)


def _claim(folder: Path, settings: dict[str, object]) -> None:
    """Record the settings a folder is made with; refuse a folder made with others."""
    file = folder / "render.json"
    if not file.is_file():
        remove_temporaries(folder)
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(
                f"{folder}: expected an empty folder or one that this command began, got other files; "
                "choose another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, settings)
        return
    # A setting that was not there yet had the value that is now its default.
    before = {**dataclasses.asdict(SceneSettings()), **read_json(file, "choose another folder")}
    # Through JSON, so that tuples compare equal to lists.
    for key, value in json.loads(json.dumps(settings)).items():
        earlier = json.loads(json.dumps(before.get(key)))
        if earlier != value:
            old, new = _first_difference(earlier, value)
            raise ValueError(
                f"{folder}: expected {key} {old} as when it was begun, got {new}; "
                "repeat that command or choose another folder"
            )


def _first_difference(before: object, now: object) -> tuple[object, object]:
    """Of two lists the first entries that differ (or their lengths), else the two values themselves."""
    if isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            return f"({len(before)} of them)", f"{len(now)}"
        return next((old, new) for old, new in zip(before, now, strict=True) if old != new)
    return before, now


def _fingerprint(mesh: Mesh) -> str:
    digest = hashlib.sha256()
    for tensor in (mesh.vertices, mesh.faces, mesh.vertex_colours):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
