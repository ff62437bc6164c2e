"""Metrics on hand-computed cases."""

import math

import pytest
import torch

from armillary.distributions import Uniform
from armillary.evaluation import (
    accuracy_at,
    error_metrics,
    log_likelihood,
    median_error,
    nearest_neighbour,
    rotation_error,
    spread,
)
from armillary.so3 import SymmetryGroup, random_rotations, rotation_x, rotation_z


def test_the_error_of_an_equivalent_rotation_is_zero(generator):
    truth = random_rotations(5, generator=generator, dtype=torch.float64)
    group = SymmetryGroup.octahedral()
    other = truth @ group.elements().double()[7]
    assert (rotation_error(other, truth) > 1.0).all()
    # A distance near zero has the accuracy of the arithmetic: 1e-7 rad in float64 by any formula.
    assert (rotation_error(other, truth, group) < 1e-7).all()


def test_a_continuous_axis_leaves_the_angle_between_axes(generator):
    truth = random_rotations(5, generator=generator, dtype=torch.float64)
    tilt, turn = torch.tensor(0.3, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    predicted = truth @ rotation_x(tilt) @ rotation_z(turn)
    error = rotation_error(predicted, truth, SymmetryGroup.axial())
    torch.testing.assert_close(error, torch.full((5,), 0.3, dtype=torch.float64), atol=1e-9, rtol=0.0)


def test_the_median_of_an_even_number_is_the_mean_of_the_middle():
    assert median_error(torch.tensor([4.0, 1.0, 3.0, 2.0])) == 2.5
    with pytest.raises(ValueError, match="at least one view"):
        median_error(torch.zeros(0))


def test_accuracies_count_views_up_to_the_threshold():
    error = torch.deg2rad(torch.tensor([1.0, 4.0, 9.0, 14.0, 29.0, 90.0]))
    figures = error_metrics(error)
    assert [round(figures[f"acc{t}"] * 6) for t in (3, 5, 10, 15, 30)] == [1, 2, 3, 4, 5]
    assert accuracy_at(error, 180.0) == 1.0
    assert math.isclose(figures["median_error_deg"], 11.5, rel_tol=1e-5)


def test_the_uniform_distribution_scores_as_in_the_literature():
    log_prob = Uniform(torch.Size((3,))).log_prob(torch.eye(3))
    assert log_likelihood(log_prob, "haar") == 0.0
    assert abs(log_likelihood(log_prob, "ipdf").item() + 2.2895) < 1e-4
    assert abs(log_likelihood(log_prob, "relie").item() + 4.3689) < 1e-4


def test_the_spread_of_the_uniform_distribution_is_126_degrees(generator):
    samples = random_rotations(20000, generator=generator)
    # E d = pi/2 + 2/pi; the standard error of 20,000 samples is 0.28 degrees.
    expected = math.degrees(math.pi / 2 + 2 / math.pi)
    assert abs(torch.rad2deg(spread(samples, torch.eye(3))).item() - expected) < 1.2


def test_spread_forgives_symmetry_and_keeps_the_batch(generator):
    truth = random_rotations(4, generator=generator)
    group = SymmetryGroup.cyclic(4)
    samples = truth[None] @ group.elements().float()[:, None]
    assert spread(samples, truth, group).shape == (4,)
    # float32 distances near zero are good to sqrt(eps) = 3e-4.
    assert (spread(samples, truth, group) < 1e-3).all()
    # Turns of 0, 90, 180 and 270 degrees: 90 on average.
    assert torch.allclose(torch.rad2deg(spread(samples, truth)), torch.tensor(90.0), atol=0.1)


def test_the_nearest_neighbour_sees_through_brightness(generator):
    train = torch.rand(6, 3, 32, 32, generator=generator)
    assert nearest_neighbour(train, train.flip(0) * 0.5 + 0.1).tolist() == [5, 4, 3, 2, 1, 0]
