"""Laws of siamese regression: its answers are rotations, and right ones cost nothing whatever the symmetry."""

import pytest
import torch

from armillary.models.siamese_regression import (
    SiameseRegression,
    SiameseRegressionConfig,
    gram_schmidt,
    nearest_right,
)
from armillary.models.spherical_regression import SphericalRegressionConfig
from armillary.so3 import SymmetryGroup, exp, geodesic_distance, random_rotations, rotation_defect, rotation_x

SMALL = SiameseRegressionConfig(image_size=32, hidden=64)
GROUPS = (
    SymmetryGroup.trivial(),
    SymmetryGroup.cyclic(3),
    SymmetryGroup.octahedral(),
    SymmetryGroup.axial(),
    SymmetryGroup.dihedral_axial().conjugate(rotation_x(torch.tensor(0.7, dtype=torch.float64))),
)


def test_six_numbers_are_a_rotation_that_keeps_rotations(generator, special_rotations):
    found = gram_schmidt(torch.randn(50, 6, generator=generator, dtype=torch.float64))
    assert rotation_defect(found).max() < 1e-12
    columns = special_rotations.mT[:, :2].flatten(1)
    assert (gram_schmidt(columns) - special_rotations).abs().max() < 1e-7  # the fixture's own rounding near pi


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_nearest_right_answer_is_as_near_as_the_symmetric_distance(group, generator):
    answer, first, second = random_rotations(3 * 40, generator=generator, dtype=torch.float64).reshape(3, 40, 3, 3)
    right = nearest_right(answer, first, second, [group])
    torch.testing.assert_close(geodesic_distance(answer, right), group.distance(answer @ second, first))
    assert group.distance(right @ second, first).max() < 1e-7  # it is right itself


def test_each_pair_has_its_own_group(generator):
    answer, first, second = random_rotations(3 * 10, generator=generator).reshape(3, 10, 3, 3)
    index = torch.arange(10) % len(GROUPS)
    together = nearest_right(answer, first, second, GROUPS, index)
    rows = zip(answer.split(1), first.split(1), second.split(1), index.tolist(), strict=True)
    alone = [nearest_right(a, q1, q2, [GROUPS[which]]) for a, q1, q2, which in rows]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("loss", ["frobenius", "geodesic"])
def test_one_batch_of_symmetric_objects_can_be_learned(loss):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = SiameseRegressionConfig(image_size=16, hidden=64, loss=loss).build().train()
    images = torch.rand(4, 3, 16, 16, generator=generator), torch.rand(4, 3, 16, 16, generator=generator)
    rotations = random_rotations(4, generator=generator), random_rotations(4, generator=generator)
    index = torch.tensor([0, 1, 2, 3])
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(50):
        optimiser.zero_grad()
        model.task_loss(images, rotations, GROUPS, index).backward()
        optimiser.step()
    answer = model(*images)
    errors = [GROUPS[i].distance(answer[i] @ rotations[1][i], rotations[0][i]) for i in range(4)]
    assert torch.stack(errors).max() < 0.3


def test_the_loss_is_the_distance_to_the_truth():
    model = SMALL.build().eval()
    images = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32)
    right, second = model(*images).detach(), random_rotations(3)
    assert model.task_loss(images, (right @ second, second)) < 1e-10
    off = exp(torch.tensor([0.0, 0.0, 0.5])) @ right @ second
    # Squared Frobenius distance of two rotations an angle t apart: 4 (1 - cos t).
    expected = 4 * (1 - torch.tensor(0.5).cos())
    torch.testing.assert_close(model.task_loss(images, (off, second)), expected)
    axial = model.task_loss(images, (right @ second @ exp(torch.tensor([0, 0, 0.9])), second), [SymmetryGroup.axial()])
    assert axial < 1e-10


def test_features_of_a_picture_serve_all_its_pairs():
    model = SMALL.build().eval()
    first, second = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    apart = model.rotation(model.features(first), model.features(second))
    torch.testing.assert_close(apart, model(first, second))


def test_a_saved_model_is_the_same(tmp_path):
    model = SMALL.build().eval()
    model.save_pretrained(tmp_path, {"name": "zoo"})
    again, images = SiameseRegression.from_pretrained(tmp_path), torch.rand(1, 3, 32, 32)
    assert again.config == SMALL and not again.training
    assert torch.equal(again(images, images.flip(-1)), model(images, images.flip(-1)))


def test_mistakes_are_named(tmp_path):
    SphericalRegressionConfig().build().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="a siamese regression, got .*'spherical_regression'"):
        SiameseRegression.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="saved model"):
        SiameseRegression.from_pretrained(tmp_path / "none")
    with pytest.raises(ValueError, match="32 x 32 px, got 48 x 48"):
        SMALL.build()(torch.rand(1, 3, 48, 48), torch.rand(1, 3, 48, 48))
    with pytest.raises(ValueError, match="image_size >= 16"):
        SiameseRegressionConfig(image_size=8)
    with pytest.raises(ValueError, match="hidden >= 1"):
        SiameseRegressionConfig(hidden=0)
