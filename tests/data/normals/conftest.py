"""A scene with known normals, and writers of exactly the trees that the readers draw, on their own account of them."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

HEIGHT, WIDTH = 24, 32
NAMES = ("0001", "0002", "0005")


@pytest.fixture(scope="session")
def scene() -> SimpleNamespace:
    """Pictures, OpenCV normals (pictures, height, width, 3) that face the camera, and where they are known."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (len(NAMES), HEIGHT, WIDTH, 3), dtype=np.uint8)
    normals = rng.normal(size=(len(NAMES), HEIGHT, WIDTH, 3))
    normals[..., 2] = -np.abs(normals[..., 2])
    # Axes exactly: the ends of the code.
    normals[:, 0, :3] = [(1, 0, 0), (0, 1, 0), (0, 0, -1)]
    normals[:, 0, 3:5] = [(-1, 0, 0), (0, -1, 0)]
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    mask = rng.random((len(NAMES), HEIGHT, WIDTH)) < 0.8
    mask[:, 0, :5] = True
    return SimpleNamespace(images=images, normals=np.where(mask[..., None], normals, 0.0), mask=mask)


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def bgr_as_original(normals: np.ndarray) -> np.ndarray:
    """What the original's programs hold: blue, green, red are y up, z away and x, as 8 bits; none is 128."""
    y_up, z_away, x = -normals[..., 1], normals[..., 2], normals[..., 0]
    return np.clip(np.round((np.stack([y_up, z_away, x], -1) + 1) * 128), 0, 255).astype(np.uint8)


def write_database(folder: Path, pictures: dict[str, bytes]) -> None:
    """One LMDB folder; keys.txt is absent, as where nobody could write it."""
    import lmdb

    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for name, content in pictures.items():
            transaction.put(name.encode(), content)


def write_nyu(root: Path, scene: SimpleNamespace, kinds: tuple[str, ...] = ("", "_Ladicky")) -> Path:
    images, masks = ([png(each) for each in stack] for stack in (scene.images, scene.mask.astype(np.uint8)))
    normals = [png(bgr_as_original(each)[..., ::-1]) for each in scene.normals]
    write_database(root / "ImageData.Rawpng.lmdb", dict(zip(NAMES, images, strict=True)))
    for kind in kinds:
        write_database(root / f"NormCamera{kind}.Rawpng.lmdb", dict(zip(NAMES, normals, strict=True)))
        mask_name = "Valid_ALL" if kind else "Valid"
        write_database(root / f"{mask_name}.Rawpng.lmdb", dict(zip(NAMES, masks, strict=True)))
    (root / "trainNdxs.txt").write_text("".join(f"train/{name}\n" for name in NAMES[:2]))
    (root / "testNdxs.txt").write_text(f"test/{NAMES[2]}\n")
    return root


def write_pbrs(root: Path, scene: SimpleNamespace) -> Path:
    names = [f"room_{name}" for name in NAMES]
    pictures = [png(each) for each in scene.images]
    normals = [png(bgr_as_original(each)[..., ::-1]) for each in scene.normals]
    masks = [png(each.astype(np.uint8) * 255) for each in scene.mask]
    for name, contents in (
        ("ImageData.Rawjpg.lmdb", pictures),
        ("NormCamera.Rawpng.lmdb", normals),
        ("Valid.Rawpng.lmdb", masks),
    ):
        write_database(root / name, dict(zip(names, contents, strict=True)))
    (root / "data_goodlist_v2.txt").write_text("\n".join(names))
    return root


def write_npz(path: Path, scene: SimpleNamespace, **changes: np.ndarray) -> Path:
    x, y, z = np.moveaxis(scene.normals, -1, 0)
    stored = np.stack([x, z, -y], -1).astype(np.float16)
    np.savez(path, **{"image": scene.images, "normal": stored, "depth": stored[..., 0], **changes})
    return path


@pytest.fixture(scope="session")
def writers() -> SimpleNamespace:
    """The functions above: this file cannot be imported."""
    return SimpleNamespace(database=write_database, nyu=write_nyu, pbrs=write_pbrs, npz=write_npz, png=png, names=NAMES)
