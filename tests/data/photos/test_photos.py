"""Photographs with poses: what each format says of its cameras, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import open_dataset
from armillary.data.photos import read_nerf

WriteMiniature = Callable[[str], Path]


def _corrupt_picture(folder: Path) -> None:
    (folder / "images" / "shot 1.png").write_bytes(b"not a picture")


def _empty_picture(folder: Path) -> None:
    (folder / "images" / "shot 1.png").write_bytes(b"")


def _cut_picture(folder: Path) -> None:
    file = folder / "images" / "shot 1.png"
    file.write_bytes(file.read_bytes()[:-60])


@pytest.mark.parametrize("damage", [_corrupt_picture, _empty_picture, _cut_picture])
def test_an_unreadable_picture_is_named(write_miniature: WriteMiniature, damage: Callable[[Path], None]):
    folder = write_miniature("colmap")
    damage(folder)
    with pytest.raises(ValueError, match=r"shot 1.png: expected a readable picture.*replace it"):
        open_dataset(folder)[1]


@pytest.mark.parametrize("kind", ["colmap", "nerf"])
def test_a_missing_picture_is_named_on_opening(write_miniature: WriteMiniature, kind: str):
    folder = write_miniature(kind)
    (folder / "images" / "shot 2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"shot 2.png.*restore or drop it"):
        open_dataset(folder)


def test_nerf_takes_the_field_of_view_and_centres_the_principal_point(write_miniature: WriteMiniature, shots):
    folder = write_miniature("nerf")
    file = folder / "transforms.json"
    frames = json.loads(file.read_text())["frames"]
    file.write_text(json.dumps({"camera_angle_x": 2 * np.arctan(36 / 150), "frames": frames}))
    intrinsics = open_dataset(folder)[0].intrinsics
    assert torch.allclose(intrinsics, torch.tensor([[150.0, 0, 35.5], [0, 150, 29.5], [0, 0, 1]]), atol=1e-4)


def test_nerf_frames_may_have_their_own_focal_length(write_miniature: WriteMiniature, edit_json):
    folder = write_miniature("nerf")
    edit_json(folder / "transforms.json", lambda record: record["frames"][2].update(fl_x=99))
    reader = open_dataset(folder)
    assert reader[2].intrinsics[0, 0] == 99 and reader[1].intrinsics[0, 0] == 150


def test_lens_distortion_is_ignored_with_a_warning(write_miniature: WriteMiniature, edit_json):
    folder = write_miniature("nerf")
    file = folder / "transforms.json"
    edit_json(file, lambda record: record.update(k1=0.1))
    with pytest.warns(UserWarning, match="distortion is ignored"):
        read_nerf(file)
    folder = write_miniature("colmap")
    cameras = folder / "sparse" / "0" / "cameras.txt"
    cameras.write_text("3 SIMPLE_RADIAL 72 60 150 33.5 31.5 0.02\n")
    with pytest.warns(UserWarning, match="SIMPLE_RADIAL"):
        assert torch.equal(open_dataset(folder)[0].intrinsics[:2, 2], torch.tensor([33.0, 31.0]))


def test_an_unknown_colmap_camera_model_is_refused_with_the_way_out(write_miniature: WriteMiniature):
    folder = write_miniature("colmap")
    (folder / "sparse" / "0" / "cameras.txt").write_text("3 OPENCV_FISHEYE 72 60 1 2 3 4 5 6 7 8\n")
    with pytest.raises(ValueError, match="undistort with"):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,q1,q2,q3,q4", "order is known"),
        ("file,qx,qy,qz,qw,tx", "tx,ty,tz or none"),
        ("", "no header"),
    ],
)
def test_a_table_must_name_its_columns(tmp_path: Path, header: str, message: str):
    (tmp_path / "poses.csv").write_text(header + "\na.png,0,0,0,1,0\n")
    with pytest.raises(ValueError, match=message):
        open_dataset(tmp_path)


def test_a_quaternion_far_from_unit_length_is_refused(tmp_path: Path):
    (tmp_path / "poses.csv").write_text("file,qw,qx,qy,qz\na.png,1,1,0,0\n")
    with pytest.raises(ValueError, match=r"row 0 \(a.png\): expected a unit quaternion, got length 1.41"):
        open_dataset(tmp_path)
