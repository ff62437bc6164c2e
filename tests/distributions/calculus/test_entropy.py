"""The entropy to be minimised: that of the distribution, invariant, and with the gradient of finite differences."""

import math

import pytest
import torch

from armillary.distributions import HarmonicDistribution
from armillary.distributions.calculus.entropy import harmonic_entropy
from armillary.harmonics import rotate_so3, so3_size
from armillary.so3 import random_rotations
from armillary.tracking.tumble import peak_coeffs


def random_coeffs(scale: float, lmax: int = 3, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return scale * torch.randn(count, so3_size(lmax), generator=generator, dtype=torch.float64)


def test_the_uniform_density_has_the_largest_entropy_and_no_slope() -> None:
    coeffs = torch.zeros(2, so3_size(4), requires_grad=True)
    entropy = harmonic_entropy(coeffs)
    entropy.sum().backward()
    assert coeffs.grad is not None
    assert float(entropy.detach().abs().max()) < 1e-5 and float(coeffs.grad.abs().max()) < 1e-5


@pytest.mark.parametrize("scale", [0.1, 0.5, 2.0])
def test_it_is_the_entropy_of_the_distribution(scale: float) -> None:
    coeffs = random_coeffs(scale)
    # Two quadratures, each good to 1e-4 of the normaliser and to several times that of the mean height.
    assert torch.allclose(harmonic_entropy(coeffs), HarmonicDistribution(coeffs).entropy(), atol=1e-3)


def test_it_is_the_mean_of_minus_the_log_density() -> None:
    density = HarmonicDistribution(random_coeffs(0.7, count=1))
    draws = density.sample((4000,), generator=torch.Generator().manual_seed(0))
    surprise = -density.log_prob(draws)[:, 0]
    # Five deviations of the mean of 4,000.
    tolerance = 5 * float(surprise.std()) / math.sqrt(4000)
    assert abs(float(surprise.mean() - harmonic_entropy(density.coeffs)[0])) < tolerance


@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0])
def test_its_gradient_is_that_of_finite_differences(scale: float) -> None:
    coeffs = random_coeffs(scale, lmax=2, count=2).requires_grad_()
    weights = torch.tensor([1.0, -0.5], dtype=torch.float64)
    (weights * harmonic_entropy(coeffs)).sum().backward()
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        way = torch.randn(coeffs.shape, generator=generator, dtype=torch.float64)
        step = 1e-4
        ahead, behind = ((weights * harmonic_entropy(coeffs.detach() + s * step * way)).sum() for s in (1, -1))
        assert coeffs.grad is not None
        slope = float((coeffs.grad * way).sum())
        # The quadrature is good to 1e-4 of the normaliser, and nearly the same on both sides.
        assert abs(float(ahead - behind) / (2 * step) - slope) < 2e-3 * max(1.0, abs(slope))


def test_turning_the_density_changes_nothing() -> None:
    coeffs = random_coeffs(1.0)
    turn = random_rotations(generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(harmonic_entropy(rotate_so3(coeffs, turn)), harmonic_entropy(coeffs), atol=1e-4)


def test_sharpening_lowers_it_down_to_peaks_far_narrower_than_training_grids() -> None:
    peak = peak_coeffs(torch.eye(3), 8)
    entropies = harmonic_entropy(torch.stack([height * peak for height in (1.0, 10.0, 100.0, 400.0)])).tolist()
    assert entropies == sorted(entropies, reverse=True)
    # Of a normal law in three dimensions each fourfold height takes 3/2 log(4); peaks are nearly that.
    assert abs(entropies[2] - entropies[3] - 1.5 * math.log(4)) < 0.05


def test_batches_keep_their_shape() -> None:
    assert harmonic_entropy(torch.zeros(2, 3, so3_size(2))).shape == (2, 3)
    assert harmonic_entropy(torch.zeros(so3_size(2))).shape == ()
