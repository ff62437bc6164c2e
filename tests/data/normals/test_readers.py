"""Every reader gives the same scene; what is no normal is refused in one line."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from armillary.data.normals import NormalReader, NormalSample, normal_splits, open_normals
from armillary.data.normals.normal_folder import write_sample
from armillary.data.normals.sample import checked_sample
from armillary.data.normals.surface_normal_database import SurfaceNormalDatabase

REAL = Path(__file__).parents[4] / "shared" / "data" / "nyuv2_normals"


def write_folder(root: Path, scene: SimpleNamespace, names: tuple[str, ...]) -> Path:
    for name, image, normal, mask in zip(names, scene.images, scene.normals, scene.mask, strict=True):
        arrays = (torch.from_numpy(each).float().permute(2, 0, 1) for each in (image / 255, normal))
        write_sample(root, NormalSample(*arrays, torch.from_numpy(mask), name))
    return root


# For each format its writer, and how far off its rounding leaves a coordinate: half a step of the code, at its ends a
# whole one, and as much again by making normals unit; halves of floats have steps of 5e-4.
WRITERS = {
    "npz": (lambda root, scene, writers: writers.npz(root / "frames.npz", scene), 1e-3),
    "folder": (lambda root, scene, writers: write_folder(root, scene, writers.names), 1e-4),
    "pbrs": (lambda root, scene, writers: writers.pbrs(root, scene), 2 / 128),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_readers_give_the_scene_as_written(kind, scene, writers, tmp_path):
    write, tolerance = WRITERS[kind]
    reader = open_normals(write(tmp_path, scene, writers))
    assert len(reader) == len(writers.names)
    for index in range(len(reader)):
        check(reader, index, scene, index, tolerance)


def check(reader: NormalReader, index: int, scene: SimpleNamespace, truth: int, tolerance: float) -> None:
    sample = reader[index]
    assert sample.image.min() >= 0 and sample.image.max() <= 1
    assert np.abs(sample.image.permute(1, 2, 0).numpy() * 255 - scene.images[truth]).max() < 1e-3
    assert np.array_equal(sample.mask.numpy(), scene.mask[truth])
    length = torch.linalg.vector_norm(sample.normals, dim=0)
    assert ((length - 1).abs() < 1e-5)[sample.mask].all() and (length[~sample.mask] == 0).all()
    assert (sample.normals[2] <= 0).all()
    assert np.abs(sample.normals.permute(1, 2, 0).numpy() - scene.normals[truth]).max() < tolerance


def test_nyu_has_two_parts_and_two_kinds_of_normals_and_needs_no_write_permission(scene, writers, tmp_path):
    root = writers.nyu(tmp_path / "nyu_v2", scene)
    for path in root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert normal_splits(root) == ("train", "test")
    train, test = open_normals(root), open_normals(root, "test")
    assert (len(train), len(test)) == (2, 1)
    assert "Ladicky" in str(train.normals.folder) and "Ladicky" not in str(test.normals.folder)
    check(train, 1, scene, 1, 2 / 128)
    check(test, 0, scene, 2, 2 / 128)


def test_damaged_databases_are_named(scene, writers, tmp_path):
    root = writers.nyu(tmp_path / "nyu_v2", scene)
    (root / "trainNdxs.txt").write_text("train/0001\ntrain/0009\n")
    with pytest.raises(ValueError, match="expected a picture named 0009, got none"):
        open_normals(root)[1]
    (root / "testNdxs.txt").write_text("0005\n")
    with pytest.raises(ValueError, match="testNdxs.txt: expected lines folder/name, got '0005'"):
        open_normals(root, "test")
    (root / "NormCamera_Ladicky.Rawpng.lmdb" / "remap.yml").write_text("min: -1")
    with pytest.raises(ValueError, match="remap.yml: expected normals of 8 or 16 bits"):
        open_normals(root)
    for name in ("trainNdxs.txt", "testNdxs.txt"):
        (root / name).unlink()
    with pytest.raises(FileNotFoundError, match="expected trainNdxs.txt, testNdxs.txt or data_goodlist_v2.txt"):
        open_normals(root)


def test_surfaces_turned_away_are_taken_to_the_edge_as_the_original_does(scene, writers, tmp_path):
    root = writers.nyu(tmp_path / "nyu_v2", scene, kinds=("",))
    stored = np.full((24, 32, 3), 128, np.uint8)
    # x, z away and y up, all 0.5; z becomes 0.
    stored[0, 0] = 192
    writers.database(tmp_path / "other", {writers.names[2]: writers.png(stored)})
    (tmp_path / "other" / "data.mdb").rename(root / "NormCamera.Rawpng.lmdb" / "data.mdb")
    sample = SurfaceNormalDatabase(root, "test")[0]
    half = 0.5**0.5
    assert (sample.normals[:, 0, 0] - torch.tensor([half, -half, 0.0])).abs().max() < 1e-6
    # The middle of the code is no normal, whatever the mask says.
    assert int(sample.mask.sum()) == 1


def test_a_folder_of_npz_files_has_them_as_parts(scene, writers, tmp_path):
    for part in ("train", "val"):
        writers.npz(tmp_path / f"{part}.npz", scene)
    assert normal_splits(tmp_path) == ("train", "val")
    assert open_normals(tmp_path).source.endswith("train.npz")
    assert open_normals(tmp_path, prefer=("test", "val")).source.endswith("val.npz")
    with pytest.raises(ValueError, match="expected a part among train, val, got 'tset'"):
        open_normals(tmp_path, "tset")


def sample_of(scene: SimpleNamespace, **changes: torch.Tensor) -> NormalSample:
    image, normals = (
        torch.from_numpy(each[0]).float().permute(2, 0, 1) for each in (scene.images / 255, scene.normals)
    )
    parts = {"image": image, "normals": normals, "mask": torch.from_numpy(scene.mask[0]), **changes}
    return checked_sample(**parts, name="7", source="frames")


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "5 of zero length"), (float("nan"), "5 with NaN or infinity"), (3.0, "5 of another length; scale them")],
)
def test_what_is_no_unit_normal_is_refused(value, told, scene):
    normals = sample_of(scene).normals.clone()
    normals[:, 0, :5] = value
    with pytest.raises(ValueError, match=f"frames: picture 7: expected unit normals .* got {told}"):
        sample_of(scene, normals=normals)


def test_an_empty_mask_and_another_size_are_refused(scene):
    with pytest.raises(ValueError, match="got an empty mask; drop the picture"):
        sample_of(scene, mask=torch.zeros(24, 32, dtype=torch.bool))
    with pytest.raises(ValueError, match="expected a mask of 32 x 24 pixels as the picture, got 24 x 32"):
        sample_of(scene, mask=torch.ones(32, 24, dtype=torch.bool))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frames are not here")
def test_real_frames_have_floors_below_and_ceilings_above():
    reader = open_normals(REAL, "val")
    samples = [reader[index] for index in range(len(reader))]
    down = torch.stack([(sample.normals[1, 200:] < -0.8).sum() for sample in samples]).sum()
    up = torch.stack([(sample.normals[1, :90] > 0.8).sum() for sample in samples]).sum()
    wrong = torch.stack([(sample.normals[1, 200:] > 0.8).sum() for sample in samples]).sum()
    assert down > 1000 and up > 1000 and wrong < down / 20
