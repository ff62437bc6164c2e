"""Gradient and Hessian along the group are those of finite differences and of autograd."""

import math

import pytest
import torch
from torch import Tensor

from armillary.harmonics import derivative_coeffs, evaluate_so3, expand_so3, so3_size
from armillary.harmonics.curvature import downward_curvature
from armillary.harmonics.derivative import generators
from armillary.so3 import exp, random_rotations


@pytest.fixture
def coeffs(generator: torch.Generator) -> Tensor:
    return torch.randn(so3_size(4), generator=generator, dtype=torch.float64)


def along(coeffs: Tensor, R: Tensor, w: Tensor) -> Tensor:
    return evaluate_so3(coeffs, R @ exp(w))


def test_expansion_agrees_with_finite_differences(coeffs: Tensor, special_rotations: Tensor) -> None:
    R = special_rotations
    expansion = expand_so3(derivative_coeffs(coeffs), R)
    step = 1e-4
    basis = step * torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(expansion.value, evaluate_so3(coeffs, R))
    for i in range(3):
        slope = (along(coeffs, R, basis[i]) - along(coeffs, R, -basis[i])) / (2 * step)
        # Third derivatives are below l^3 max|f|: 64 * 165 here, times step^2 / 6.
        torch.testing.assert_close(expansion.gradient[:, i], slope, rtol=0, atol=64 * 165 * step**2)
        for j in range(3):
            corners = [along(coeffs, R, s * basis[i] + t * basis[j]) * s * t for s in (1, -1) for t in (1, -1)]
            # Fourth derivatives below l^4 max|f|, and rounding of order 1e-13 / step^2.
            curvature = sum(corners) / (4 * step**2)
            atol = 256 * 165 * step**2 + 1e-13 / step**2
            torch.testing.assert_close(expansion.hessian[:, i, j], curvature, rtol=0, atol=atol)


def test_expansion_agrees_with_autograd(coeffs: Tensor, generator: torch.Generator) -> None:
    R = random_rotations(generator=generator, dtype=torch.float64)
    w = torch.zeros(3, dtype=torch.float64)
    expansion = expand_so3(derivative_coeffs(coeffs), R[None])
    gradient = torch.autograd.functional.jacobian(lambda v: along(coeffs, R, v), w)
    torch.testing.assert_close(expansion.gradient[0], gradient, rtol=1e-10, atol=1e-10)


def test_generators_satisfy_the_commutation_relations() -> None:
    for l, (x, y, z) in enumerate(generators(8)):
        atol = 1e-13 * (2 * l + 1) ** 2
        for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
            torch.testing.assert_close(a @ b - b @ a, c, rtol=0, atol=atol)
            torch.testing.assert_close(a, -a.mT, rtol=0, atol=atol)
        # The Casimir operator.
        casimir = l * (l + 1) * torch.eye(2 * l + 1, dtype=torch.float64)
        torch.testing.assert_close(-(x @ x + y @ y + z @ z), casimir, rtol=0, atol=10 * atol)


def test_the_trace_of_the_hessian_is_the_laplacian(coeffs: Tensor, generator: torch.Generator) -> None:
    # Degree l is an eigenspace of the Laplacian with eigenvalue -l(l+1).
    R = random_rotations(7, generator=generator, dtype=torch.float64)
    eigenvalues = [-l * (l + 1) for l in range(5) for _ in range((2 * l + 1) ** 2)]
    laplacian = evaluate_so3(coeffs * torch.tensor(eigenvalues, dtype=torch.float64), R)
    trace = expand_so3(derivative_coeffs(coeffs), R).hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(trace, laplacian, rtol=0, atol=1e-11 * laplacian.abs().max().item())


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_batches_have_their_own_points(batch: tuple[int, ...], generator: torch.Generator) -> None:
    coeffs = torch.randn(*batch, so3_size(2), generator=generator)
    R = random_rotations(*batch, 5, generator=generator)
    expansion = expand_so3(derivative_coeffs(coeffs), R)
    assert expansion.value.shape == (*batch, 5)
    assert expansion.gradient.shape == (*batch, 5, 3) and expansion.hessian.shape == (*batch, 5, 3, 3)


@pytest.mark.parametrize("lmax", [1, 3, 6])
def test_downward_curvature_is_the_least_eigenvalue_to_its_margin(lmax: int, generator: torch.Generator) -> None:
    coeffs = torch.randn(4, so3_size(lmax), generator=generator, dtype=torch.float64)
    # Smooth functions too: their high degrees fade.
    fade = [math.exp(-l / 2) for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)]
    coeffs = torch.cat([coeffs, coeffs * torch.tensor(fade, dtype=torch.float64)])
    R = random_rotations(4000, generator=generator, dtype=torch.float64).expand(8, -1, 3, 3)
    least = -torch.linalg.eigvalsh(expand_so3(derivative_coeffs(coeffs), R).hessian)[..., 0].amin(-1)
    claimed = downward_curvature(coeffs)
    # Callers multiply by MARGIN, 1.25.
    assert (least <= 1.2 * claimed).all()
    assert (claimed <= 1.5 * least).all()


def test_curvature_of_the_trace_is_two_to_the_margin() -> None:
    # Along a geodesic through the identity trace(R) = 1 + 2 cos t. The identity lies between the nodes.
    coeffs = torch.zeros(1, 10, dtype=torch.float64)
    coeffs[:, [1, 5, 9]] = 1 / math.sqrt(3)
    assert 2 / 1.15 < downward_curvature(coeffs).item() <= 2 + 1e-12
