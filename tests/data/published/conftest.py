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


# A wedge off the origin, of unequal sides: mixed-up axes and signs show.
WEDGE = np.array(
    [[-0.4, -0.9, -0.2], [0.5, -0.9, -0.2], [0.5, 0.8, -0.2], [-0.4, 0.8, -0.2], [-0.3, 0.7, 0.5], [0.4, 0.7, 0.5]]
)
# Category, part, name, list: (azimuth, elevation, theta), width and height, principal point.
PHOTOGRAPHS = {
    ("car", "pascal", "2008_000001", "train"): ((30.0, 10.0, -5.0), (320, 240), (170.0, 110.0)),
    ("car", "pascal", "2008_000003", "val"): ((250.0, 25.0, 12.0), (300, 260), (120.0, 150.0)),
    ("car", "imagenet", "n02958343_1", "train"): ((140.0, -8.0, 0.0), (320, 240), (100.0, 120.0)),
    ("chair", "imagenet", "n03001627_2", "val"): ((315.0, 60.0, 100.0), (240, 320), (150.0, 90.0)),
}
DISTANCE = 40.0


def pascal_pose(azimuth: float, elevation: float, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """OpenCV pose of a viewpoint in degrees: look from there at the origin, z up, then turn the picture."""
    a, e, t = np.deg2rad([azimuth, elevation, theta])
    forward = -np.array([np.cos(e) * np.sin(a), -np.cos(e) * np.cos(a), np.sin(e)])
    right = np.cross(forward, [0.0, 0, 1])
    right /= np.linalg.norm(right)
    upright = np.stack([right, np.cross(forward, right), forward])
    # theta turns the picture counter-clockwise, as drawn.
    turn = np.array([[np.cos(t), np.sin(t), 0], [-np.sin(t), np.cos(t), 0], [0, 0, 1]])
    return turn @ upright, np.array([0.0, 0, DISTANCE])


def photograph(
    viewpoint: tuple, size: tuple[int, int], principal: tuple[float, float]
) -> tuple[np.ndarray, list[float]]:
    """The wedge seen by our renderer, and its bounding box."""
    import torch
    from scipy.spatial import ConvexHull

    from armillary.data import Mesh, Renderer

    rotation, translation = pascal_pose(*viewpoint)
    mesh = Mesh(torch.from_numpy(WEDGE).float(), torch.from_numpy(ConvexHull(WEDGE).simplices).long())
    intrinsics = torch.tensor([[3000.0, 0, principal[0]], [0, 3000.0, principal[1]], [0, 0, 1]])
    renderer = Renderer(size=size[::-1], backend="torch")
    pose = torch.from_numpy(rotation).float()[None], torch.from_numpy(translation).float()[None]
    mask = renderer.render(mesh, *pose, intrinsics).mask[0]
    rows, columns = mask.nonzero().unbind(1)
    box = [columns.min(), rows.min(), columns.max(), rows.max()]
    picture = np.where(mask.numpy()[..., None], [230, 120, 40], [10, 10, 12]).astype(np.uint8)
    return picture, [float(side) for side in box]


def annotation(
    category: str, viewpoint: tuple | None, principal: tuple[float, float], box: list[float], **flags
) -> dict:
    """A struct of the field `objects`; without a viewpoint that field is empty."""
    view = np.zeros((0, 0))
    if viewpoint is not None:
        names = ("azimuth", "elevation", "theta", "azimuth_coarse")
        view = dict(zip(names, (*viewpoint, viewpoint[0]), strict=True))
        view |= {"px": principal[0], "py": principal[1], "focal": 1.0, "viewport": 3000.0, "distance": DISTANCE}
        view |= {key: flags.pop(key) for key in ("distance", "focal") if key in flags}
    entry = {"class": category, "bbox": np.array(box), "occluded": 0, "truncated": 0, "difficult": 0, "viewpoint": view}
    return {**entry, **flags}


def write_annotation(root: Path, category: str, part: str, name: str, objects: list[dict]) -> None:
    """A .mat file as MATLAB nests it: a struct array of the objects in a struct."""
    import scipy.io

    folder = root / "Annotations" / f"{category}_{part}"
    folder.mkdir(parents=True, exist_ok=True)
    array = np.zeros((1, len(objects)), dtype=[(key, object) for key in objects[0]])
    for index, entry in enumerate(objects):
        for key, value in entry.items():
            array[0, index][key] = value
    suffix = "jpg" if part == "pascal" else "JPEG"
    scipy.io.savemat(folder / f"{name}.mat", {"record": {"filename": f"{name}.{suffix}", "objects": array}})


def pascal3d_miniature(root: Path) -> Path:
    release = root / "PASCAL3D+_release1.1"
    voc = release / "PASCAL" / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main"
    lists: dict[Path, list[str]] = {}
    for category in ("car", "chair"):
        for subset in ("train", "val"):
            # VOC lists every picture for every category, with -1 where it does not show it.
            lists[voc / f"{category}_{subset}.txt"] = ["2008_000009 -1"]
            lists[release / "Image_sets" / f"{category}_imagenet_{subset}.txt"] = []
    for (category, part, name, subset), (viewpoint, size, principal) in PHOTOGRAPHS.items():
        picture, box = photograph(viewpoint, size, principal)
        folder = release / "Images" / f"{category}_{part}"
        folder.mkdir(parents=True, exist_ok=True)
        suffix = "jpg" if part == "pascal" else "JPEG"
        PIL.Image.fromarray(picture).save(folder / f"{name}.{suffix}", quality=98, subsampling=0)
        write_annotation(release, category, part, name, [annotation(category, viewpoint, principal, box)])
        path = voc / f"{category}_{subset}.txt"
        if part == "imagenet":
            path = release / "Image_sets" / f"{category}_imagenet_{subset}.txt"
        lists[path].append(f"{name}  1" if part == "pascal" else name)
    for path, lines in lists.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
    rng = np.random.default_rng(0)
    for synset, model, view in (
        ("02958343", "1a2b", "a123_e015_t-03_d004"),
        ("02958343", "1a2b", "a007_e-04_t010_d003"),
        ("03001627", "ff00", "a300_e040_t000_d005"),
    ):
        folder = root / "syn_images_cropped_bkg_overlaid" / synset / model
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (30, 44, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{synset}_{model}_{view}.png")
    return root


Writer = Callable[[Path], Path]
PUBLISHED: dict[str, Writer] = {
    "modelnet10_lmdb": modelnet10_lmdb_miniature,
    "modelnet10_npz": modelnet10_npz_miniature,
    "pascal3d": pascal3d_miniature,
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


@pytest.fixture(scope="session")
def pascal() -> SimpleNamespace:
    """What the miniature of PASCAL3D+ is made of."""
    return SimpleNamespace(
        wedge=WEDGE, photographs=PHOTOGRAPHS, pose=pascal_pose, annotation=annotation, write_annotation=write_annotation
    )
