"""Laws every reader obeys, on a miniature in its exact format, and what it says of damaged input."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import Sample, collate, open_dataset, project
from armillary.data.photos import read_nerf
from armillary.so3 import rotation_defect

WriteMiniature = Callable[[str], Path]


def test_every_reader_gives_the_pictures_and_poses_that_were_written(miniature, shots):
    reader = open_dataset(miniature)
    assert len(reader) == len(shots)
    assert len({reader[index].name for index in range(len(reader))}) == len(reader)
    for index, shot in enumerate(shots):
        sample = reader[index]
        assert sample.image.shape == (3, *shot.mask.shape)
        assert 0 <= sample.image.min() and sample.image.max() <= 1
        inside = torch.from_numpy(shot.mask)
        expected = torch.from_numpy(shot.image).permute(2, 0, 1) / 255
        assert (sample.image - expected)[:, inside].abs().max() < 1e-6
        # float32, through text of nine decimals and a 4 x 4 inverse.
        assert torch.allclose(sample.rotation.double(), torch.from_numpy(shot.rotation), atol=1e-6)
        assert torch.allclose(sample.translation.double(), torch.from_numpy(shot.translation), atol=1e-6)
        assert torch.allclose(sample.intrinsics.double(), torch.from_numpy(shot.intrinsics), atol=1e-4)
        assert bool((sample.mask == inside).all())


def test_every_reader_obeys_the_law_of_reprojection(miniature, box_corners):
    corners = torch.from_numpy(box_corners).float()
    reader = open_dataset(miniature)
    for index in range(len(reader)):
        sample = reader[index]
        assert rotation_defect(sample.rotation) < 1e-6
        pixels = project(corners, sample.rotation, sample.translation, sample.intrinsics)
        rows, columns = sample.mask.nonzero().unbind(1)
        # The miniature draws its outline at rounded pixels: half a pixel, and float32.
        for values, found in ((pixels[:, 0], columns), (pixels[:, 1], rows)):
            assert values.min().item() == pytest.approx(found.min().item(), abs=0.51)
            assert values.max().item() == pytest.approx(found.max().item(), abs=0.51)


def test_the_same_index_gives_the_same_sample(miniature):
    reader = open_dataset(miniature)
    assert torch.equal(reader[3].image, reader[3].image) and reader[3].name == reader[3].name
    assert 0 <= reader[3].category < len(reader.info.categories)


def test_samples_collate_into_a_batch(miniature):
    reader = open_dataset(miniature)
    batch = collate([reader[index] for index in range(3)])
    assert batch.images.shape[0] == 3 and batch.translations is not None and batch.intrinsics is not None


def test_collate_refuses_pictures_of_different_sizes():
    with pytest.raises(ValueError, match="build an ImageStore"):
        collate([Sample(torch.zeros(3, 4, 4), torch.eye(3)), Sample(torch.zeros(3, 4, 5), torch.eye(3))])


def test_a_matrix_that_is_no_rotation_is_named_with_its_defect(write_miniature: WriteMiniature):
    path = write_miniature("npz")
    arrays = dict(np.load(path))
    arrays["R"][3] *= 1.02
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"sample 3 \(shot 3.png\): matrix is no rotation, defect 0.0612.*divide out"):
        open_dataset(path)


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [(np.diag([1.0, 1, -1]), "reflection"), (np.full((3, 3), np.nan), "NaN"), (np.diag([1.0, 1, 0.5]), "drop this")],
)
def test_the_remedy_fits_the_damage(write_miniature: WriteMiniature, damage: np.ndarray, remedy: str):
    path = write_miniature("npz")
    arrays = dict(np.load(path))
    arrays["R"][0] = damage
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=remedy):
        open_dataset(path)


def test_rounded_labels_are_projected_onto_rotations(write_miniature: WriteMiniature):
    path = write_miniature("npz")
    arrays = dict(np.load(path))
    arrays["R"] = arrays["R"].round(4)
    np.savez(path, **arrays)
    assert rotation_defect(open_dataset(path)[0].rotation) < 1e-6


def test_translations_and_intrinsics_may_be_absent(write_miniature: WriteMiniature):
    path = write_miniature("npz")
    arrays = dict(np.load(path))
    np.savez(path, image=arrays["image"], R=arrays["R"])
    sample = open_dataset(path)[0]
    assert sample.translation is None and sample.intrinsics is None and sample.mask is None


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


def test_nerf_frames_may_have_their_own_focal_length(write_miniature: WriteMiniature):
    folder = write_miniature("nerf")
    file = folder / "transforms.json"
    record = json.loads(file.read_text())
    record["frames"][2]["fl_x"] = 99.0
    file.write_text(json.dumps(record))
    reader = open_dataset(folder)
    assert reader[2].intrinsics[0, 0] == 99 and reader[1].intrinsics[0, 0] == 150


def test_lens_distortion_is_ignored_with_a_warning(write_miniature: WriteMiniature):
    folder = write_miniature("nerf")
    file = folder / "transforms.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "k1": 0.1}))
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


@pytest.mark.parametrize("name", ["scene_camera.json", "rgb/000007.png", "mask_visib/000007_000000.png"])
def test_a_missing_bop_file_is_named_with_the_remedy(write_miniature: WriteMiniature, name: str):
    folder = write_miniature("bop")
    (folder / "test" / "000002" / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{Path(name).name}: expected .*; repeat the same 'armillary render'"):
        open_dataset(folder)


def test_bop_models_give_symmetry_and_a_bounding_sphere(write_miniature: WriteMiniature, box_corners):
    info = open_dataset(write_miniature("bop")).info
    assert info.categories == ("obj_000004",) and info.symmetries[0].order == 2
    assert torch.allclose(info.centres[0].double(), torch.from_numpy(box_corners.mean(0)), atol=1e-6)
    assert info.radii[0].item() == pytest.approx(np.linalg.norm(np.ptp(box_corners, 0)) / 2, rel=1e-5)


def test_objects_all_but_hidden_are_left_out(write_miniature: WriteMiniature, shots):
    reader = open_dataset(write_miniature("bop"))
    assert len(reader) == len(shots)


def test_bop_json_that_does_not_parse_is_named(write_miniature: WriteMiniature):
    folder = write_miniature("bop")
    (folder / "test" / "000002" / "scene_gt.json").write_text('{"0": [')
    with pytest.raises(ValueError, match="scene_gt.json: expected JSON"):
        open_dataset(folder)


def test_a_real_bop_dataset_reads():
    folder = Path(__file__).parents[2] / ".." / "shared" / "data" / "tudl_render_bop"
    if not folder.is_dir():
        pytest.skip("needs tudl_render_bop beside the checkout")
    reader = open_dataset(folder)
    sample = reader[5]
    assert len(reader) == 100 and sample.mask.any()
    # The object's origin lies inside the dragon: its projection is close to the mask.
    pixel = project(torch.zeros(1, 3), sample.rotation, sample.translation, sample.intrinsics)[0]
    middle = sample.mask.nonzero().float().mean(0).flip(0)
    assert torch.linalg.vector_norm(pixel - middle) < 40
