"""Laws of the real spherical harmonics, with e3nn, SciPy and SymPy as oracles."""

import math

import pytest
import sympy
import torch
from e3nn import o3
from scipy.special import eval_legendre, sph_harm_y
from torch import Tensor

from armillary.harmonics import evaluate_s2, s2_size, spherical_harmonics
from armillary.so3 import gauss_legendre

EPS = torch.finfo(torch.float64).eps


def tol(degree: int, eps: float = EPS) -> float:
    """Values reach sqrt(2l+1); l steps of the recurrence and of the powers each round once."""
    return 8 * (2 * degree + 1) ** 2 * eps


def unit_vectors(count: int, generator: torch.Generator) -> Tensor:
    """The poles, the other axes, a hair from a pole, and random directions."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    near = torch.tensor([[1e-7, 0, 1], [0, -1e-7, -1], [1e-12, 1e-12, 1]], dtype=torch.float64)
    random = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(torch.cat([axes, near, random]), dim=-1)


def test_known_polynomials_of_low_degree(generator: torch.Generator) -> None:
    points = unit_vectors(20, generator)
    x, y, z = points.unbind(-1)
    s3, s15 = math.sqrt(3), math.sqrt(15)
    known = [
        torch.ones_like(x),
        *(s3 * y, s3 * z, s3 * x),
        *(s15 * x * y, s15 * y * z, math.sqrt(5) / 2 * (3 * z**2 - 1), s15 * x * z, s15 / 2 * (x**2 - y**2)),
    ]
    torch.testing.assert_close(spherical_harmonics(2, points), torch.stack(known, -1), rtol=0, atol=tol(2))
    zonal = math.sqrt(7) / 2 * (5 * z**3 - 3 * z)
    torch.testing.assert_close(spherical_harmonics(3, points)[:, 12], zonal, rtol=0, atol=tol(3))


@pytest.mark.parametrize("lmax", [0, 1, 4, 16, 32])
def test_harmonics_are_orthonormal_by_quadrature(lmax: int) -> None:
    beta, weights = gauss_legendre(lmax + 1)
    phi = torch.arange(2 * lmax + 1, dtype=torch.float64) * math.tau / (2 * lmax + 1)
    b, p = torch.meshgrid(beta, phi, indexing="ij")
    values = spherical_harmonics(lmax, torch.stack([b.sin() * p.cos(), b.sin() * p.sin(), b.cos()], -1))
    weighted = values * (weights / len(phi)).sqrt()[:, None, None]
    gram = weighted.flatten(0, 1).T @ weighted.flatten(0, 1)
    torch.testing.assert_close(gram, torch.eye(s2_size(lmax), dtype=torch.float64), rtol=0, atol=tol(lmax))


def test_addition_theorem(generator: torch.Generator) -> None:
    lmax = 32
    points = unit_vectors(20, generator)
    first, second = spherical_harmonics(lmax, points), spherical_harmonics(lmax, points.flip(0))
    cosine = (points * points.flip(0)).sum(-1)
    for l in range(lmax + 1):
        kernel = (first * second)[:, l * l : (l + 1) ** 2].sum(-1)
        expected = torch.as_tensor((2 * l + 1) * eval_legendre(l, cosine.clamp(-1, 1).numpy()))
        # d P_l / d cos reaches l (l + 1) / 2 at cos = 1, times the sum's (2l + 1).
        torch.testing.assert_close(kernel, expected, rtol=0, atol=(2 * l + 1) * tol(l))


def test_harmonics_agree_with_e3nn_after_the_change_of_axes(generator: torch.Generator) -> None:
    points = unit_vectors(50, generator)
    degrees = list(range(12))
    # e3nn's pole is y: its harmonics of P v = (y, z, x) are ours of v.
    theirs = o3.spherical_harmonics(degrees, points[:, [1, 2, 0]], normalize=True, normalization="component")
    torch.testing.assert_close(spherical_harmonics(11, points), theirs, rtol=0, atol=100 * tol(11))


def test_harmonics_agree_with_scipy_to_degree_64(generator: torch.Generator) -> None:
    points = unit_vectors(10, generator)
    theta = torch.atan2(torch.linalg.vector_norm(points[:, :2], dim=-1), points[:, 2]).numpy()
    phi = torch.atan2(points[:, 1], points[:, 0]).numpy()
    ours = spherical_harmonics(64, points)
    for l in (0, 1, 5, 20, 64):
        for m in range(-l, l + 1):
            # SciPy's are complex, with the Condon-Shortley sign, orthonormal for the measure of volume 4 pi.
            theirs = math.sqrt(4 * math.pi) * (-1) ** m * sph_harm_y(l, abs(m), theta, phi)
            part = theirs.real if m >= 0 else theirs.imag
            expected = torch.as_tensor(part * (math.sqrt(2) if m else 1.0))
            torch.testing.assert_close(ours[:, l * l + l + m], expected, rtol=0, atol=50 * tol(l))


def test_harmonics_agree_with_sympy() -> None:
    theta, phi = sympy.Rational(7, 10), -sympy.Rational(13, 10)
    sine, cosine = sympy.sin(theta), sympy.cos(theta)
    point = [float(v) for v in (sine * sympy.cos(phi), sine * sympy.sin(phi), cosine)]
    ours = spherical_harmonics(4, torch.tensor(point, dtype=torch.float64))
    for l in range(5):
        for m in range(-l, l + 1):
            value = complex(sympy.Ynm(l, abs(m), theta, phi).expand(func=True).evalf(20)) * (-1) ** m
            part = (value.real if m >= 0 else value.imag) * math.sqrt(4 * math.pi * (2 if m else 1))
            assert abs(ours[l * l + l + m].item() - part) < tol(l)


def test_gradients_are_exact_at_the_poles_and_elsewhere(generator: torch.Generator) -> None:
    points = unit_vectors(3, generator).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: spherical_harmonics(4, v), (points,))
    spherical_harmonics(64, points).sum().backward()
    assert points.grad is not None and points.grad.isfinite().all()


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_batches_are_the_stack_of_their_points(batch: tuple[int, ...], generator: torch.Generator) -> None:
    points = torch.nn.functional.normalize(torch.randn(*batch, 3, generator=generator), dim=-1)
    coeffs = torch.randn(*batch, s2_size(3), generator=generator)
    values = spherical_harmonics(3, points)
    assert values.shape == (*batch, s2_size(3)) and values.dtype == torch.float32
    for flat, point in zip(values.reshape(-1, s2_size(3)), points.reshape(-1, 3), strict=True):
        # The order of a vectorised product may differ by one rounding.
        torch.testing.assert_close(flat, spherical_harmonics(3, point), rtol=0, atol=tol(3, 1.2e-7))
    torch.testing.assert_close(evaluate_s2(coeffs, points), (coeffs * values).sum(-1))


def test_single_precision_is_accurate_to_degree_64(generator: torch.Generator) -> None:
    points = unit_vectors(50, generator)
    # The points round too: a shift of eps in angle changes Y by l sqrt(2l+1) eps, inside tol.
    error = spherical_harmonics(64, points.float()).double() - spherical_harmonics(64, points)
    assert error.abs().max() < tol(64, torch.finfo(torch.float32).eps) / 16
