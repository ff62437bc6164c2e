"""SYMSOL: its labels, equivalents and groups, from a folder and from a zip file, and what is said of damage."""

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from armillary.data import open_dataset
from armillary.data.published import Symsol
from armillary.data.published.member_group import member_group
from armillary.so3 import geodesic_distance

WritePublished = Callable[[str], Path]
# float32 labels.
TOLERANCE = 1e-5


@pytest.mark.parametrize("kind", ["symsol", "symsol_zip"])
def test_the_first_member_is_the_label(write_published: WritePublished, symsol: SimpleNamespace, kind: str):
    reader = open_dataset(write_published(kind), "test")
    written = symsol.rotations("test")
    assert reader.info.categories == ("tet", "cube", "cone", "cyl", "sphereX")
    assert len(reader) == sum(symsol.solids.values())
    for index in range(len(reader)):
        sample = reader[index]
        shape, view = sample.name.split("_")
        assert reader.info.categories[sample.category] == shape
        expected = torch.from_numpy(written[shape][int(view), 0])
        torch.testing.assert_close(sample.rotation, expected, atol=TOLERANCE, rtol=0)


def test_a_random_label_is_one_of_the_members_and_follows_the_seed(write_published: WritePublished):
    folder = write_published("symsol")
    labels = [Symsol(folder, label="random", seed=seed).rotations for seed in (0, 0, 1)]
    assert torch.equal(labels[0], labels[1]) and not torch.equal(labels[0], labels[2])
    every = Symsol(folder, label="all")
    for index in range(len(every)):
        assert geodesic_distance(every[index].equivalents, labels[0][index]).min() < 1e-3


def test_all_members_come_as_equivalents(write_published: WritePublished, symsol: SimpleNamespace):
    reader = Symsol(write_published("symsol"), label="all")
    for index in range(len(reader)):
        sample = reader[index]
        shape, view = sample.name.split("_")
        expected = torch.from_numpy(symsol.rotations("train")[shape][int(view)])
        torch.testing.assert_close(sample.equivalents, expected, atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(sample.rotation, sample.equivalents[0], atol=TOLERANCE, rtol=0)


def test_the_group_is_measured_in_whatever_frame_the_model_has(write_published: WritePublished):
    reader = Symsol(write_published("symsol"), label="all")
    orders = dict(zip(reader.info.categories, (group.order for group in reader.info.symmetries), strict=True))
    assert orders == {"tet": 12, "cube": 24, "cone": math.inf, "cyl": math.inf, "sphereX": 1}
    assert set(reader.member_sides) == {"right"}
    for index in range(len(reader)):
        sample = reader[index]
        group = reader.info.symmetries[sample.category]
        # Every member is the label up to the group: nothing is left but the rounding of float32.
        assert group.distance(sample.rotation.double(), sample.equivalents.double()).max() < 1e-3


def test_members_on_the_left_make_no_group_of_the_object(symsol: SimpleNamespace):
    labels = symsol.rotations("train")["tet"].swapaxes(-1, -2)
    group, side = member_group(labels, continuous=False)
    assert (group.order, side) == (1, "left")


def test_members_that_make_no_group_are_told_apart():
    rng = np.random.default_rng(0)
    labels = np.linalg.qr(rng.normal(size=(3, 5, 3, 3)))[0]
    labels *= np.linalg.det(labels)[..., None, None]
    assert member_group(labels, continuous=False)[1] == "none"


def test_shapes_and_the_number_of_views_can_be_chosen(write_published: WritePublished):
    folder = write_published("symsol")
    reader = Symsol(folder, "train", shapes=("cube", "sphereX"), views=1)
    assert reader.names == ("cube_00000", "sphereX_00000")
    assert open_dataset(folder, "symsol2-train").info.categories == ("sphereX",)
    assert open_dataset(folder, "symsol1-test").info.categories == ("tet", "cube", "cone", "cyl")
    with pytest.raises(ValueError, match="expected other shapes, got tet"):
        Symsol(folder, shapes=("tetX",))
    with pytest.raises(ValueError, match="expected a split among train, test, symsol1-train"):
        open_dataset(folder, "tetX-train")
    with pytest.raises(ValueError, match="expected shapes among tet.*got box"):
        Symsol(folder, shapes=("box",))


def test_a_reader_goes_to_other_processes(write_published: WritePublished):
    reader = open_dataset(write_published("symsol_zip"), "train")
    assert torch.equal(pickle.loads(pickle.dumps(reader))[2].image, reader[2].image)


def test_views_without_picture_or_rotation_are_counted(write_published: WritePublished):
    folder = write_published("symsol")
    images = folder / "train" / "images"
    (images / "tet_00001.png").unlink()
    (images / "cone_00000.png").rename(images / "cone_00009.png")
    arrays = dict(np.load(folder / "train" / "rotations.npz"))
    arrays["cube"][2] *= 1.5
    np.savez(folder / "train" / "rotations.npz", **arrays)
    with pytest.warns(UserWarning, match="4 of 13 samples left out") as told:
        reader = open_dataset(folder, "train")
    assert "2 without a picture (tet_00001, cone_00000)" in str(told[0].message)
    assert "2 without a rotation (cube_00002, cone_00009.png)" in str(told[0].message)
    assert len(reader) == 9 and "tet_00001" not in reader.names
    with pytest.raises(ValueError, match="expected 13 sound samples"):
        Symsol(folder, on_fault="fail")


def test_damaged_rotations_are_named(write_published: WritePublished):
    folder = write_published("symsol")
    file = folder / "train" / "rotations.npz"
    arrays = dict(np.load(file))
    np.savez(file, **{**arrays, "tet": arrays["tet"][:, 0]})
    with pytest.raises(ValueError, match=r"rotations\.npz: shape tet: got an array \(3, 3, 3\)"):
        open_dataset(folder, "train")
    np.savez(file, **arrays)
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"rotations\.npz: expected an npz file"):
        open_dataset(folder, "train")


def test_a_damaged_picture_is_named(write_published: WritePublished):
    folder = write_published("symsol")
    (folder / "train" / "images" / "cube_00001.png").write_bytes(b"no picture")
    reader = open_dataset(folder, "train")
    with pytest.raises(ValueError, match="cube_00001.png: expected a readable picture, got 'cannot identify"):
        reader[reader.names.index("cube_00001")]
