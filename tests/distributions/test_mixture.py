"""Mixtures: sums of any densities, and the point answers made of them."""

import math

import pytest
import torch
from torch import Tensor

from armillary.distributions import HarmonicDistribution, MatrixFisher, Mixture, SO3Distribution, Uniform
from armillary.harmonics import so3_size
from armillary.so3 import geodesic_distance, random_rotations

DEGREE = math.pi / 180


def three(generator: torch.Generator, *batch: int) -> tuple[Mixture, list[SO3Distribution]]:
    """Two matrix Fishers and a uniform floor, and the same as three densities."""
    weights = torch.rand(*batch, 3, generator=generator, dtype=torch.float64) + 0.1
    F = 8 * torch.randn(*batch, 2, 3, 3, generator=generator, dtype=torch.float64)
    mixture = Mixture(weights, MatrixFisher(F), Uniform((*batch, 1), dtype=torch.float64))
    return mixture, [MatrixFisher(F[..., 0, :, :]), MatrixFisher(F[..., 1, :, :]), Uniform(batch)]


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_density_is_the_weighted_sum(batch: tuple[int, ...], generator: torch.Generator) -> None:
    mixture, parts = three(generator, *batch)
    R = random_rotations(7, *batch, generator=generator, dtype=torch.float64)
    each = torch.stack([part.log_prob(R).exp() for part in parts], -1)
    torch.testing.assert_close(mixture.weights.sum(-1), torch.ones(batch, dtype=torch.float64))
    torch.testing.assert_close(mixture.log_prob(R).exp(), (mixture.weights * each).sum(-1))
    # Its own cubature agrees that it is normalised.
    (cloud,) = mixture._clouds
    assert cloud.log_integral().abs().max() < mixture.tree.tolerance


def test_shapes_follow_the_batch(generator: torch.Generator) -> None:
    mixture, _ = three(generator, 2, 1)
    sample = mixture.sample((5, 2), generator=generator)
    assert sample.shape == (5, 2, 2, 1, 3, 3) and mixture.log_prob(sample).shape == (5, 2, 2, 1)
    assert mixture.sample((0,)).shape == (0, 2, 1, 3, 3) and mixture.sample().shape == (2, 1, 3, 3)
    modes, region = mixture.modes(2), mixture.credible_region(0.5)
    assert modes.rotation.shape == (2, 1, 2, 3, 3) and region.volume.shape == mixture.entropy().shape == (2, 1)
    turn = random_rotations(3, 1, 1, generator=generator, dtype=torch.float64)
    R = random_rotations(2, 1, generator=generator, dtype=torch.float64)
    turned, wide = mixture.rotate(turn), mixture.expand((4, 2, 1))
    assert turned.batch_shape == (3, 2, 1) and wide.batch_shape == (4, 2, 1)
    torch.testing.assert_close(turned.log_prob(turn @ R)[1], mixture.log_prob(R))
    torch.testing.assert_close(wide.log_prob(R)[2], mixture.log_prob(R))


def test_samples_come_from_the_components_in_proportion(generator: torch.Generator) -> None:
    centres = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1.0, -1.0]))]).double()
    weights = torch.tensor([0.2, 0.0, 0.7, 0.1], dtype=torch.float64)
    peaks = MatrixFisher.isotropic(torch.cat([centres, centres[:1]])[[0, 2, 1]], sigma=0.02)
    draws = Mixture(weights, peaks, Uniform((1,), dtype=torch.float64)).sample((4000,), generator=generator)
    near = geodesic_distance(draws[:, None], centres) < 0.2
    error = 5 * math.sqrt(0.25 / 4000)
    assert abs(near[:, 0].double().mean() - 0.2) < error and abs(near[:, 1].double().mean() - 0.7) < error
    # The draws of one component are its own: none is used twice.
    assert len(draws.flatten(1).unique(dim=0)) == 4000


def test_mean_is_the_chordal_mean_of_the_parts(generator: torch.Generator) -> None:
    mixture, (first, second, _) = three(generator, 2)
    assert isinstance(first, MatrixFisher) and isinstance(second, MatrixFisher)
    parts = torch.stack([first.expectation, second.expectation], -3)
    expected = (mixture.weights[..., :2, None, None] * parts).sum(-3)
    u, s, vh = torch.linalg.svd(expected)
    sign = torch.ones(2, 3, dtype=torch.float64)
    sign[:, 2] = torch.det(u @ vh)
    assert geodesic_distance(mixture.mean, u @ torch.diag_embed(sign) @ vh).max() < 1e-3 / float(s.amin())


def test_modes_are_climbed_on_the_sum(generator: torch.Generator) -> None:
    centre = random_rotations(generator=generator, dtype=torch.float64)
    beside = centre @ random_rotations(generator=generator, dtype=torch.float64)
    peaks = MatrixFisher.isotropic(torch.stack([centre, beside]), sigma=5 * DEGREE)
    modes = Mixture(torch.tensor([0.25, 0.75], dtype=torch.float64), peaks).modes(3)
    assert geodesic_distance(modes.rotation[:2], torch.stack([beside, centre])).max() < 1e-4
    # What is beyond 15 degrees, three sigma, belongs to no peak: 2.9% of a Maxwell distribution.
    torch.testing.assert_close(
        modes.mass[:2], torch.tensor([0.75, 0.25], dtype=torch.float64) * 0.971, rtol=0.01, atol=0
    )
    # Two peaks half a sigma apart are one, between them.
    close = centre @ torch.matrix_exp(torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]).double() * 2.5 * DEGREE)
    peaks = MatrixFisher.isotropic(torch.stack([centre, close]), sigma=5 * DEGREE)
    mode = Mixture(torch.ones(2, dtype=torch.float64), peaks).mode
    torch.testing.assert_close(
        geodesic_distance(mode, torch.stack([centre, close])), torch.full((2,), 1.25 * DEGREE).double()
    )


def test_narrow_peaks_among_blunt_ones_are_integrated(generator: torch.Generator) -> None:
    # Sharp to 0.1 degrees, on a floor: nothing but the component tells where.
    narrow = MatrixFisher.isotropic(
        random_rotations(4, 1, generator=generator, dtype=torch.float64), sigma=0.1 * DEGREE
    )
    blunt = HarmonicDistribution(torch.randn(4, 1, so3_size(2), generator=generator, dtype=torch.float64))
    weights = torch.tensor([0.5, 0.5], dtype=torch.float64).expand(4, 2)
    mixture = Mixture(weights, narrow, blunt)
    assert mixture.survey.cloud.log_integral().abs().max() < 1e-3
    # The supports hardly overlap: entropies add, and log 2 for the choice.
    expected = (narrow.entropy() + blunt.entropy())[:, 0] / 2 + math.log(2)
    torch.testing.assert_close(mixture.entropy(), expected, rtol=0, atol=5e-3)


def test_gradients_pass_to_weights_components_and_rotations(generator: torch.Generator) -> None:
    weights = torch.tensor([0.3, 0.7, 0.4], dtype=torch.float64, requires_grad=True)
    F = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    R = random_rotations(4, generator=generator, dtype=torch.float64).requires_grad_()

    def log_prob(weights: Tensor, F: Tensor, R: Tensor) -> Tensor:
        return Mixture(weights, MatrixFisher(F), Uniform((1,))).log_prob(R)

    assert torch.autograd.gradcheck(log_prob, (weights, F, R))
    # A component of no weight still feels the pull of the data.
    none = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    peak = MatrixFisher.isotropic(torch.eye(3)[None].double(), sigma=0.01)
    Mixture(none, Uniform((1,)), peak).log_prob(torch.eye(3).double()).backward()
    assert none.grad is not None and none.grad.isfinite().all() and none.grad[1] > 100


def test_bad_groups_and_weights_are_named() -> None:
    with pytest.raises(ValueError, match=r"add up to the 3 weights, got \(1,\); the last"):
        Mixture(torch.ones(3), Uniform((1,)))
    with pytest.raises(ValueError, match="add up to the 1 weights"):
        Mixture(torch.ones(1), Uniform())
    with pytest.raises(ValueError, match=r"\(\*\(2,\), k_i\)"):
        Mixture(torch.ones(2, 1), Uniform((3, 1)))
    for weights in ([-0.1, 1.0], [0.0, 0.0], [math.nan, 1.0]):
        with pytest.raises(ValueError, match="expected nonnegative weights"):
            Mixture(torch.tensor(weights), Uniform((2,)))
