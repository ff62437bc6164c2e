"""Laws of every reader of a published data set, on miniatures in exactly the published format."""

import warnings
from pathlib import Path

import pytest
import torch

from armillary.data import ImageStore, collate, dataset_splits, open_dataset
from armillary.so3 import rotation_defect


def readers(path: Path) -> list:
    with warnings.catch_warnings():
        # What the miniature leaves out on purpose is told; other tests look at that.
        warnings.simplefilter("ignore")
        return [open_dataset(path, split) for split in dataset_splits(path)]


def test_every_split_is_recognised_and_holds_samples(published: Path):
    assert {"train", "test"} <= {*dataset_splits(published)}
    assert all(len(reader) > 0 for reader in readers(published))


def test_pictures_are_in_range_rotations_are_rotations_and_names_differ(published: Path):
    for reader in readers(published):
        samples = [reader[index] for index in range(len(reader))]
        assert len({sample.name for sample in samples}) == len(reader)
        for sample in samples:
            assert sample.image.shape[0] == 3 and 0 <= sample.image.min() and sample.image.max() <= 1
            assert rotation_defect(sample.rotation) < 1e-6
            assert 0 <= sample.category < len(reader.info.categories)


def test_the_same_index_gives_the_same_sample(published: Path):
    for one, other in zip(readers(published), readers(published), strict=True):
        for index in range(len(one)):
            assert torch.equal(one[index].image, other[index].image)
            assert torch.equal(one[index].rotation, other[index].rotation)
            assert one[index].name == other[index].name


def test_samples_become_a_store_and_batches(published: Path):
    reader = readers(published)[0]
    store = ImageStore.from_reader(reader, size=32, progress=False)
    assert store.images.shape == (len(reader), 3, 32, 32) and store.images.float().std() > 1
    assert collate([reader[0], reader[0]]).images.shape[0] == 2


def test_an_unknown_split_gets_the_nearest(published: Path):
    with pytest.raises(ValueError, match="did you mean 'train'"):
        open_dataset(published, "trian")
