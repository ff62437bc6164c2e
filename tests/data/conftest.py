"""Miniatures: a box photographed five times, and writers of exactly the trees that the readers' docstrings draw.

The writers state each format's conventions on their own, so that a wrong conversion in a reader does not cancel out.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT = 72, 60
# A box of unequal sides off the origin (m), so that mixed-up axes and signs show.
CORNERS = np.array([[x, y, z] for x in (-0.05, 0.09) for y in (-0.02, 0.03) for z in (0.0, 0.06)])


@dataclass(frozen=True)
class Shot:
    """One picture of the box: OpenCV pose, pixel centres at integers."""

    name: str
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    image: np.ndarray
    mask: np.ndarray


@pytest.fixture(scope="session")
def box_corners() -> np.ndarray:
    return CORNERS


@pytest.fixture(scope="session")
def shots() -> list[Shot]:
    rng = np.random.default_rng(5)
    return [_shot(f"shot {index}.png", rng) for index in range(5)]


def _shot(name: str, rng: np.random.Generator) -> Shot:
    rotation = Rotation.random(random_state=rng).as_matrix()
    intrinsics = np.array([[150.0, 0, 33.0], [0, 154.0, 31.0], [0, 0, 1]])
    # The optical axis passes near, not through, the box's middle.
    middle = np.array([0.01, -0.006, 0.5]) + rng.uniform(-0.01, 0.01, 3)
    translation = middle - rotation @ CORNERS.mean(0)
    pixels = (CORNERS @ rotation.T + translation) @ intrinsics.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    outline = pixels[ConvexHull(pixels).vertices]
    picture = PIL.Image.new("L", (WIDTH, HEIGHT))
    PIL.ImageDraw.Draw(picture).polygon([tuple(point) for point in outline.round()], fill=255)
    mask = np.asarray(picture) > 0
    image = np.where(mask[..., None], [230, 120, 40], [10, 10, 12]).astype(np.uint8)
    return Shot(name, rotation, translation, intrinsics, image, mask)


def write_npz(folder: Path, shots: list[Shot]) -> Path:
    path = folder / "photos.npz"
    np.savez(
        path,
        image=np.stack([shot.image for shot in shots]),
        R=np.stack([shot.rotation for shot in shots]),
        t=np.stack([shot.translation for shot in shots]),
        K=np.stack([shot.intrinsics for shot in shots]),
        name=np.array([shot.name for shot in shots]),
        mask=np.stack([shot.mask for shot in shots]).astype(np.uint8),
    )
    return path


def write_nerf(folder: Path, shots: list[Shot]) -> Path:
    """OpenGL camera axes, camera to world, pixel centres at halves, masks in the alpha channel."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for shot in shots:
        rgba = np.dstack([shot.image, shot.mask.astype(np.uint8) * 255])
        PIL.Image.fromarray(rgba).save(folder / "images" / shot.name)
        world_to_camera = np.eye(4)
        world_to_camera[:3, :3], world_to_camera[:3, 3] = shot.rotation, shot.translation
        opengl = np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append(
            {
                # The suffix may be left out.
                "file_path": "images/" + shot.name.removesuffix(".png"),
                "transform_matrix": np.linalg.inv(opengl @ world_to_camera).tolist(),
            }
        )
    K = shots[0].intrinsics
    record = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2] + 0.5, "cy": K[1, 2] + 0.5, "w": WIDTH, "h": HEIGHT}
    (folder / "transforms.json").write_text(json.dumps({**record, "frames": frames}))
    return folder


def write_colmap(folder: Path, shots: list[Shot]) -> Path:
    """World to camera, scalar first, pixel centres at halves; the lines of points are empty."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    (folder / "sparse" / "0").mkdir(parents=True)
    K = shots[0].intrinsics
    camera = f"3 PINHOLE {WIDTH} {HEIGHT} {K[0, 0]} {K[1, 1]} {K[0, 2] + 0.5} {K[1, 2] + 0.5}"
    lines = [
        "# Image list with two lines of data per image:",
        "#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
    ]
    for number, shot in enumerate(shots, start=1):
        PIL.Image.fromarray(shot.image).save(folder / "images" / shot.name)
        PIL.Image.fromarray(shot.mask.astype(np.uint8) * 255).save(folder / "masks" / f"{shot.name}.png")
        x, y, z, w = Rotation.from_matrix(shot.rotation).as_quat()
        numbers = " ".join(str(value) for value in (w, x, y, z, *shot.translation))
        lines += [f"{number} {numbers} 3 {shot.name}", ""]
    (folder / "sparse" / "0" / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    (folder / "sparse" / "0" / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_csv(folder: Path, shots: list[Shot]) -> Path:
    """Scalar last on purpose: the header names the order."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,mask,qx,qy,qz,qw,tx,ty,tz,fx,fy,cx,cy"]
    for number, shot in enumerate(shots):
        PIL.Image.fromarray(shot.image).save(folder / shot.name)
        PIL.Image.fromarray(shot.mask.astype(np.uint8) * 255).save(folder / f"mask{number}.png")
        K = shot.intrinsics
        quat_xyzw = Rotation.from_matrix(shot.rotation).as_quat()
        numbers = (*quat_xyzw, *shot.translation, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        lines.append(f"{shot.name},mask{number}.png," + ",".join(f"{value:.9f}" for value in numbers))
    (folder / "poses.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_bop_miniature(folder: Path, shots: list[Shot]) -> Path:
    """Millimetres; two objects in the first image, of which the second is all but hidden."""
    scene = folder / "test" / "000002"
    for name in ("rgb", "mask_visib"):
        (scene / name).mkdir(parents=True)
    poses, cameras, visibility = {}, {}, {}
    for number, shot in enumerate(shots):
        key = str(7 * number)
        PIL.Image.fromarray(shot.image).save(scene / "rgb" / f"{7 * number:06d}.png")
        entry = {
            "cam_R_m2c": shot.rotation.flatten().tolist(),
            "cam_t_m2c": (1000 * shot.translation).tolist(),
            "obj_id": 4,
        }
        poses[key], visibility[key] = [entry], [{"px_count_visib": int(shot.mask.sum()), "visib_fract": 1.0}]
        if number == 0:
            poses[key].append({**entry, "obj_id": 9})
            visibility[key].append({"px_count_visib": 3, "visib_fract": 0.01})
        for index in range(len(poses[key])):
            PIL.Image.fromarray(shot.mask.astype(np.uint8) * 255).save(
                scene / "mask_visib" / f"{7 * number:06d}_{index:06d}.png"
            )
        cameras[key] = {"cam_K": shot.intrinsics.flatten().tolist(), "depth_scale": 1.0}
    for name, record in (("scene_gt", poses), ("scene_camera", cameras), ("scene_gt_info", visibility)):
        (scene / f"{name}.json").write_text(json.dumps(record))
    low, size = 1000 * CORNERS.min(0), 1000 * np.ptp(CORNERS, 0)
    half_turn = np.diag([-1.0, -1.0, 1.0, 1.0]).flatten().tolist()
    model = {f"min_{axis}": value for axis, value in zip("xyz", low, strict=True)}
    model |= {f"size_{axis}": value for axis, value in zip("xyz", size, strict=True)}
    model |= {"diameter": math.dist(*(1000 * CORNERS[[0, -1]])), "symmetries_discrete": [half_turn]}
    (folder / "models").mkdir()
    (folder / "models" / "models_info.json").write_text(json.dumps({"4": model, "9": model}))
    return folder


Writer = Callable[[Path, list[Shot]], Path]
WRITERS: dict[str, Writer] = {
    "npz": write_npz,
    "nerf": write_nerf,
    "colmap": write_colmap,
    "csv": write_csv,
    "bop": write_bop_miniature,
}


@pytest.fixture(scope="session", params=sorted(WRITERS))
def miniature(request: pytest.FixtureRequest, shots: list[Shot], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five shots in each format in turn."""
    folder = tmp_path_factory.mktemp(request.param) / "box"
    folder.mkdir()
    return WRITERS[request.param](folder, shots)


@pytest.fixture
def write_miniature(shots: list[Shot], tmp_path: Path) -> Callable[[str], Path]:
    """Write one format's miniature to damage it."""

    def write(kind: str) -> Path:
        folder = tmp_path / kind
        folder.mkdir()
        return WRITERS[kind](folder, shots)

    return write


@pytest.fixture
def edit_json() -> Callable[[Path, Callable[[dict], object]], None]:
    """Change the object in a JSON file."""

    def edit(file: Path, change: Callable[[dict], object]) -> None:
        record = json.loads(file.read_text())
        change(record)
        file.write_text(json.dumps(record))

    return edit
