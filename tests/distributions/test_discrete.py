"""Point answers made densities, and the noise that makes them."""

import math

import pytest
import torch

from armillary.distributions import MatrixFisher, discrete, fit_noise
from armillary.so3 import exp, geodesic_distance, random_rotations

CENTRE = exp(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64))


def along(angle: torch.Tensor) -> torch.Tensor:
    """Rotations at angles from the centre."""
    return CENTRE @ exp(angle[:, None] * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64))


@pytest.mark.parametrize(("sigma", "outlier"), [(0.02, 0.1), (0.3, 0.0), (1.0, 0.5)])
def test_one_answer_is_a_density_of_the_angle_with_sigma_about_each_axis(sigma: float, outlier: float) -> None:
    answer = discrete(CENTRE[None], sigma=sigma, outlier=outlier)
    angle = torch.linspace(0, math.pi, 200_001, dtype=torch.float64)
    marginal = answer.log_prob(along(angle)).exp() * (1 - angle.cos()) / math.pi
    assert abs(torch.trapezoid(marginal, angle) - 1) < 1e-6
    if sigma < 0.1:
        noise = (marginal - outlier * (1 - angle.cos()) / math.pi) / (1 - outlier)
        assert abs(torch.trapezoid(noise * angle**2, angle) / 3 - sigma**2) < 1e-3 * sigma**2


def test_hypotheses_are_weighed_and_spread_over_batches(generator: torch.Generator) -> None:
    answers = random_rotations(2, 3, generator=generator, dtype=torch.float64)
    weights = torch.tensor([[2.0, 1.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    density = discrete(answers, weights, sigma=0.05, outlier=0.2)
    assert density.batch_shape == (2,)
    height = MatrixFisher.isotropic(answers[0, 0], sigma=0.05).log_prob(answers[0, 0]).exp()
    at = density.log_prob(answers.transpose(0, 1)).exp()
    torch.testing.assert_close(at[0, 0], 0.2 + 0.8 * 0.5 * height)
    torch.testing.assert_close(at[0, 1], torch.tensor(0.2, dtype=torch.float64))
    assert geodesic_distance(density.mode[0], answers[0, 0]) < 1e-4
    equal = discrete(answers, sigma=torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    torch.testing.assert_close(equal.weights, torch.full((2, 3), 1 / 3, dtype=torch.float64))


@pytest.mark.parametrize(("sigma", "outlier"), [(0.002, 0.0), (0.02, 0.1), (0.2, 0.4)])
def test_noise_is_found_again(sigma: float, outlier: float, generator: torch.Generator) -> None:
    count = 4000
    truth = random_rotations(count, generator=generator, dtype=torch.float64)
    noisy = truth @ MatrixFisher.isotropic(torch.eye(3).double(), sigma=sigma).sample((count,), generator=generator)
    lost = int(outlier * count)
    noisy[:lost] = random_rotations(lost, generator=generator, dtype=torch.float64)
    found = fit_noise(geodesic_distance(noisy, truth))
    # The standard error of sigma is sigma / sqrt(6 n), that of the share at most sqrt(e (1 - e) / n) and a bit more.
    assert abs(found.sigma / sigma - 1) < 5 / math.sqrt(6 * count * (1 - outlier))
    assert abs(found.outlier - outlier) < 6 * math.sqrt(outlier * (1 - outlier) / count) + 1e-3


def test_fitted_noise_is_the_most_likely() -> None:
    angles = torch.tensor([0.02, 0.05, 0.11, 0.08, 0.3, 0.06, 2.0, 1.1], dtype=torch.float64)

    def likelihood(sigma: float, outlier: float) -> float:
        return float(discrete(CENTRE[None], sigma=sigma, outlier=outlier).log_prob(along(angles)).mean())

    sigma, outlier = fit_noise(angles)
    best = likelihood(sigma, outlier)
    for factor in (0.98, 1.02):
        assert likelihood(sigma * factor, outlier) < best and likelihood(sigma, outlier * factor) < best


def test_errors_at_their_limits_are_fitted() -> None:
    exact = fit_noise(torch.zeros(5))
    assert exact.sigma < 1e-6 and exact.outlier < 1e-6
    lost = fit_noise(torch.tensor([3.0, 2.9, 3.1, 2.5, 2.2]))
    assert lost.outlier > 0.99 or lost.sigma > 3


def test_bad_noise_and_angles_are_named() -> None:
    with pytest.raises(ValueError, match="expected an outlier probability"):
        discrete(CENTRE[None], sigma=0.1, outlier=1.0)
    with pytest.raises(ValueError, match="expected sigma above 0"):
        discrete(CENTRE[None], sigma=0.0)
    with pytest.raises(ValueError, match="expected nonnegative weights"):
        discrete(CENTRE[None], torch.tensor([-1.0], dtype=torch.float64), sigma=0.1, outlier=0.5)
    for angles in ([], [-0.1], [4.0], [math.nan]):
        with pytest.raises(ValueError, match="expected angles from 0 to pi"):
            fit_noise(torch.tensor(angles))
