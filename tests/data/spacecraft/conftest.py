"""Writers of exactly the trees of SPEED+, its tables and SPEED, on their own conventions: a satellite of our zoo."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from scipy.spatial.transform import Rotation

from armillary.data import Renderer, make_shape, studio_lights
from armillary.data.shapes import Mesh

WIDTH, HEIGHT = 192, 120
# As camera.json has it: the principal point at half the picture's size, stronger focal length than SPEED+'s.
MATRIX = [[300.0, 0.0, WIDTH / 2], [0.0, 299.0, HEIGHT / 2], [0.0, 0.0, 1.0]]
LENS = [-0.2238, 0.5141, -0.00066, -0.00021, -0.1312]
LISTS = {("synthetic", "train"): 4, ("synthetic", "validation"): 2, ("lightbox", "test"): 2, ("sunlamp", "test"): 2}


@functools.cache
def satellite() -> Mesh:
    """Of half a metre, off its origin, so that mixed-up frames show."""
    mesh = make_shape("satellite", 3).mesh.centred().scaled(0.5)
    return mesh.translated(torch.tensor([0.05, -0.02, 0.1]))


@dataclass(frozen=True)
class Shot:
    """One picture, and its label in SPEED+'s words."""

    file: str
    quat_wxyz: list[float]
    position: list[float]
    grey: np.ndarray
    mask: np.ndarray


def bent(flat: np.ndarray, lens: list[float]) -> np.ndarray:
    """Brown's lens as SPNv2 writes it, on coordinates x / z."""
    x0, y0 = flat[..., 0], flat[..., 1]
    r2 = x0 * x0 + y0 * y0
    factor = 1 + lens[0] * r2 + lens[1] * r2 * r2 + lens[4] * r2 * r2 * r2
    x = x0 * factor + lens[2] * 2 * x0 * y0 + lens[3] * (r2 + 2 * x0 * x0)
    y = y0 * factor + lens[2] * (r2 + 2 * y0 * y0) + lens[3] * 2 * x0 * y0
    return np.stack([x, y], -1)


def photograph(position: list[float], rotation: Rotation, lens: list[float], file: str) -> Shot:
    """Draw the pinhole's picture four times as large and look it up through the lens."""
    times = 4
    intrinsics = torch.tensor(MATRIX) * times
    intrinsics[2, 2] = 1
    # Centres of pixels at integers for our renderer, at halves in the file.
    intrinsics[:2, 2] -= 0.5
    renderer = Renderer(size=(HEIGHT * times, WIDTH * times), backend="torch", antialias=False)
    pose = torch.from_numpy(rotation.as_matrix()).float()[None], torch.tensor([position])
    # Light from everywhere: each of its pixels is brighter than space.
    lights = replace(studio_lights(), ambient=torch.full((1, 3), 1.0))
    frames = renderer.render(satellite(), *pose, intrinsics, lights)
    # For each pixel as taken: where the pinhole sees it, by fixed-point steps.
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    taken = np.stack([(columns - MATRIX[0][2]) / MATRIX[0][0], (rows - MATRIX[1][2]) / MATRIX[1][1]], -1)
    flat = taken.copy()
    for _ in range(20):
        flat = flat + taken - bent(flat, lens)
    pixels = (flat * [MATRIX[0][0], MATRIX[1][1]] + [MATRIX[0][2], MATRIX[1][2]]) * times - 0.5
    column, row = pixels.round().astype(int).clip(0, [WIDTH * times - 1, HEIGHT * times - 1]).transpose(2, 0, 1)
    grey = frames.rgb[0].float().mean(-1).numpy()[row, column].astype(np.uint8)
    x, y, z, w = rotation.as_quat()
    return Shot(file, [w, x, y, z], position, grey, frames.mask[0].numpy()[row, column])


@functools.cache
def shots(domain: str, part: str, lens: tuple[float, ...] = tuple(LENS)) -> tuple[Shot, ...]:
    """The pictures of one list; the last one of train is partly out of the frame."""
    rng = np.random.default_rng(len(domain) + len(part))
    found = []
    for index in range(LISTS[domain, part]):
        position = [*rng.uniform(-0.35, 0.35, 2).tolist(), float(rng.uniform(2.6, 3.4))]
        if part == "train" and index == LISTS[domain, part] - 1:
            position = [0.9, 0.1, 3.0]
        rotation = Rotation.random(random_state=rng)
        found.append(photograph(position, rotation, list(lens), f"img{index + 1 + 100 * (part != 'train'):06d}.jpg"))
    return tuple(found)


def entries(found: tuple[Shot, ...], suffix: str = "_true") -> list[dict]:
    return [{"filename": s.file, f"q_vbs2tango{suffix}": s.quat_wxyz, "r_Vo2To_vbs_true": s.position} for s in found]


def save_pictures(folder: Path, found: tuple[Shot, ...], size: tuple[int, int] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shot in found:
        picture = PIL.Image.fromarray(shot.grey)
        picture = picture if size is None else picture.resize(size, PIL.Image.Resampling.BILINEAR)
        picture.save(folder / shot.file, quality=98)


def write_camera(root: Path) -> None:
    record = {"Nu": WIDTH, "Nv": HEIGHT, "ppx": 5.86e-06, "ppy": 5.86e-06, "fx": 0.00176, "fy": 0.00176}
    record |= {"ccx": WIDTH / 2, "ccy": HEIGHT / 2, "cameraMatrix": MATRIX, "distCoeffs": LENS}
    (root / "camera.json").write_text(json.dumps(record))


def write_model(root: Path) -> None:
    """The object is not Tango."""
    mesh = satellite()
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in mesh.faces.tolist()]
    (root / "model.obj").write_text("\n".join(lines) + "\n")


def write_speedplus(root: Path) -> Path:
    write_camera(root)
    write_model(root)
    for domain, part in LISTS:
        found = shots(domain, part)
        save_pictures(root / domain / "images", found)
        (root / domain / f"{part}.json").write_text(json.dumps(entries(found)))
        if domain == "synthetic":
            (root / domain / "masks").mkdir(exist_ok=True)
            for shot in found:
                PIL.Image.fromarray(shot.mask).convert("L").save(root / domain / "masks" / f"{shot.file[:-4]}.png")
    return root


def write_table(root: Path) -> Path:
    """Stretched to another aspect, numbers in float32, a space after each comma."""
    write_camera(root)
    write_model(root)
    for domain, part in LISTS:
        found = shots(domain, part)
        save_pictures(root / domain / "images_144x96_RGB", found, (144, 96))
        rows = [
            [shot.file, *np.float32(shot.quat_wxyz).tolist(), *np.float32(shot.position).tolist()] for shot in found
        ]
        (root / domain / "labels").mkdir(exist_ok=True)
        text = "".join(", ".join(str(cell) for cell in row) + "\n" for row in rows)
        (root / domain / "labels" / f"{part}.csv").write_text(text)
    return root


def write_speed(root: Path) -> Path:
    """Without camera and lens; the labels of test are withheld. Pictures are small: of the published camera, shrunk."""
    write_model(root)
    for part, domain in (("train", "synthetic"), ("real", "lightbox"), ("test", "sunlamp")):
        found = shots(domain, "train" if part == "train" else "test")
        save_pictures(root / "images" / part, found)
        listed = entries(found, "") if part != "test" else [{"filename": shot.file} for shot in found]
        (root / f"{part}.json").write_text(json.dumps(listed))
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    "speedplus": write_speedplus,
    "speedplus_table": write_table,
    "speed": write_speed,
}


@pytest.fixture
def write_spacecraft(tmp_path: Path) -> Callable[[str], Path]:
    """Write one of the trees, to damage it."""

    def write(kind: str) -> Path:
        root = tmp_path / kind
        root.mkdir()
        return WRITERS[kind](root)

    return write


@pytest.fixture(scope="session", params=["speedplus", "speedplus_table"])
def spacecraft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each tree of SPEED+ in turn."""
    return WRITERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def satellite_mesh() -> Mesh:
    """The object in the pictures."""
    return satellite()


@pytest.fixture(scope="session")
def spacecraft_shots() -> Callable[..., tuple[Shot, ...]]:
    """What the miniatures are made of: domain and part to pictures with labels."""
    return shots


@pytest.fixture(scope="session")
def through_lens() -> Callable[[np.ndarray], np.ndarray]:
    """Brown's lens of the miniatures, on coordinates x / z."""
    return lambda flat: bent(flat, LENS)
