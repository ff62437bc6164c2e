"""A data set of the satellite, written as SPEED+ is published (speedplus.py); `armillary spacecraft render`.

    folder/
      render.json                      what it was rendered with: another command on the same folder is refused
      camera.json  model.ply           the mesh in metres, with colours
      synthetic/
        train.json  validation.json    labels, written when all their pictures are there
        images/img000001.jpg           train; validation is val000001.jpg
        masks/img000001.png            255 where the satellite is
      lightbox/  sunlamp/
        test.json  images/  masks/
      film/                            the same kind of domain, its frames in order, and frames.csv: file, time (s)

Block b of a part is a pure function of the settings, each file is written whole or not at all: the same command after
an interruption makes what is missing, and one that asks for more pictures adds to them.
"""

import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from armillary.data.atomic import remove_temporaries, replacing, write_atomically
from armillary.data.record import read_json, write_json
from armillary.data.rendering.renderer import Backend
from armillary.data.shapes.mesh import Mesh
from armillary.data.spacecraft.label import POSITION, QUATERNION
from armillary.data.spacecraft.scene import BLOCK, Poses, SatelliteSettings, draw_poses, stream
from armillary.data.spacecraft.studio import Exposures, SatelliteStudio
from armillary.so3 import matrix_to_quat_wxyz

RECORD = "render.json"


class Part(NamedTuple):
    """A list of a domain: `lightbox/test.json`, and how its pictures' names begin."""

    domain: str
    name: str
    prefix: str = "img"


PARTS = {
    "train": Part("synthetic", "train"),
    "validation": Part("synthetic", "validation", "val"),
    "lightbox": Part("lightbox", "test"),
    "sunlamp": Part("sunlamp", "test"),
}


def write_satellite(
    folder: Path,
    counts: Mapping[str, int],
    settings: SatelliteSettings,
    backend: Backend = "auto",
    threads: int = 1,
    progress: bool = True,
) -> Path:
    """Render so many pictures of each part, or what is missing of them; returns the folder.

    Args:
        folder: of the data set.
        counts: by part, of train, validation, lightbox and sunlamp; 0 leaves it out.
        settings: satellite, camera, poses, seed.
        backend: of the renderer; not part of the settings.
        threads: that encode pictures, beside the one that renders.
        progress: show a bar.
    """
    claim(folder, settings)
    total = sum(counts.values())
    with tqdm(total=total, desc="rendering", unit="image", disable=not progress) as bar:
        for name, count in counts.items():
            if count > 0:
                _write_part(folder, name, count, settings, backend, threads, bar.update)
    return folder


def write_film(
    folder: Path, poses: Poses, times: np.ndarray, domain: str, settings: SatelliteSettings, backend: Backend = "auto"
) -> Path:
    """Frames of a moving satellite in one light, before one camera; returns their folder, ``folder/film``.

    Args:
        folder: of the data set.
        poses: of the frames.
        times: of the frames, seconds.
        domain: whose light and camera.
        settings: satellite and camera.
        backend: of the renderer.
    """
    claim(folder, settings)
    part, count = Part("film", "test"), len(times)
    studio = SatelliteStudio(settings, domain, backend)
    target = _prepared(folder, part)
    try:
        with tqdm(total=count, desc="filming", unit="frame", delay=1.0) as bar:
            for start in range(0, count, BLOCK):
                few = Poses(*(each[start : start + BLOCK] for each in poses))
                # The same look for each block, and other noise.
                look, noise = stream(settings.seed, "film", 0, "look"), stream(settings.seed, "film", start, "noise")
                shots = studio.film(few, look, noise)
                for index in range(len(shots)):
                    _save(target, part, start + index, shots, index)
                bar.update(len(shots))
    finally:
        studio.close()
    _write_labels(target, part, [poses], count)
    rows = [f"images/{_stem(part, index)}.jpg,{time:.6g}\n" for index, time in enumerate(times.tolist())]
    write_atomically(target / "frames.csv", ("file,time\n" + "".join(rows)).encode())
    return target


def claim(folder: Path, settings: SatelliteSettings) -> None:
    """Record what a folder is rendered with, its camera and its model; refuse one of other settings or content."""
    file, record = folder / RECORD, dataclasses.asdict(settings)
    if file.is_file():
        before = read_json(file, "choose another folder")
        different = [f"{name} {before.get(name)}" for name, value in record.items() if before.get(name) != value]
        if different:
            raise ValueError(
                f"{folder}: expected {', '.join(different)} as when it was begun, got others; "
                "repeat that command or choose another folder"
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected an empty folder or a rendered satellite, got other files; choose another")
    folder.mkdir(parents=True, exist_ok=True)
    shape = settings.satellite()
    write_json(folder / "camera.json", _camera_record(settings))
    _write_model(folder / "model.ply", shape.mesh)
    # Last: what comes before is then complete.
    write_json(file, {**record, "symmetry": shape.symmetry.to_bop()})


def _write_part(
    folder: Path,
    name: str,
    count: int,
    settings: SatelliteSettings,
    backend: Backend,
    threads: int,
    report: Callable[[int], object],
) -> None:
    """Pictures, masks, then labels; one block is encoded while the next is rendered."""
    part = PARTS[name]
    target = _prepared(folder, part)
    studio = SatelliteStudio(settings, part.domain, backend)
    blocks = math.ceil(count / BLOCK)
    waiting: list[Future] = []
    try:
        with ThreadPoolExecutor(threads) as pool:
            for block, missing in _missing(target, part, count, blocks):
                report(min(BLOCK, count - block * BLOCK) - len(missing))
                if not missing:
                    continue
                poses = draw_poses(settings, name, block)
                shots = studio.photograph(poses, stream(settings.seed, name, block, "look"))
                _settle(waiting)
                waiting = [pool.submit(_save, target, part, index, shots, index % BLOCK) for index in missing]
                report(len(missing))
            _settle(waiting)
    finally:
        studio.close()
    _write_labels(target, part, [draw_poses(settings, name, block) for block in range(blocks)], count)


def _prepared(folder: Path, part: Part) -> Path:
    """A domain's folder, with those of pictures and masks, without leftovers."""
    target = folder / part.domain
    for kind in ("images", "masks"):
        (target / kind).mkdir(parents=True, exist_ok=True)
        remove_temporaries(target / kind)
    return target


def _missing(target: Path, part: Part, count: int, blocks: int) -> Iterator[tuple[int, list[int]]]:
    """For each block the numbers of the pictures that are not there."""
    present = {path.stem for path in (target / "images").iterdir()}
    present &= {path.stem for path in (target / "masks").iterdir()}
    for block in range(blocks):
        numbers = range(block * BLOCK, min((block + 1) * BLOCK, count))
        yield block, [number for number in numbers if _stem(part, number) not in present]


def _settle(jobs: list[Future]) -> None:
    """Wait for pictures being written; the first that failed raises, the others are called off."""
    try:
        for job in jobs:
            job.result()
    finally:
        for job in jobs:
            job.cancel()


def _stem(part: Part, index: int) -> str:
    return f"{part.prefix}{index + 1:06d}"


def _save(target: Path, part: Part, index: int, shots: Exposures, place: int) -> None:
    import PIL.Image

    stem = _stem(part, index)
    content = io.BytesIO()
    PIL.Image.fromarray(shots.mask[place].numpy().astype(np.uint8) * 255).save(content, "PNG", compress_level=1)
    write_atomically(target / "masks" / f"{stem}.png", content.getvalue())
    content = io.BytesIO()
    PIL.Image.fromarray(shots.grey[place].numpy()).save(content, "JPEG", quality=92)
    write_atomically(target / "images" / f"{stem}.jpg", content.getvalue())


def _write_labels(target: Path, part: Part, blocks: list[Poses], count: int) -> None:
    entries = []
    for poses in blocks:
        quaternions = matrix_to_quat_wxyz(poses.rotations.double())
        for quaternion, position in zip(quaternions.tolist(), poses.translations.tolist(), strict=True):
            name = f"{_stem(part, len(entries))}.jpg"
            entries.append({"filename": name, QUATERNION[0]: quaternion, POSITION[0]: position})
    write_atomically(target / f"{part.name}.json", json.dumps(entries[:count], indent=1).encode())


def _camera_record(settings: SatelliteSettings) -> dict[str, object]:
    """As camera.json of SPEED+: the principal point in coordinates whose top-left pixel has its centre at 1/2."""
    camera = settings.camera()
    cx, cy = camera.cx + 0.5, camera.cy + 0.5
    matrix = [[camera.fx, 0.0, cx], [0.0, camera.fy, cy], [0.0, 0.0, 1.0]]
    size = {"Nu": camera.width, "Nv": camera.height, "ccx": cx, "ccy": cy}
    return {**size, "cameraMatrix": matrix, "distCoeffs": list(camera.lens)}


def _write_model(path: Path, mesh: Mesh) -> None:
    import trimesh

    colours = (mesh.vertex_colours.numpy() * 255).round().astype(np.uint8)
    solid = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colours, process=False)
    with replacing(path) as temporary:
        temporary.write_bytes(solid.export(file_type="ply"))  # type: ignore[arg-type]
