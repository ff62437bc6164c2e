"""Laws of the filter: exact where Bayes' rule is, unmoved where nothing is said, on one branch while it holds."""

import math

import pytest
import torch
from torch import Tensor

from armillary.distributions import (
    AdaptiveTree,
    HarmonicDistribution,
    ImplicitDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    Uniform,
    discrete,
)
from armillary.harmonics import so3_size
from armillary.so3 import SymmetryGroup, exp, geodesic_distance, log, random_rotations
from armillary.tracking import Belief, Camera, ConstantVelocity, MeasuredVelocity, RotationFilter
from armillary.tracking.belief import UNIFORM_VARIANCE
from armillary.tracking.posterior import posterior
from armillary.tracking.tumble import peak_coeffs

EYE = torch.eye(3, dtype=torch.float64)


def seen(rotation: Tensor, sigma: float = 0.05) -> MatrixFisher:
    return MatrixFisher.isotropic(rotation.float(), sigma=sigma)


def started(rotation: Tensor = EYE, sigma: float = 0.05, **options) -> RotationFilter:
    follow = RotationFilter(**options)
    assert follow.update(seen(rotation, sigma)) == "found"
    return follow


def pose(follow: RotationFilter) -> Tensor:
    assert follow.estimate is not None
    return follow.estimate.rotation


def test_the_posterior_of_a_gaussian_and_a_quadratic_is_exact(generator):
    root = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    precision = root @ root.mT + 5 * EYE
    prior, target = 0.02 * EYE[None], torch.tensor([0.05, -0.03, 0.02], dtype=torch.float64)
    known = 100 * precision[0]

    def quadratic(rotation: Tensor) -> Tensor:
        off = log(rotation) - target
        return -(off @ known * off).sum(-1) / 2

    found = posterior(quadratic, EYE[None], prior, torch.zeros(1, 3, dtype=torch.float64), prior)
    covariance = torch.linalg.inv(50 * EYE + known)
    torch.testing.assert_close(found.covariance[0], covariance, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(found.mean[0], covariance @ known @ target, rtol=1e-6, atol=1e-9)
    total = prior[0] + torch.linalg.inv(known)
    evidence = -target @ torch.linalg.solve(total, target) / 2 - torch.logdet(EYE + prior[0] @ known) / 2
    torch.testing.assert_close(found.log_evidence[0], evidence, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("nothing", [Uniform(), HarmonicDistribution(torch.zeros(so3_size(6))), seen(EYE, 1e3)])
def test_a_uniform_density_changes_nothing(nothing):
    follow = started()
    follow.predict(0.1)
    before = follow.belief
    follow.update(nothing)
    # A matrix Fisher of a thousand radians is flat to 1e-6.
    torch.testing.assert_close(follow.belief.covariance, before.covariance, rtol=1e-4, atol=1e-9)
    assert geodesic_distance(pose(follow), before.rotation[0]) < 1e-5


def test_a_frame_without_an_object_and_a_missing_frame_change_nothing():
    follow = started()
    before = follow.belief
    assert follow.update(seen(exp(EYE[0])), weight=0.0) == follow.update(None) == "predicted"
    assert follow.belief is before and follow.support == 0
    assert RotationFilter().update(None) == "unseen"


def test_a_doubtful_frame_moves_the_belief_less():
    turned = exp(0.1 * EYE[0])
    moves = []
    for weight in (0.0, 1e-3, 1.0):
        follow = started()
        follow.update(seen(turned), weight)
        moves.append(float(geodesic_distance(pose(follow), EYE)))
    assert moves[0] < 1e-4 < moves[1] < moves[2] <= 0.06


def test_prediction_without_diffusion_rotates_the_belief(generator):
    spin = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    follow = RotationFilter(MeasuredVelocity())
    follow.update(discrete(random_rotations(3, generator=generator), sigma=0.2), 1.0)
    before = follow.belief.density()
    follow.predict(0.4, spin)
    after = follow.belief.density()
    points = random_rotations(200, generator=generator, dtype=torch.float64)
    # Weights fade towards each other, all else is exact.
    weighted = Mixture(follow.belief.log_weight.exp(), *before.groups).rotate(exp(0.4 * spin))
    torch.testing.assert_close(after.log_prob(points), weighted.log_prob(points), rtol=1e-6, atol=1e-6)


def test_two_frames_of_one_time_may_come_in_either_order():
    first, second = seen(exp(0.05 * EYE[0])), seen(exp(0.04 * EYE[1]), 0.08)
    results = []
    for order in ((first, second), (second, first)):
        follow = started()
        for one in order:
            follow.update(one)
        results.append(follow.estimate)
    # Matrix Fishers are Gaussian but for terms of the order of their variance, 0.01.
    torch.testing.assert_close(results[0].rotation, results[1].rotation, atol=1e-3, rtol=0)
    torch.testing.assert_close(results[0].covariance, results[1].covariance, atol=1e-4, rtol=0)


def test_repeated_frames_add_their_precisions():
    follow = started(sigma=0.1, outlier=1e-9)
    for _ in range(3):
        follow.update(seen(EYE, 0.1))
    # A precision of 1 / sigma^2 each and the vague beginning; Fisher's tail is a hundredth lighter than Gauss's.
    assert follow.belief.covariance[0, 0, 0] == pytest.approx(0.01 / 4, rel=0.03)


def test_uncertainty_grows_through_a_gap_up_to_that_of_a_uniform_rotation():
    follow = started()
    spread = []
    for _ in range(40):
        follow.predict(0.5)
        spread.append(float(follow.belief.covariance[0, 0, 0]))
    assert all(a <= b + 1e-12 for a, b in zip(spread, spread[1:], strict=False))
    assert spread[0] > 0.05**2 and spread[-1] == pytest.approx(UNIFORM_VARIANCE)
    assert follow.belief.mass_near(pose(follow), math.radians(15)) < 0.05


def test_the_velocity_of_a_steady_turn_is_found_and_carries_through_a_gap():
    spin = torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64)
    follow = RotationFilter(ConstantVelocity(acceleration=0.01))
    for index in range(20):
        if index:
            follow.predict(0.1)
        follow.update(seen(exp(0.1 * index * spin)))
    assert torch.linalg.vector_norm(follow.estimate.rate - spin) < 0.01
    follow.predict(1.0)
    assert geodesic_distance(pose(follow), exp(2.9 * spin)) < 0.02


@pytest.mark.parametrize("axes", ["camera", "object"])
def test_a_gyroscope_gives_up_its_bias(axes):
    spin, bias = torch.tensor([0.2, -0.3, 0.1]).double(), torch.tensor([0.05, 0.0, -0.03]).double()
    follow = RotationFilter(MeasuredVelocity(axes, spread=0.1))
    for index in range(20):
        if index:
            follow.predict(0.2, spin + bias)
        follow.update(seen(exp(0.2 * index * spin)))
    assert torch.linalg.vector_norm(follow.estimate.rate - bias) < 0.01


def test_equal_branches_stay_and_the_same_one_is_followed():
    group = SymmetryGroup.dihedral(2)
    each = group.discrete.float()
    follow, first = RotationFilter(), None
    for index in range(30):
        if index:
            follow.predict(0.1)
        # Equal but for the order, which must not matter.
        follow.update(discrete(each.roll(index, 0), sigma=0.1))
        first = pose(follow) if first is None else first
        assert geodesic_distance(pose(follow), first) < 1e-3
    assert len(follow.belief) == 4
    torch.testing.assert_close(follow.belief.log_weight.exp(), torch.full((4,), 0.25).double(), atol=0.02, rtol=0)
    assert follow.belief.mass_near(first, 0.3) == pytest.approx(0.25, abs=0.03)
    assert follow.belief.mass_near(first, 0.3, group) == pytest.approx(1, abs=0.02)


def test_a_branch_that_is_right_in_the_long_run_is_taken_once():
    turned = torch.stack([EYE, SymmetryGroup.cyclic(2).discrete[1]]).float()
    follow = RotationFilter()
    follow.update(discrete(turned, torch.tensor([0.6, 0.4]), sigma=0.1))
    events = []
    for _ in range(60):
        follow.predict(0.1)
        events.append(follow.update(discrete(turned, torch.tensor([0.02, 0.98]), sigma=0.1)))
    assert events.count("switched") == 1 and geodesic_distance(pose(follow), turned[1].double()) < 0.05
    known = RotationFilter(group=SymmetryGroup.cyclic(2))
    for _ in range(30):
        known.predict(0.1)
        assert known.update(discrete(turned, torch.tensor([0.02, 0.98]), sigma=0.1)) != "switched"


def test_one_strange_frame_is_an_outlier_and_several_begin_anew():
    follow, elsewhere = started(), exp(2.0 * EYE[2])
    for _ in range(5):
        follow.predict(0.1)
        follow.update(seen(EYE))
    events = []
    for density in [seen(elsewhere)] + [seen(EYE)] + [seen(elsewhere)] * 5:
        follow.predict(0.1)
        events.append(follow.update(density))
    assert events == ["outlier", "followed", "outlier", "outlier", "outlier", "found again", "followed"]
    assert geodesic_distance(pose(follow), elsewhere) < 0.05


def test_a_known_symmetry_makes_a_new_beginning_no_jump():
    group = SymmetryGroup.cyclic(2)
    follow = started(group=group)
    for _ in range(6):
        follow.predict(0.1)
        event = follow.update(seen(group.discrete[1]))
    assert event == "followed" and geodesic_distance(pose(follow), EYE) < 0.05


def test_a_ring_of_rotations_is_followed_without_a_jump():
    # A body of revolution: the density is a ring, whose peaks mean nothing.
    ring = HarmonicDistribution(8 * _ring(4))
    follow, last = RotationFilter(), None
    for index in range(12):
        if index:
            follow.predict(0.1)
        follow.update(ring)
        if last is not None and index > 2:
            assert geodesic_distance(pose(follow), last) < math.radians(20)
        last = pose(follow)
        assert SymmetryGroup.axial().distance(last, EYE) < 0.1


def _ring(lmax: int) -> Tensor:
    """A function that is 1 where z stays z, as a sum of Legendre polynomials of the angle."""
    parts = []
    for l in range(lmax + 1):
        block = torch.zeros(2 * l + 1, 2 * l + 1)
        block[l, l] = (2 * l + 1) ** 0.5
        parts.append(block.flatten())
    return torch.cat(parts) / (lmax + 1) ** 2


def test_the_covariance_says_how_large_the_errors_are():
    generator = torch.Generator().manual_seed(1)
    sigma, walk, squared = 0.1, 0.3, []
    for _ in range(3):
        follow = RotationFilter(ConstantVelocity(walk), outlier=0.001)
        rotation, rate = EYE, 0.3 * torch.randn(3, generator=generator, dtype=torch.float64)
        for index in range(25):
            shown = exp(sigma * torch.randn(3, generator=generator, dtype=torch.float64)) @ rotation
            if index:
                follow.predict(0.2)
            follow.update(seen(shown, sigma))
            if index >= 5:
                off = torch.cat([log(rotation @ pose(follow).mT), rate - follow.estimate.rate])
                squared.append(float(off @ torch.linalg.solve(follow.estimate.covariance, off)))
            middle = rate + walk * (0.1**0.5) * torch.randn(3, generator=generator, dtype=torch.float64)
            after = middle + walk * (0.1**0.5) * torch.randn(3, generator=generator, dtype=torch.float64)
            rotation, rate = exp(0.05 * (rate + 2 * middle + after)) @ rotation, after
    # Six coordinates: 6 on average; 60 frames, neighbours correlated over about four, leave a deviation of 0.9.
    assert 4 < sum(squared) / len(squared) < 8


@pytest.mark.parametrize("group", [SymmetryGroup.cyclic(2), SymmetryGroup.dihedral(4)], ids=["C2", "D4"])
def test_a_tumbling_symmetric_body_does_not_flip(group):
    from armillary.tracking import Observation, random_tumble, track

    generator = torch.Generator().manual_seed(5)
    truth = random_tumble(32, generator=generator)
    film, _ = Camera(group, lmax=6).film(truth.rotation, generator=generator)
    single = torch.stack([density.mode.double() for density in film])
    film[20:25] = [None] * 5
    found = track(Observation(float(time), density) for time, density in zip(truth.time, film, strict=True))
    steps = geodesic_distance(found.filtered[1:] @ found.filtered[:-1].mT, truth.rotation[1:] @ truth.rotation[:-1].mT)
    assert steps[10:].max() < math.radians(60)
    errors = [group.distance(one, truth.rotation).mean() for one in (single, found.filtered, found.rotation)]
    assert errors[1] < errors[0] / 2 and errors[2] < errors[1]
    assert found.event[20:25] == ("predicted",) * 5


@pytest.mark.parametrize("sigma_deg", [0.1, 1.0])
def test_sharp_densities_are_followed_through_a_gap(sigma_deg):
    sigma, spin = math.radians(sigma_deg), torch.tensor([0.2, 0.1, -0.3], dtype=torch.float64)
    follow = RotationFilter()
    for index in (0, 1, 2, 3, 4, 9, 10):
        if index:
            follow.predict(0.1 if index != 9 else 0.5)
        each = SymmetryGroup.cyclic(2).equivalents(exp(0.1 * index * spin)).float()
        event = follow.update(discrete(each, sigma=sigma, outlier=0.05))
        assert event != "outlier" and geodesic_distance(pose(follow), each.double()).min() < sigma
    assert len(follow.belief) == 2


def test_sharp_band_limited_densities_show_all_their_branches():
    group = SymmetryGroup.dihedral(2)
    each = group.equivalents(exp(torch.tensor([0.3, 0.2, -0.5], dtype=torch.float64)))
    follow = RotationFilter()
    follow.update(HarmonicDistribution(150 * peak_coeffs(each.float(), 8).sum(0)))
    assert len(follow.belief) == 4
    assert geodesic_distance(follow.belief.rotation[:, None], each).amin(-1).max() < 0.01


@pytest.mark.parametrize("family", ["laplace", "implicit", "harmonics", "batch"])
def test_any_distribution_will_do(family):
    target = exp(torch.tensor([0.4, -0.8, 0.3])).float()
    peak = HarmonicDistribution(10 * peak_coeffs(target, 6))
    density = {
        "laplace": lambda: RotationLaplace(40 * target),
        "implicit": lambda: ImplicitDistribution(lambda R: 40 * (R * target).sum((-2, -1)), tree=AdaptiveTree(1e-2)),
        "harmonics": lambda: Mixture(torch.tensor([0.9, 0.1]), peak.expand((1,)), Uniform((1,))),
        "batch": lambda: peak.expand((1,)),
    }[family]()
    follow = RotationFilter()
    for _ in range(2):
        follow.predict(0.1)
        event = follow.update(density)
    assert event == "followed" and geodesic_distance(pose(follow), target.double()) < 0.02


def test_beliefs_are_densities_and_nothing_is_not():
    follow = started(exp(0.4 * EYE[1]), sigma=0.1)
    density = follow.belief.density()
    torch.testing.assert_close(density.groups[0].mode[0], pose(follow))
    found = torch.linalg.inv(follow.belief.covariance[0, :3, :3])
    drawn = log(density.sample((4000,), generator=torch.Generator().manual_seed(0)) @ pose(follow).mT)
    # The relative error of a variance of 4,000 draws is 2 %.
    torch.testing.assert_close(drawn.mT.cov(), torch.linalg.inv(found), rtol=0.1, atol=5e-4)
    with pytest.raises(ValueError, match="update the filter by a density first"):
        Belief.nothing().density()
    assert Belief.nothing().mass_near(EYE, 0.1) == 0 and RotationFilter().estimate is None


def test_wrong_calls_are_refused():
    follow = RotationFilter()
    with pytest.raises(ValueError, match="sort the frames by time"):
        follow.predict(-0.1)
    with pytest.raises(ValueError, match="weight from 0 to 1"):
        follow.update(seen(EYE), weight=2.0)
    with pytest.raises(ValueError, match="expected one density, got a batch of"):
        follow.update(MatrixFisher(torch.zeros(2, 3, 3)))
    with pytest.raises(ValueError, match="expected finite log densities"):
        follow.update(HarmonicDistribution(torch.full((so3_size(2),), math.nan)))
    with pytest.raises(ValueError, match="expected outlier above 0"):
        RotationFilter(outlier=0.0)
    with pytest.raises(ValueError, match="expected memory"):
        RotationFilter(patience=0)


def test_before_anything_is_seen_a_frame_without_a_peak_shows_nothing():
    follow = RotationFilter(ConstantVelocity())
    for density in (HarmonicDistribution(torch.zeros(so3_size(4))), Uniform()):
        assert follow.update(density) == "unseen"
        assert follow.estimate is None and len(follow.belief) == 0
