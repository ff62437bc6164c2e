"""Writers of exactly the trees that the published data sets' readers draw, on their own account of the conventions."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from scipy.spatial.transform import Rotation

VIEWS = ("bathtub_0107.v001", "night_stand_0001.v012", "toilet_0003.v000", "bed_0001.v001", "bed_0001.v002")


def python2_pickle(poses: Mapping[str, np.ndarray]) -> bytes:
    """A dict of arrays of four numbers as Python 2.7 pickles it (protocol 2)."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x04\x85"
        b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x20%stb"
    )
    entries = (
        b"U" + bytes([len(name)]) + name.encode() + array.replace(b"%s", np.asarray(quat, "<f8").tobytes()) + b"s"
        for name, quat in poses.items()
    )
    return b"\x80\x02}" + b"".join(entries) + b"."


def view_picture(name: str) -> np.ndarray:
    """A grey shape on white, another for each view."""
    picture = PIL.Image.new("L", (224, 224), 255)
    x = 30 + sum(name.encode()) % 60
    PIL.ImageDraw.Draw(picture).polygon([(x, 40), (190, 90 + x // 2), (80, 180)], fill=90 + x)
    return np.asarray(picture)


def view_quaternions(names: tuple[str, ...] = VIEWS) -> dict[str, np.ndarray]:
    """Scalar first, of either sign."""
    rng = np.random.default_rng(3)
    return {name: quat / np.linalg.norm(quat) for name, quat in zip(names, rng.normal(size=(9, 4)), strict=False)}


def jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(picture).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def write_modelnet10_lmdb(folder: Path, pictures: Mapping[str, bytes] | None = None, pickled: bytes = b"") -> Path:
    """One LMDB folder; keys.txt is absent, as where nobody could write it."""
    import lmdb

    folder.mkdir(parents=True)
    pictures = {name: jpeg(view_picture(name)) for name in VIEWS} if pictures is None else pictures
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for name, content in pictures.items():
            transaction.put(name.encode(), content)
    (folder / "viewID2quat.pkl").write_bytes(pickled or python2_pickle(view_quaternions()))
    return folder


def write_modelnet10_npz(path: Path) -> Path:
    """As the original Image2Sphere converts it: compressed, without names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    quaternions = np.stack(list(view_quaternions().values()))
    np.savez_compressed(
        path,
        imgs=np.stack([view_picture(name)[..., None] for name in VIEWS]),
        rots=Rotation.from_quat(np.roll(quaternions, -1, axis=1)).as_matrix().astype(np.float32),
        cat_ids=np.array([0, 6, 9, 1, 1]),
    )
    return path


def modelnet10_lmdb_miniature(root: Path) -> Path:
    """All three folders, nested as unzipping nests them."""
    for part in ("train_100V", "train_20V", "test_20V"):
        write_modelnet10_lmdb(root / "ModelNet10-SO3" / f"{part}.Rawjpg.lmdb")
    return root


def modelnet10_npz_miniature(root: Path) -> Path:
    for part in ("train", "limited_train", "test"):
        write_modelnet10_npz(root / f"modelnet10_{part}.npz")
    return root


def solid_elements(shape: str) -> np.ndarray:
    """The rotations that leave a shape as it is, about axes of its own that are not the coordinate axes."""
    if shape in ("tet", "cube"):
        elements = Rotation.create_group("T" if shape == "tet" else "O").as_matrix()
    elif shape in ("cone", "cyl"):
        elements = Rotation.from_euler("z", np.arange(360.0)[:, None], degrees=True).as_matrix()
        if shape == "cyl":
            elements = np.concatenate([elements, elements @ np.diag([1.0, -1, -1])])
    else:
        elements = np.eye(3)[None]
    tilt = Rotation.from_rotvec([0.4, -0.2, 0.9]).as_matrix()
    return tilt @ elements @ tilt.T


SOLIDS = {"tet": 3, "cube": 3, "cone": 2, "cyl": 2, "sphereX": 2}


def symsol_rotations(split: str) -> dict[str, np.ndarray]:
    """(views, members, 3, 3) for each shape."""
    rng = np.random.default_rng(len(split))
    return {
        shape: (Rotation.random(count, random_state=rng).as_matrix()[:, None] @ solid_elements(shape)).astype("f4")
        for shape, count in SOLIDS.items()
    }


def symsol_miniature(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        (root / split / "images").mkdir(parents=True)
        np.savez_compressed(root / split / "rotations.npz", **symsol_rotations(split))
        for shape, count in SOLIDS.items():
            for index in range(count):
                pixels = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
                PIL.Image.fromarray(pixels).save(root / split / "images" / f"{shape}_{index:05d}.png")
    return root


def symsol_zip_miniature(root: Path) -> Path:
    folder = symsol_miniature(root / "symsol")
    path = root / "symsol_dataset.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(root))
    return path


Writer = Callable[[Path], Path]
PUBLISHED: dict[str, Writer] = {
    "modelnet10_lmdb": modelnet10_lmdb_miniature,
    "modelnet10_npz": modelnet10_npz_miniature,
    "symsol": symsol_miniature,
    "symsol_zip": symsol_zip_miniature,
}


@pytest.fixture(scope="session", params=sorted(PUBLISHED))
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each published data set in turn."""
    root = tmp_path_factory.mktemp(request.param) / "data"
    root.mkdir()
    return PUBLISHED[request.param](root)


@pytest.fixture
def write_published(tmp_path: Path) -> Callable[[str], Path]:
    """Write one published data set to damage it."""

    def write(kind: str) -> Path:
        root = tmp_path / kind
        root.mkdir()
        return PUBLISHED[kind](root)

    return write


@pytest.fixture(scope="session")
def modelnet() -> SimpleNamespace:
    """The parts that miniatures of ModelNet10-SO(3) are made of."""
    return SimpleNamespace(
        views=VIEWS,
        jpeg=jpeg,
        picture=view_picture,
        quaternions=view_quaternions,
        pickle=python2_pickle,
        write_lmdb=write_modelnet10_lmdb,
        write_npz=write_modelnet10_npz,
    )


@pytest.fixture(scope="session")
def symsol() -> SimpleNamespace:
    """What the miniature of SYMSOL is made of."""
    return SimpleNamespace(solids=SOLIDS, rotations=symsol_rotations, elements=solid_elements)
