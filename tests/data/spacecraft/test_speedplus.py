"""SPEED+, its tables and SPEED: frames by reprojection, splits, names, and every kind of damage."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import ImageStore, Renderer, dataset_splits, open_dataset, project
from armillary.data.spacecraft import (
    SPEED_CAMERA,
    SPEEDPLUS_CAMERA,
    SpacecraftPhotos,
    open_speed,
    open_speedplus,
    open_speedplus_table,
    read_lens_camera,
)
from armillary.data.spacecraft.photos import TANGO
from armillary.so3 import quat_wxyz_to_matrix, rotation_defect

Write = Callable[[str], Path]
SPLITS = ("train", "validation", "lightbox", "sunlamp")


def silhouette(reader: SpacecraftPhotos, index: int, mesh) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask that the sample's pose and camera predict, and the pixels that show something."""
    sample = reader[index]
    renderer = Renderer(size=tuple(sample.image.shape[-2:]), backend="torch", antialias=False)
    frames = renderer.render(mesh, sample.rotation[None], sample.translation[None], sample.intrinsics)
    return frames.mask[0], sample.image[0] > 0.1


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return ((one & other).sum() / (one | other).sum()).item()


@pytest.mark.parametrize("split", SPLITS)
def test_pose_and_camera_place_the_object_where_the_picture_shows_it(spacecraft: Path, split: str, satellite_mesh):
    reader = open_dataset(spacecraft, split)
    for index in range(len(reader)):
        predicted, seen = silhouette(reader, index, satellite_mesh)
        # A third of a small picture's pixels touch the outline: a dark wing may lose one, a bright body gain one.
        assert overlap(predicted, seen) > 0.7
        middle, found = (m.nonzero().double().mean(0) for m in (predicted, seen))
        assert (middle - found).abs().max() < 1


@pytest.mark.parametrize("wrong", ["transposed", "scalar last"])
def test_another_reading_of_the_quaternion_does_not_fit(spacecraft: Path, wrong: str, satellite_mesh):
    reader = open_dataset(spacecraft, "train")
    right = [overlap(*silhouette(reader, index, satellite_mesh)) for index in range(3)]
    turned = reader.rotations.mT
    if wrong == "scalar last":
        from armillary.so3 import matrix_to_quat_wxyz, quat_xyzw_to_matrix

        turned = quat_xyzw_to_matrix(matrix_to_quat_wxyz(reader.rotations))
    reader.rotations = turned
    assert np.mean([overlap(*silhouette(reader, index, satellite_mesh)) for index in range(3)]) < np.mean(right) - 0.2


def test_masks_are_straightened_with_the_picture(write_spacecraft: Write, satellite_mesh):
    reader = open_dataset(write_spacecraft("speedplus"), "train")
    for index in range(len(reader)):
        predicted, _ = silhouette(reader, index, satellite_mesh)
        mask = reader[index].mask
        # Nearest pixels, taken twice, along the outline.
        assert mask is not None and overlap(predicted, mask) > 0.93
        # A mistake of half a pixel in the camera would show.
        middle, found = (m.nonzero().double().mean(0) for m in (predicted, mask))
        assert (middle - found).abs().max() < 0.3
    assert open_dataset(reader._pictures.parent.parent, "sunlamp")[0].mask is None


def test_labels_and_names_are_those_of_the_files(spacecraft: Path, spacecraft_shots):
    for split, (domain, part) in zip(SPLITS, [("synthetic", "train"), ("synthetic", "validation")], strict=False):
        reader = open_dataset(spacecraft, split)
        found = spacecraft_shots(domain, part)
        assert reader.names == tuple(f"{domain}/{shot.file}" for shot in found)
        quaternions = torch.tensor([shot.quat_wxyz for shot in found], dtype=torch.float32)
        torch.testing.assert_close(reader.rotations, quat_wxyz_to_matrix(quaternions), atol=1e-6, rtol=0)
        torch.testing.assert_close(reader.translations, torch.tensor([shot.position for shot in found]))
    reader = open_dataset(spacecraft, "sunlamp")
    # Where the folder lies is no part of the name: predictions stay comparable when it moves.
    assert reader.info.name.startswith(f"{spacecraft.name} sunlamp test") and "/" not in reader.info.name
    sample = reader[1]
    assert sample.name == "sunlamp/img000102.jpg" and rotation_defect(sample.rotation) < 1e-6
    assert bool((sample.image[0] == sample.image[2]).all())


def test_tables_stand_beside_lists_under_the_size(write_spacecraft: Write):
    both = write_spacecraft("speedplus")
    assert dataset_splits(both) == SPLITS
    tables = write_spacecraft("speedplus_table")
    assert dataset_splits(tables) == SPLITS
    for domain in ("synthetic", "lightbox", "sunlamp"):
        for name in ("labels", "images_144x96_RGB"):
            (tables / domain / name).rename(both / domain / name)
    assert dataset_splits(both) == (
        "train", "validation", "train-144x96", "validation-144x96",
        "lightbox", "lightbox-144x96", "sunlamp", "sunlamp-144x96",
    )  # fmt: skip
    assert open_dataset(both, "lightbox-144x96")[0].image.shape == (3, 96, 144)
    assert dataset_splits(both / "lightbox") == ("test", "test-144x96")


def test_a_folder_around_and_a_domain_alone_open(write_spacecraft: Write, tmp_path: Path):
    root = write_spacecraft("speedplus")
    assert len(open_dataset(root / "lightbox")) == 2
    assert dataset_splits(root / "synthetic") == ("train", "validation")
    (tmp_path / "around").mkdir()
    root.rename(tmp_path / "around" / "speedplusv2")
    assert dataset_splits(tmp_path / "around") == SPLITS
    (tmp_path / "around" / "speedplusv2" / "synthetic").rename(tmp_path / "around" / "speedplusv2" / "clean")
    assert dataset_splits(tmp_path / "around")[:2] == ("clean-train", "clean-validation")


def test_columns_of_spnv2_are_read_too(write_spacecraft: Write):
    root = write_spacecraft("speedplus_table")
    before = open_dataset(root, "train")
    file = root / "synthetic" / "labels" / "train.csv"
    rows = [line.split(", ") for line in file.read_text().splitlines()]
    wide = [[row[0], "0.1", "0.2", "0.3", "0.4", *row[1:], *["0.5"] * 24] for row in rows]
    file.write_text("\n".join(", ".join(row) for row in wide))
    assert torch.equal(open_dataset(root, "train").rotations, before.rotations)


def test_data_split_takes_the_first_part(write_spacecraft: Write):
    root = write_spacecraft("speedplus")
    whole, half = open_speedplus(root / "synthetic"), open_speedplus(root / "synthetic", data_split=0.5)
    assert half.names == whole.names[:2]
    with pytest.raises(ValueError, match="expected a data_split above 0 and up to 1, got 1.5"):
        open_speedplus(root / "synthetic", data_split=1.5)
    with pytest.raises(ValueError, match="raise data_split"):
        open_speedplus(root / "synthetic", data_split=0.1)


def test_objects_partly_out_of_the_frame_are_kept_and_counted(spacecraft: Path):
    reader = open_dataset(spacecraft, "train")
    assert reader.partly_outside.tolist() == [False, False, False, True]


def test_the_original_speed_has_the_published_camera(write_spacecraft: Write):
    root = write_spacecraft("speed")
    assert dataset_splits(root) == ("train", "real", "test")
    sample = open_dataset(root, "train")[0]
    assert sample.name == "img000001.jpg"
    # A tenth of 1920 x 1200; 17.6 mm over 5.86 um.
    assert sample.intrinsics[0, 0].item() == pytest.approx(300.341, abs=1e-3)
    assert sample.intrinsics[0, 2].item() == pytest.approx(95.5)
    assert len(open_speed(root, "real")) == 2
    with pytest.raises(
        ValueError, match=r"test.json: expected pictures with labels, got 2 without a label.*not in the fi"
    ):
        open_dataset(root, "test")


def test_a_store_is_cropped_around_the_object(write_spacecraft: Write):
    reader = open_speedplus(write_spacecraft("speedplus") / "lightbox", "test")
    store = ImageStore.from_reader(reader, size=48, progress=False)
    assert store.translations is not None and store.images.float().std() > 5
    centre = project(reader.info.centres, store.rotations, store.translations, store.intrinsics)
    torch.testing.assert_close(centre, torch.full_like(centre, 23.5), atol=1e-3, rtol=0)


def test_the_lens_bends_as_the_authors_write_it_and_straightening_inverts_it(through_lens, tmp_path: Path):
    camera = replace(SPEEDPLUS_CAMERA.resized(96, 60), lens=(-0.2238, 0.5141, -0.00066, -0.00021, -0.1312))
    points = torch.randn(50, 3, dtype=torch.float64) * 0.3 + torch.tensor([0, 0, 2.0])
    flat = (points[:, :2] / points[:, 2:]).numpy()
    expected = through_lens(flat) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    assert np.abs(camera.project(points).numpy() - expected).max() < 1e-9
    # A picture whose values are its own columns: straightened, each pixel holds the column it is taken from.
    columns = torch.arange(96.0).expand(1, 60, 96)
    straight = camera.straighten(columns)
    u, v = 70, 20
    ray = torch.tensor([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0], dtype=torch.float64)
    assert straight[0, v, u].item() == pytest.approx(camera.project(ray)[0].item(), abs=1e-3)
    assert SPEED_CAMERA.straighten(columns) is columns


def test_the_corner_of_speedplus_moves_by_its_25_pixels():
    ray = torch.tensor([960 / SPEEDPLUS_CAMERA.fx, 600 / SPEEDPLUS_CAMERA.fy, 1.0], dtype=torch.float64)
    moved = SPEEDPLUS_CAMERA.project(ray) - torch.tensor([1919.5, 1199.5], dtype=torch.float64)
    assert 20 < moved.norm().item() < 30


def test_the_ball_around_tango_holds_its_points():
    reach = (TANGO.points - TANGO.centre).norm(dim=1).max().item()
    assert reach <= TANGO.radius and reach == pytest.approx(TANGO.radius, abs=2e-4)


# Each is done to the first entries of a list: what the note then says.
DAMAGES = {
    "no label": (lambda e: e[0].pop("q_vbs2tango_true"), r"1 without a label \(img000001.jpg\)"),
    "three numbers": (lambda e: e[0].update(q_vbs2tango_true=[1, 0, 0]), "1 with a label other than 4 and 3 numbers"),
    "text": (lambda e: e[0].update(r_Vo2To_vbs_true=["a", 0, 1]), "1 with a label other than 4 and 3 numbers"),
    "not a number": (lambda e: e[0].update(r_Vo2To_vbs_true=[float("nan"), 0, 1]), "1 with a label other than 4"),
    "length": (
        lambda e: e[0].update(q_vbs2tango_true=[2, 0, 0, 0]),
        r"1 with a quaternion not of unit length \(img000001.jpg: 2\)",
    ),
    "zero": (lambda e: e[0].update(r_Vo2To_vbs_true=[0, 0, 0]), r"1 at distance zero \(img000001.jpg\)"),
    "behind": (lambda e: e[0].update(r_Vo2To_vbs_true=[0, 0, -3]), r"1 behind the camera \(img000001.jpg: z = -3 m\)"),
    "no picture": (lambda e: e[0].update(filename="img9.jpg"), r"1 without a picture \(img9.jpg\)"),
    "twice": (lambda e: e[0].update(filename=e[1]["filename"]), r"1 listed twice \(img000002.jpg\)"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_faulty_labels_are_counted_named_and_left_out_or_fatal(write_spacecraft: Write, kind: str):
    root = write_spacecraft("speedplus")
    file = root / "synthetic" / "train.json"
    damage, told = DAMAGES[kind]
    listed = json.loads(file.read_text())
    damage(listed)
    file.write_text(json.dumps(listed))
    with pytest.warns(UserWarning, match=f"1 of 4 samples left out: {told}"):
        assert len(open_dataset(root, "train")) == 3
    with pytest.raises(ValueError, match=f"expected 4 sound samples, got {told}"):
        open_dataset(root, "train", on_fault="fail")


def test_a_picture_without_its_mask_is_a_fault(write_spacecraft: Write):
    root = write_spacecraft("speedplus")
    (root / "synthetic" / "masks" / "img000002.png").unlink()
    with pytest.warns(UserWarning, match=r"1 without a mask \(img000002.jpg\)"):
        assert len(open_dataset(root, "train")) == 3
    small = root / "synthetic" / "masks" / "img000001.png"
    small.write_bytes((root / "lightbox" / "images" / "img000101.jpg").read_bytes())
    import PIL.Image

    PIL.Image.new("L", (10, 10)).save(small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = open_dataset(root, "train")
    with pytest.raises(ValueError, match=r"expected a mask of 192 x 120 pixels as its picture, got 10 x 10"):
        reader[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"filename": "img000001.jpg", "q_vbs', "expected a whole JSON list, got"),
        ('[{"filename": 3}]', "entry 0: expected a filename, got 3"),
        ('["filename"]', "expected a JSON list of objects"),
        ("[]", "expected pictures with labels, got 0 in all"),
    ],
)
def test_broken_lists_are_one_line(write_spacecraft: Write, content: str, message: str):
    root = write_spacecraft("speedplus")
    (root / "synthetic" / "train.json").write_text(content)
    with pytest.raises(ValueError, match=message) as told:
        open_dataset(root, "train")
    assert "train.json" in str(told.value) and "\n" not in str(told.value)


def test_a_domain_without_labels_and_a_set_without_camera_are_named(write_spacecraft: Write):
    root = write_spacecraft("speedplus")
    (root / "sunlamp" / "test.json").unlink()
    with pytest.raises(FileNotFoundError, match="sunlamp: expected labels in one of train.json, validation.json"):
        open_dataset(root, "sunlamp")
    (root / "camera.json").unlink()
    with pytest.raises(FileNotFoundError, match="camera.json: expected the camera, got no such file"):
        open_dataset(root, "train")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("Nu", None, "expected the picture's size in pixels as Nu and Nv"),
        ("cameraMatrix", [1, 2], "expected cameraMatrix as 3 x 3 numbers, got"),
        ("cameraMatrix", [[-3, 0, 1], [0, 3, 1], [0, 0, 1]], "focal lengths above zero and no skew"),
        ("distCoeffs", ["a"] * 5, "expected distCoeffs as 5 numbers"),
    ],
)
def test_a_wrong_camera_is_named(write_spacecraft: Write, key: str, value: object, message: str):
    file = write_spacecraft("speedplus") / "camera.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(ValueError, match=message):
        read_lens_camera(file)


def test_broken_tables_are_named(write_spacecraft: Write):
    root = write_spacecraft("speedplus_table")
    file = root / "synthetic" / "labels" / "train.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], lines[1].rsplit(", ", 1)[0]]))
    with pytest.raises(ValueError, match=r"train.csv: line 2: expected file, q \(4\) and r \(3\), got 7 columns"):
        open_dataset(root, "train")
    file.write_text("\n".join(["img000001.jpg, a, 0, 0, 0, 0, 0, 3", *lines[1:]]))
    with pytest.warns(UserWarning, match="1 with a label other than 4 and 3 numbers"):
        assert len(open_dataset(root, "train")) == 3
    with pytest.raises(FileNotFoundError, match="expected a table of labels, got no such file"):
        open_speedplus_table(root / "synthetic", "test")
    (root / "synthetic" / "images_144x96_RGB").rename(root / "synthetic" / "pictures")
    with pytest.raises(FileNotFoundError, match="expected a folder images_768x512_RGB"):
        open_speedplus_table(root / "synthetic", "train")
