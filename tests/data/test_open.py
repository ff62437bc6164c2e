"""What `open_dataset` takes a path for, and what it says when it cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from armillary.data import BopReader, dataset_splits, open_dataset


def test_a_dataset_with_several_splits_wants_one_named(write_miniature: Callable[[str], Path]):
    folder = write_miniature("bop")
    (folder / "test").rename(folder / "train_pbr")
    assert dataset_splits(folder) == ("train_pbr",)
    assert isinstance(open_dataset(folder), BopReader)
    (folder / "val" / "000001").mkdir(parents=True)
    (folder / "val" / "000001" / "scene_gt.json").write_text("{}")
    assert dataset_splits(folder) == ("train_pbr", "val")
    with pytest.raises(ValueError, match="got train_pbr, val; name one"):
        open_dataset(folder)
    with pytest.raises(ValueError, match="did you mean 'train_pbr'"):
        open_dataset(folder, "train_pr")
    assert len(open_dataset(folder, "train_pbr")) == 5


def test_a_folder_of_train_and_test_files_has_splits(write_miniature: Callable[[str], Path]):
    folder = write_miniature("npz").parent
    for split in ("train", "test"):
        (folder / split).mkdir()
    (folder / "photos.npz").rename(folder / "train" / "photos.npz")
    (folder / "test" / "photos.npz").write_bytes((folder / "train" / "photos.npz").read_bytes())
    assert dataset_splits(folder) == ("test", "train")
    assert len(open_dataset(folder, "test")) == 5


def test_nerf_files_per_split_are_splits(write_miniature: Callable[[str], Path]):
    folder = write_miniature("nerf")
    (folder / "transforms.json").rename(folder / "transforms_train.json")
    (folder / "transforms_test.json").write_bytes((folder / "transforms_train.json").read_bytes())
    assert dataset_splits(folder) == ("test", "train")
    assert len(open_dataset(folder, "train")) == 5


def test_a_split_asked_of_a_dataset_without_splits_is_refused(write_miniature: Callable[[str], Path]):
    with pytest.raises(ValueError, match="leave the split 'train' out"):
        open_dataset(write_miniature("npz"), "train")


def test_a_mistyped_path_suggests_the_nearest(write_miniature: Callable[[str], Path]):
    path = write_miniature("npz")
    with pytest.raises(FileNotFoundError, match="did you mean .*photos.npz"):
        open_dataset(path.with_name("photo.npz"))


def test_a_folder_of_something_else_lists_what_was_looked_for(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"expected a BOP split.*transforms.json.*got notes.txt"):
        open_dataset(tmp_path)


def test_faulty_samples_are_fatal_if_asked(tmp_path: Path):
    images = np.zeros((3, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "a.npz", imgs=images, rots=np.stack([np.eye(3)] * 2), cat_ids=np.zeros(3, int))
    with pytest.warns(UserWarning, match="1 of 3 samples left out: 1 without rots .number 2"):
        assert len(open_dataset(tmp_path)) == 2
    with pytest.raises(ValueError, match="expected 3 sound samples, got 1 without rots"):
        open_dataset(tmp_path, on_fault="fail")


def test_a_file_that_is_no_archive_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "photos.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="photos.npz: expected an npz file") as caught:
        open_dataset(tmp_path / "photos.npz")
    assert "\n" not in str(caught.value)
