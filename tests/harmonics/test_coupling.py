"""Products of Wigner functions: the coupling matrices are isometries and give expectations of products."""

import math

import pytest
import torch

from armillary.distributions import HarmonicDistribution
from armillary.harmonics import so3_size, wigner_D
from armillary.harmonics.coupling import coupling, expected_products
from armillary.harmonics.layout import split_degrees
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import random_rotations

ROUNDING = 1e-12  # sums of up to 25 terms of size at most 1, Racah's alternating sum among them


@pytest.mark.parametrize(("first", "second"), [(0, 3), (1, 1), (2, 3), (6, 6)])
def test_couplings_turn_products_into_one_degree(first: int, second: int, generator: torch.Generator) -> None:
    D = split_degrees(wigner_D(first + second, random_rotations(generator=generator, dtype=torch.float64)))
    both = torch.kron(D[first], D[second])
    whole = torch.cat([coupling(first, second, l) for l in range(abs(first - second), first + second + 1)], -1)
    torch.testing.assert_close(whole.mT @ whole, torch.eye(whole.shape[1]).double(), rtol=0, atol=ROUNDING)
    for l in range(abs(first - second), first + second + 1):
        W = coupling(first, second, l)
        torch.testing.assert_close(both @ W, W @ D[l], rtol=0, atol=ROUNDING)


def test_coupling_to_degree_0_is_the_trace() -> None:
    W = coupling(2, 2, 0)[:, 0].reshape(5, 5)
    torch.testing.assert_close((W * W[0, 0].sign()).abs(), torch.eye(5).double() / math.sqrt(5), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("lmax", [0, 1, 4])
def test_expected_products_of_certain_rotations_are_outer_products(lmax: int, generator: torch.Generator) -> None:
    R = random_rotations(3, 2, generator=generator, dtype=torch.float64)
    once, twice = (wigner_D(l, R) * degree_weights(l, R) for l in (lmax, 2 * lmax))
    torch.testing.assert_close(
        expected_products(twice), once[..., :, None] * once[..., None, :], rtol=0, atol=10 * ROUNDING * (2 * lmax + 1)
    )


def test_products_minus_means_are_the_second_derivative_of_log_z(generator: torch.Generator) -> None:
    coeffs = 0.3 * torch.randn(so3_size(2), generator=generator, dtype=torch.float64)
    density = HarmonicDistribution(coeffs)
    mean = density.moments(2)
    covariance = expected_products(density.moments(4)) - mean[:, None] * mean
    direction = torch.randn(so3_size(2), generator=generator, dtype=torch.float64)
    ahead, behind = (HarmonicDistribution(coeffs + h * direction).moments(2) for h in (1e-3, -1e-3))
    # Central difference: error h^2 times a third cumulant, and the normaliser's 1e-4 in what the cloud leaves out.
    torch.testing.assert_close(covariance @ direction, (ahead - behind) / 2e-3, rtol=1e-4, atol=1e-3)
