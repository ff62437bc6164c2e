"""Laws of rotation and correlation of coefficients."""

import pytest
import torch
from torch import Tensor

from armillary.harmonics import (
    S2Transform,
    correlate,
    evaluate_s2,
    evaluate_so3,
    find_peaks,
    rotate_s2,
    rotate_so3,
    s2_size,
    so3_size,
)
from armillary.so3 import geodesic_distance, random_rotations

EPS = torch.finfo(torch.float64).eps
KINDS = pytest.mark.parametrize(("rotate", "size"), [(rotate_s2, s2_size), (rotate_so3, so3_size)], ids=["s2", "so3"])


def tol(lmax: int) -> float:
    """Unit-variance coefficients through one orthogonal matrix of 2l+1 columns, itself good to (2l+1)^2 eps."""
    return 20 * (2 * lmax + 1) ** 2 * EPS


@KINDS
def test_rotation_is_a_group_action(rotate, size, special_rotations: Tensor, generator: torch.Generator) -> None:
    coeffs = torch.randn(size(5), generator=generator, dtype=torch.float64)
    first, second = special_rotations, special_rotations.roll(7, 0)
    torch.testing.assert_close(
        rotate(rotate(coeffs, second), first), rotate(coeffs, first @ second), rtol=0, atol=tol(5)
    )
    torch.testing.assert_close(rotate(coeffs, torch.eye(3).double()), coeffs, rtol=0, atol=tol(5))


@KINDS
def test_rotation_keeps_the_norm(rotate, size, special_rotations: Tensor, generator: torch.Generator) -> None:
    coeffs = torch.randn(size(8), generator=generator, dtype=torch.float64)
    norms = rotate(coeffs, special_rotations).norm(dim=-1)
    torch.testing.assert_close(norms, coeffs.norm().expand_as(norms), rtol=tol(8), atol=0)


def test_rotated_functions_take_the_values_of_the_turned_back_point(
    special_rotations: Tensor, generator: torch.Generator
) -> None:
    sphere = torch.randn(s2_size(4), generator=generator, dtype=torch.float64)
    point = torch.nn.functional.normalize(torch.randn(3, generator=generator).double(), dim=-1)
    turned = evaluate_s2(rotate_s2(sphere, special_rotations), point.expand(len(special_rotations), 3))
    torch.testing.assert_close(turned, evaluate_s2(sphere, special_rotations.mT @ point), rtol=0, atol=10 * tol(4))
    group = torch.randn(so3_size(4), generator=generator, dtype=torch.float64)
    Q = random_rotations(generator=generator, dtype=torch.float64)
    turned = evaluate_so3(rotate_so3(group, special_rotations), Q.expand(len(special_rotations), 3, 3))
    torch.testing.assert_close(turned, evaluate_so3(group, special_rotations.mT @ Q), rtol=0, atol=10 * tol(4))


@KINDS
def test_batches_broadcast(rotate, size, generator: torch.Generator) -> None:
    coeffs, R = torch.randn(3, 1, size(2), generator=generator), random_rotations(2, generator=generator)
    both = rotate(coeffs, R)
    assert both.shape == (3, 2, size(2))
    torch.testing.assert_close(both[1, 1], rotate(coeffs[1, 0], R[1]), rtol=0, atol=1e-5)


def test_correlation_equals_the_brute_force_integral(special_rotations: Tensor, generator: torch.Generator) -> None:
    first, second = torch.randn(2, s2_size(4), generator=generator, dtype=torch.float64)
    transform = S2Transform(4, dtype=torch.float64)
    weights = (transform.polar_weights / transform.azimuths)[:, None]
    signal = transform.synthesis(second)
    correlation = correlate(first, second)
    for R in torch.cat([special_rotations[::3], random_rotations(5, generator=generator, dtype=torch.float64)]):
        integral = (weights * evaluate_s2(first, transform.points @ R.mT) * signal).sum()
        torch.testing.assert_close(evaluate_so3(correlation, R), integral, rtol=0, atol=25 * tol(4))


def test_correlation_peaks_at_the_planted_rotation(special_rotations: Tensor, generator: torch.Generator) -> None:
    second = torch.randn(s2_size(6), generator=generator, dtype=torch.float64)
    planted = torch.cat([special_rotations[::6], random_rotations(10, generator=generator, dtype=torch.float64)])
    peaks, values = find_peaks(correlate(rotate_s2(second, planted), second.expand(len(planted), -1)))
    # Newton's last step has size sqrt(eps) of a wavelength at most, and converges quadratically.
    assert geodesic_distance(peaks[:, 0], planted).max() < 1e-6
    # Cauchy-Schwarz: the peak is the energy of the signal.
    torch.testing.assert_close(values[:, 0], second.square().sum().expand(len(planted)), rtol=1e-12, atol=0)


def test_correlation_is_linear_and_batched(generator: torch.Generator) -> None:
    a, b, c = torch.randn(3, 2, 1, s2_size(3), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(correlate(a + 2 * b, c), correlate(a, c) + 2 * correlate(b, c))
    assert correlate(a, b).shape == (2, 1, so3_size(3))


@KINDS
def test_gradients_flow_to_coefficients_and_rotation(rotate, size, generator: torch.Generator) -> None:
    coeffs = torch.randn(size(2), generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: rotate(c, torch.eye(3).double()), (coeffs,))
    R = torch.eye(3, dtype=torch.float64, requires_grad=True)
    rotate(coeffs.detach(), R).square().sum().backward()
    assert R.grad is not None and R.grad.isfinite().all()
