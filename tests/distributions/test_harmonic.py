"""Anchors of the band-limited log-density: closed forms, moments, gradients, normaliser, cell likelihoods."""

import math

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from armillary.distributions import (
    AdaptiveGrid,
    HarmonicDistribution,
    TurnedGrid,
    Uniform,
    cell_log_likelihood,
    cell_log_probs,
)
from armillary.harmonics import rotate_so3, so3_size, wigner_D
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import SymmetryGroup, exp, random_rotations, so3_grid

KAPPAS = [0.0, 0.1, 1.0, 10.0, 300.0, 3000.0]


def trace_coeffs(kappa: float) -> Tensor:
    """Coefficients of kappa * trace(R): an isotropic matrix Fisher density."""
    coeffs = torch.zeros(10, dtype=torch.float64)
    coeffs[[1, 5, 9]] = kappa / math.sqrt(3)
    return coeffs


def angle_integral(kappa: float, weight) -> float:
    """Integral of weight(t) exp(kappa (2 cos t - 2)) over Haar probability, by SciPy along the rotation angle t."""
    edge = min(math.pi, 12 / math.sqrt(max(kappa, 1e-3)))
    integrand = lambda t: weight(t) * math.exp(2 * kappa * (math.cos(t) - 1)) * (1 - math.cos(t)) / math.pi  # noqa: E731
    return quad(integrand, 0, edge, epsabs=0, epsrel=1e-11, limit=200)[0]


@pytest.mark.parametrize("kappa", KAPPAS)
def test_normaliser_of_the_trace_agrees_with_scipy(kappa: float, generator: torch.Generator) -> None:
    expected = math.log(angle_integral(kappa, lambda t: 1.0)) + 3 * kappa
    turns = random_rotations(3, generator=generator, dtype=torch.float64)
    ours = AdaptiveGrid().log_integral(rotate_so3(trace_coeffs(kappa), turns))
    assert (ours - expected).abs().max() < AdaptiveGrid().tolerance
    fine = AdaptiveGrid(tolerance=1e-9).log_integral(trace_coeffs(kappa))
    assert abs(fine - expected) < 1e-9 + 1e-14 * abs(expected)


@pytest.mark.parametrize("kappa", KAPPAS[1:])
def test_entropy_of_the_trace_agrees_with_scipy(kappa: float) -> None:
    mass = angle_integral(kappa, lambda t: 1.0)
    mean = angle_integral(kappa, lambda t: 2 * kappa * (math.cos(t) - 1)) / mass
    density = HarmonicDistribution(trace_coeffs(kappa))
    assert abs(density.entropy() - (math.log(mass) - mean)) < 5e-4  # sums to a relative 1e-4


@pytest.mark.parametrize("kappa", [1.0, 300.0])
def test_regions_of_the_trace_agree_with_scipy(kappa: float) -> None:
    region = HarmonicDistribution(trace_coeffs(kappa)).credible_region(0.9)
    # The region is a ball; the mass within its radius must be 0.9, as far as the nodes' weights resolve it.
    radius = region.radius.item()
    inside = angle_integral(kappa, lambda t: float(t <= radius)) / angle_integral(kappa, lambda t: 1.0)
    assert abs(inside - 0.9) < 0.02


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-8])
def test_the_stated_tolerance_holds_on_random_densities(tolerance: float, generator: torch.Generator) -> None:
    coeffs = 0.5 * torch.randn(4, so3_size(4), generator=generator, dtype=torch.float64)
    exact = AdaptiveGrid(1e-11).log_integral(coeffs)
    error = (AdaptiveGrid(tolerance).log_integral(coeffs) - exact).abs().max()
    assert error < tolerance


def test_single_precision_adds_only_its_rounding(generator: torch.Generator) -> None:
    coeffs = 0.5 * torch.randn(4, so3_size(4), generator=generator)
    exact = AdaptiveGrid().log_integral(coeffs.double())
    single = AdaptiveGrid().log_integral(coeffs)
    # f reaches 25: its rounding is 25 eps times the few terms of a row.
    assert (single.double() - exact).abs().max() < AdaptiveGrid().tolerance + 25 * 20 * torch.finfo(torch.float32).eps


def test_many_sharp_peaks_are_integrated_at_every_turn(generator: torch.Generator) -> None:
    # Twelve equivalent peaks of 3 degrees: Z is the same whichever way they lie.
    centres = SymmetryGroup.tetrahedral().elements().double()
    D = wigner_D(6, centres).sum(0)
    coeffs = 0.35 * D * degree_weights(6, D)
    turns = random_rotations(3, generator=generator, dtype=torch.float64)
    values = AdaptiveGrid().log_integral(rotate_so3(coeffs, turns))
    assert values.max() - values.min() < 2e-5


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_gradient_of_the_normaliser_agrees_with_finite_differences(scale: float, generator: torch.Generator) -> None:
    coeffs = scale * torch.randn(2, so3_size(2), generator=generator, dtype=torch.float64)
    grid = AdaptiveGrid(1e-10)
    leaf = coeffs.clone().requires_grad_()
    weights = torch.tensor([1.0, -2.0], dtype=torch.float64)
    (grid.log_integral(leaf) * weights).sum().backward()
    for index in (0, 1, 7, 20, 34):
        step = torch.zeros_like(coeffs)
        step[:, index] = 1e-4
        slope = (grid.log_integral(coeffs + step) - grid.log_integral(coeffs - step)) * weights / 2e-4
        assert leaf.grad is not None
        # step^2 times the third cumulant of sqrt(2l+1) D, and 1e-10 / step.
        torch.testing.assert_close(leaf.grad[:, index], slope, rtol=0, atol=3e-6)


def test_gradient_of_the_log_likelihood_is_observed_minus_expected_moments(generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(2), generator=generator, dtype=torch.float64, requires_grad=True)
    density = HarmonicDistribution(coeffs)
    R = density.sample((20000,), generator=generator)
    density.log_prob(R).mean().backward()
    # The score has mean zero and a variance below that of the basis, 2l+1 at most.
    assert coeffs.grad is not None and coeffs.grad.abs().max() < 5 * math.sqrt(5 / 20000)


def test_sample_moments_are_the_moments_of_the_density(generator: torch.Generator) -> None:
    coeffs = torch.randn(2, so3_size(2), generator=generator, dtype=torch.float64)
    density = HarmonicDistribution(coeffs)
    leaf = coeffs.clone().requires_grad_()
    AdaptiveGrid().log_integral(leaf).sum().backward()
    D = wigner_D(2, density.sample((20000,), generator=generator))
    sampled = (D * degree_weights(2, D)).mean(0)
    assert leaf.grad is not None and (sampled - leaf.grad).abs().max() < 5 * math.sqrt(5 / 20000)


def test_log_prob_differentiates_through_rotation_and_coefficients(special_rotations: Tensor) -> None:
    coeffs = torch.randn(so3_size(3), dtype=torch.float64, requires_grad=True)
    R = special_rotations.clone().requires_grad_()
    HarmonicDistribution(coeffs).log_prob(R).sum().backward()
    for leaf in (coeffs, R):
        assert leaf.grad is not None and leaf.grad.isfinite().all()


def test_broken_coefficients_are_named() -> None:
    with pytest.raises(ValueError, match="expected finite coefficients"):
        HarmonicDistribution(torch.full((10,), math.nan)).log_prob(torch.eye(3))


def test_the_training_normaliser_is_unbiased_and_reproducible(generator: torch.Generator) -> None:
    coeffs = 0.4 * torch.randn(so3_size(6), generator=generator)
    grid = TurnedGrid(level=1, generator=generator)
    estimates = torch.stack([grid.log_integral(coeffs) for _ in range(200)])
    ratio = (estimates - AdaptiveGrid().log_integral(coeffs)).exp()
    assert ratio.std() > 1e-4  # the grid is too coarse to be exact,
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / math.sqrt(200)  # and right on the average
    first, second = (TurnedGrid(1, torch.Generator().manual_seed(4)).log_integral(coeffs) for _ in range(2))
    assert torch.equal(first, second)


def test_cell_likelihood_is_capped_by_its_grid(generator: torch.Generator) -> None:
    R = random_rotations(5, generator=generator, dtype=torch.float64)
    D = wigner_D(6, R)
    # A spike on each rotation, narrower than a cell: all mass in one cell.
    density = HarmonicDistribution(1e4 * D * degree_weights(6, D))
    for level in (0, 1, 2):
        value = cell_log_likelihood(density, R, level)
        assert (value <= math.log(72 * 8**level) + 1e-9).all()
    centre = so3_grid(1, dtype=torch.float64)[7]
    D = wigner_D(6, centre)
    spike = HarmonicDistribution(1e4 * D * degree_weights(6, D))
    assert abs(cell_log_likelihood(spike, centre, 1) - math.log(576)) < 1e-9


def test_cell_likelihood_of_a_blunt_density_approaches_the_exact_one(generator: torch.Generator) -> None:
    density = HarmonicDistribution(0.3 * torch.randn(so3_size(2), generator=generator, dtype=torch.float64))
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    wide = density.expand((20,))
    error = [(cell_log_likelihood(wide, R, level) - density.log_prob(R)).abs().max().item() for level in (1, 2, 3)]
    # Half the spacing, half the error.
    assert error[2] < 0.7 * error[1] < 0.5 * error[0]


def test_cell_probabilities_sum_to_one_for_every_distribution() -> None:
    for density in (Uniform((2,)), HarmonicDistribution(torch.randn(2, 35))):
        cells = cell_log_probs(density, 1)
        assert cells.shape == (2, 576)
        torch.testing.assert_close(cells.exp().sum(-1), torch.ones(2))


def test_cell_probabilities_agree_with_log_prob() -> None:
    density = HarmonicDistribution(torch.randn(so3_size(2), dtype=torch.float64))
    own = cell_log_probs(density, 1)
    pointwise = density.log_prob(so3_grid(1, dtype=torch.float64)).log_softmax(-1)
    torch.testing.assert_close(own, pointwise, rtol=0, atol=1e-10)


def test_the_tangent_gaussian_is_the_limit_of_sharp_peaks() -> None:
    # kappa trace(R exp(w)) = kappa (3 - |w|^2): a Gaussian of variance 1 / (2 kappa) for Haar density 1 / 8 pi^2.
    kappa = 1e5
    density = HarmonicDistribution(trace_coeffs(kappa))
    expected = -1.5 * math.log(math.pi / kappa) + math.log(8 * math.pi**2)
    # Next order: relative corrections of 1 / kappa.
    assert abs(density.log_prob(torch.eye(3, dtype=torch.float64)) - expected) < 1e-4
    w = torch.tensor([[0.002, 0, 0], [0, -0.003, 0.001]], dtype=torch.float64)
    drop = density.log_prob(torch.eye(3, dtype=torch.float64)) - density.log_prob(exp(w))
    torch.testing.assert_close(drop, kappa * w.square().sum(-1), rtol=1e-5, atol=0)
