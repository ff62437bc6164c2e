"""Laws of the rotation of coefficients."""

import pytest
import torch
from torch import Tensor

from armillary.harmonics import evaluate_s2, evaluate_so3, rotate_s2, rotate_so3, s2_size, so3_size
from armillary.so3 import random_rotations

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


@KINDS
def test_gradients_flow_to_coefficients_and_rotation(rotate, size, generator: torch.Generator) -> None:
    coeffs = torch.randn(size(2), generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: rotate(c, torch.eye(3).double()), (coeffs,))
    R = torch.eye(3, dtype=torch.float64, requires_grad=True)
    rotate(coeffs.detach(), R).square().sum().backward()
    assert R.grad is not None and R.grad.isfinite().all()
