"""BOP datasets: models, visibility, and what is refused; the laws of all readers are in ``test_readers.py``."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import open_dataset, project

WriteMiniature = Callable[[str], Path]


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
    folder = Path(__file__).parents[3] / ".." / "shared" / "data" / "tudl_render_bop"
    if not folder.is_dir():
        pytest.skip("needs tudl_render_bop beside the checkout")
    with pytest.warns(UserWarning, match="models_info.json: no such file, so symmetries"):
        reader = open_dataset(folder)
    sample = reader[5]
    assert len(reader) == 100 and sample.mask.any()
    # The object's origin lies inside the dragon: its projection is close to the mask.
    pixel = project(torch.zeros(1, 3), sample.rotation, sample.translation, sample.intrinsics)[0]
    middle = sample.mask.nonzero().float().mean(0).flip(0)
    assert torch.linalg.vector_norm(pixel - middle) < 40


def test_whole_numbers_may_stand_without_a_point(write_miniature: WriteMiniature, edit_json):
    folder = write_miniature("bop")
    scene = folder / "test" / "000002"
    identity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    pose = {"cam_R_m2c": identity, "cam_t_m2c": [0, -20, 500]}
    edit_json(scene / "scene_gt.json", lambda record: record["7"][0].update(pose))
    edit_json(scene / "scene_camera.json", lambda record: record["7"].update(cam_K=[150, 0, 33, 0, 154, 31, 0, 0, 1]))
    box = {"min_x": -50, "min_y": -20, "min_z": 0, "size_x": 140, "size_y": 50, "size_z": 60, "diameter": 160}
    half_turn = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    models = folder / "models" / "models_info.json"
    edit_json(models, lambda record: record["4"].update({**box, "symmetries_discrete": [half_turn]}))
    reader = open_dataset(folder)
    sample = reader[1]
    assert torch.equal(sample.rotation, torch.eye(3))
    assert torch.allclose(sample.translation, torch.tensor([0.0, -0.02, 0.5]))
    assert torch.equal(sample.intrinsics, torch.tensor([[150.0, 0, 33], [0, 154, 31], [0, 0, 1]]))
    assert torch.allclose(reader.info.centres[0], torch.tensor([0.02, 0.005, 0.03]))
    assert reader.info.symmetries[0].order == 2


@pytest.mark.parametrize("value", [[1.0, 2.0], None, "1 0 0", [1.0, 2.0, "x"]])
def test_entries_that_are_no_numbers_are_named_with_their_image(write_miniature: WriteMiniature, edit_json, value):
    folder = write_miniature("bop")
    file = folder / "test" / "000002" / "scene_gt.json"
    edit_json(file, lambda record: record["14"][0].update(cam_t_m2c=value))
    with pytest.raises(ValueError, match=r"000002: image 14: expected 3 numbers cam_t_m2c, got .*; correct"):
        open_dataset(folder)
