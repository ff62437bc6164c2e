"""Laws every reader obeys, on a miniature in its exact format, and what it says of damaged input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import Sample, collate, open_dataset, project
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
    with pytest.raises(ValueError, match=r"sample 3 \(shot 3.png\): matrix is no rotation, defect 0.0404.*divide out"):
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
