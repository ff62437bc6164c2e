"""Laws of correlation on the sphere and on SO(3), run on both."""

import pytest
import torch
from torch import Tensor

from armillary.harmonics import (
    S2Transform,
    SO3Transform,
    correlate,
    correlate_so3,
    evaluate_s2,
    evaluate_so3,
    rotate_s2,
    rotate_so3,
    s2_size,
    so3_size,
)
from armillary.so3 import random_rotations

EPS = torch.finfo(torch.float64).eps
KINDS = pytest.mark.parametrize(
    ("correlation", "rotate", "size"),
    [(correlate, rotate_s2, s2_size), (correlate_so3, rotate_so3, so3_size)],
    ids=["s2", "so3"],
)


def tol(lmax: int, size: int) -> float:
    """A value of the correlation is an inner product of two functions of norm sqrt(size), turned to (2l+1)^2 eps."""
    return 100 * (2 * lmax + 1) ** 2 * size * EPS


@pytest.fixture
def rotations(special_rotations: Tensor, generator: torch.Generator) -> Tensor:
    return torch.cat([special_rotations[::3], random_rotations(5, generator=generator, dtype=torch.float64)])


def test_correlation_on_the_sphere_equals_the_brute_force_integral(
    rotations: Tensor, generator: torch.Generator
) -> None:
    first, second = torch.randn(2, s2_size(4), generator=generator, dtype=torch.float64)
    transform = S2Transform(4, dtype=torch.float64)
    weights = (transform.polar_weights / transform.azimuths)[:, None]
    signal, correlation = transform.synthesis(second), correlate(first, second)
    for R in rotations:
        integral = (weights * evaluate_s2(first, transform.points @ R.mT) * signal).sum()
        torch.testing.assert_close(evaluate_so3(correlation, R), integral, rtol=0, atol=tol(4, 25))


def test_correlation_on_so3_equals_the_brute_force_integral(rotations: Tensor, generator: torch.Generator) -> None:
    first, second = torch.randn(2, so3_size(2), generator=generator, dtype=torch.float64)
    transform = SO3Transform(2, dtype=torch.float64)
    signal, correlation = transform.synthesis(second), correlate_so3(first, second)
    for R in rotations:
        integral = (transform.quadrature * evaluate_so3(first, R @ transform.points) * signal).sum()
        torch.testing.assert_close(evaluate_so3(correlation, R), integral, rtol=0, atol=tol(2, 35))


@KINDS
def test_correlation_is_the_inner_product_with_the_turned_function(
    correlation, rotate, size, rotations: Tensor, generator: torch.Generator
) -> None:
    # Orthonormal bases: no quadrature.
    first, second = torch.randn(2, size(3), generator=generator, dtype=torch.float64)
    expected = (first * rotate(second, rotations)).sum(-1)
    values = evaluate_so3(correlation(first, second), rotations)
    torch.testing.assert_close(values, expected, rtol=0, atol=tol(3, size(3)))


@KINDS
def test_turned_functions_have_a_turned_correlation(
    correlation, rotate, size, rotations: Tensor, generator: torch.Generator
) -> None:
    first, second = torch.randn(2, size(3), generator=generator, dtype=torch.float64)
    left = correlation(rotate(first, rotations), second)
    torch.testing.assert_close(left, rotate_so3(correlation(first, second), rotations), rtol=0, atol=tol(3, 1))
    # Exchanging both functions inverts the rotation.
    values = evaluate_so3(correlation(second, first), rotations.mT)
    torch.testing.assert_close(values, evaluate_so3(correlation(first, second), rotations), atol=tol(3, 84), rtol=0)


@KINDS
def test_channels_are_summed_whatever_their_axis(correlation, rotate, size, generator: torch.Generator) -> None:
    first, second = torch.randn(2, 5, 3, size(4), generator=generator, dtype=torch.float64)
    one_by_one = correlation(first, second)
    assert one_by_one.shape == (5, 3, so3_size(4))
    for axis in (0, 1, -2, -3):
        summed = correlation(first, second, channel_dim=axis)
        torch.testing.assert_close(summed, one_by_one.sum(axis), rtol=1e-12, atol=1e-12)


@KINDS
def test_correlation_is_bilinear_and_batches_broadcast(correlation, rotate, size, generator: torch.Generator) -> None:
    a, b, c = torch.randn(3, 2, 1, size(3), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(correlation(a + 2 * b, c), correlation(a, c) + 2 * correlation(b, c))
    torch.testing.assert_close(correlation(c, a + 2 * b), correlation(c, a) + 2 * correlation(c, b))
    views = torch.randn(2, 7, size(3), generator=generator, dtype=torch.float64)
    assert correlation(a, views).shape == (2, 7, so3_size(3))
