"""Laws of the transforms on the sphere and SO(3), run on both and on every kind of grid."""

import itertools
import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from scipy.special import sph_harm_y
from torch import Tensor

from armillary.harmonics import (
    S2Transform,
    SO3Transform,
    evaluate_so3,
    fourier,
    rotate_s2,
    rotate_so3,
    s2_size,
    so3_size,
    spherical_harmonics,
    wigner_D,
)
from armillary.harmonics.so3_transform import Grid
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import driscoll_healy, equiangular, from_euler_zyz, gauss_legendre, random_rotations

EPS = torch.finfo(torch.float64).eps
SIZE = {S2Transform: s2_size, SO3Transform: so3_size}

# lmax and the other arguments: the exact default, oversampled, both rules, an even and an odd number of azimuths.
GRIDS: list[tuple[int, dict[str, Any]]] = [
    (0, {}),
    (1, {}),
    (5, {}),
    (5, {"grid": "equiangular"}),
    (5, {"grid": "driscoll-healy"}),
    (4, {"rings": 9, "azimuths": 12}),
    (3, {"rings": 11, "azimuths": 9, "grid": "equiangular"}),
    (3, {"rings": 10, "azimuths": 8, "grid": "driscoll-healy"}),
]
KINDS = pytest.mark.parametrize("kind", [S2Transform, SO3Transform])
ALL = [
    pytest.param(kind, lmax, options, id=f"{kind.__name__}-{lmax}-" + "-".join(map(str, options.values())))
    for kind in (S2Transform, SO3Transform)
    for lmax, options in GRIDS
]
EVERY = pytest.mark.parametrize(("kind", "lmax", "options"), ALL)


def tol(lmax: int, eps: float = EPS) -> float:
    """Unit-variance coefficients: (2l+1)^2 terms of size 1 in a sum, each rounded; twice for a round trip."""
    return 10 * (2 * lmax + 1) ** 2 * eps


def basis(transform: S2Transform | SO3Transform) -> Tensor:
    """The dense reference: every orthonormal function at every node, (*grid, coeffs)."""
    if isinstance(transform, S2Transform):
        return spherical_harmonics(transform.lmax, transform.points)
    D = wigner_D(transform.lmax, transform.points)
    return D * degree_weights(transform.lmax, D)


def quadrature(transform: S2Transform | SO3Transform) -> Tensor:
    if isinstance(transform, SO3Transform):
        return transform.quadrature
    weights = (transform.polar_weights / transform.azimuths)[:, None]
    return weights.expand(-1, transform.azimuths)


def random_coeffs(kind: type, lmax: int, generator: torch.Generator, *batch: int) -> Tensor:
    return torch.randn(*batch, SIZE[kind](lmax), generator=generator, dtype=torch.float64)


@EVERY
def test_round_trip_is_exact(kind: type, lmax: int, options: dict, generator: torch.Generator) -> None:
    transform, coeffs = kind(lmax, dtype=torch.float64, **options), random_coeffs(kind, lmax, generator, 3, 1, 2)
    back = transform.analysis(transform.synthesis(coeffs))
    torch.testing.assert_close(back, coeffs, rtol=0, atol=tol(lmax))


@EVERY
def test_fast_transform_equals_the_dense_product(
    kind: type, lmax: int, options: dict, generator: torch.Generator
) -> None:
    transform, coeffs = kind(lmax, dtype=torch.float64, **options), random_coeffs(kind, lmax, generator, 2)
    dense = basis(transform)
    values = transform.synthesis(coeffs)
    torch.testing.assert_close(values, (dense @ coeffs.T).movedim(-1, 0), rtol=0, atol=tol(lmax))
    noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    projected = ((noise * quadrature(transform)).flatten(1)) @ dense.flatten(0, -2)
    torch.testing.assert_close(transform.analysis(noise), projected, rtol=0, atol=tol(lmax))


@EVERY
def test_parseval(kind: type, lmax: int, options: dict, generator: torch.Generator) -> None:
    # The square has degree 2 lmax, which the smallest equiangular grid is just fine enough for.
    transform, coeffs = kind(lmax, dtype=torch.float64, **options), random_coeffs(kind, lmax, generator)
    energy = (quadrature(transform) * transform.synthesis(coeffs).square()).sum()
    torch.testing.assert_close(energy, coeffs.square().sum(), rtol=tol(lmax), atol=0)


@KINDS
def test_grid_weights_are_a_probability(kind: type) -> None:
    assert abs(quadrature(kind(4, dtype=torch.float64)).sum().item() - 1) < 1e-14


def test_known_functions_on_the_sphere() -> None:
    transform = S2Transform(3, dtype=torch.float64)
    x, y, z = transform.points.unbind(-1)
    known = {
        (0, 0): torch.ones_like(x),
        (1, 0): math.sqrt(3) * z,
        (2, -2): math.sqrt(15) * x * y,
        (1, 1): math.sqrt(3) * x,
    }
    for (l, m), values in known.items():
        expected = torch.zeros(16, dtype=torch.float64)
        expected[l * l + l + m] = 1
        torch.testing.assert_close(transform.analysis(values), expected, rtol=0, atol=tol(3))


def test_known_functions_on_so3() -> None:
    transform = SO3Transform(2, dtype=torch.float64)
    R = transform.points
    order = [(l, m, n) for l in range(3) for m in range(-l, l + 1) for n in range(-l, l + 1)]
    trace = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    known = [
        (torch.ones_like(trace), {(0, 0, 0): 1.0}),
        (trace, {(1, n, n): 1 / math.sqrt(3) for n in (-1, 0, 1)}),
        # Row x, column y: orders m = 1 and n = -1 of degree 1.
        (R[..., 0, 1], {(1, 1, -1): 1 / math.sqrt(3)}),
        # cos^2 beta = (1 + 2 P_2(cos beta)) / 3.
        (R[..., 2, 2].square(), {(0, 0, 0): 1 / 3, (2, 0, 0): 2 / (3 * math.sqrt(5))}),
    ]
    for values, entries in known:
        expected = torch.tensor([entries.get(index, 0.0) for index in order], dtype=torch.float64)
        torch.testing.assert_close(transform.analysis(values), expected, rtol=0, atol=tol(2))


def test_rotating_a_sphere_signal_rotates_its_coefficients(
    special_rotations: Tensor, generator: torch.Generator
) -> None:
    transform, coeffs = S2Transform(4, dtype=torch.float64), random_coeffs(S2Transform, 4, generator)
    turned_points = transform.points @ special_rotations[:, None]  # R^-1 x, as rows
    signal = spherical_harmonics(4, turned_points) @ coeffs
    torch.testing.assert_close(transform.analysis(signal), rotate_s2(coeffs, special_rotations), rtol=0, atol=tol(4))


def test_rotating_an_so3_signal_rotates_its_coefficients(special_rotations: Tensor, generator: torch.Generator) -> None:
    transform, coeffs = SO3Transform(3, dtype=torch.float64), random_coeffs(SO3Transform, 3, generator)
    for R in special_rotations[::5]:
        signal = evaluate_so3(coeffs, R.mT @ transform.points)
        torch.testing.assert_close(transform.analysis(signal), rotate_so3(coeffs, R), rtol=0, atol=tol(3))


@KINDS
@pytest.mark.parametrize("azimuths", [11, 12, 129, 130])
def test_fourier_transform_and_matrix_product_agree(
    kind: type, azimuths: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    coeffs, results = random_coeffs(kind, 5, generator), []
    for longest in (0, 1000):
        monkeypatch.setattr(fourier, "LONGEST_PRODUCT", longest)
        transform = kind(5, azimuths=azimuths, dtype=torch.float64)
        values = transform.synthesis(coeffs)
        results.append((values, transform.analysis(values.square())))
    for by_fft, by_product in zip(*results, strict=True):
        torch.testing.assert_close(by_fft, by_product, rtol=0, atol=5 * tol(5))


@KINDS
def test_gradcheck(kind: type, generator: torch.Generator) -> None:
    transform = kind(2, dtype=torch.float64)
    coeffs = random_coeffs(kind, 2, generator).requires_grad_()
    assert torch.autograd.gradcheck(transform.synthesis, (coeffs,))
    values = transform.synthesis(coeffs.detach()).requires_grad_()
    assert torch.autograd.gradcheck(transform.analysis, (values,))


@KINDS
def test_analysis_is_the_weighted_adjoint_of_synthesis(kind: type, generator: torch.Generator) -> None:
    transform, coeffs = kind(4, dtype=torch.float64), random_coeffs(kind, 4, generator)
    signal = transform.synthesis(coeffs)
    noise = torch.randn(signal.shape, generator=generator, dtype=torch.float64)
    left, right = (signal * noise * quadrature(transform)).sum(), coeffs @ transform.analysis(noise)
    torch.testing.assert_close(left, right, rtol=0, atol=tol(4))


# The tables of both docstrings: error of a round trip relative to the norm.
ERRORS = {
    (S2Transform, torch.float64): {16: 1e-14, 32: 2e-14, 64: 4e-14, 128: 5e-13},
    (S2Transform, torch.float32): {16: 3e-7, 32: 4e-7, 64: 4e-7, 128: 6e-7},
    (SO3Transform, torch.float64): {8: 4e-15, 16: 1e-14, 32: 2e-14},
    (SO3Transform, torch.float32): {8: 3e-7, 16: 4e-7, 32: 5e-7},
}


@pytest.mark.parametrize(("kind", "dtype"), ERRORS)
@pytest.mark.parametrize("grid", get_args(Grid))
def test_round_trips_are_as_exact_as_documented(
    kind: type, dtype: torch.dtype, grid: str, generator: torch.Generator
) -> None:
    for lmax, bound in ERRORS[kind, dtype].items():
        transform, coeffs = kind(lmax, grid=grid, dtype=dtype), random_coeffs(kind, lmax, generator).to(dtype)
        back = transform.analysis(transform.synthesis(coeffs))
        error = (back - coeffs).norm() / coeffs.norm()
        assert back.dtype == dtype and error < bound, (lmax, float(error))
        assert f" {bound:.0e}".replace("e-0", "e-") in (kind.__doc__ or "")


def test_so3_round_trip_at_degree_64(generator: torch.Generator) -> None:
    # Single precision: half the memory and time, and the recurrences are in float64 anyway.
    transform, coeffs = SO3Transform(64, dtype=torch.float32), random_coeffs(SO3Transform, 64, generator).float()
    values = transform.synthesis(coeffs)
    assert (transform.analysis(values) - coeffs).norm() < 5e-7 * coeffs.norm()
    assert abs((transform.quadrature * values.square()).sum() / coeffs.square().sum() - 1) < 1e-5
    ring, alpha, gamma = (torch.randint(size, (20,), generator=generator) for size in values.shape)
    step = 2 * math.pi / transform.azimuths
    R = from_euler_zyz(alpha.double() * step, transform.beta[ring], gamma.double() * step)
    pointwise = evaluate_so3(coeffs.double(), R)
    # Values of size 600 = sqrt(366145), of which float32 keeps seven digits.
    torch.testing.assert_close(values[ring, alpha, gamma].double(), pointwise, rtol=0, atol=1e-3)


@pytest.mark.parametrize("grid", get_args(Grid))
def test_scipys_harmonics_have_one_coefficient(grid: Grid) -> None:
    transform = S2Transform(40, grid=grid, dtype=torch.float64)
    x, y, z = transform.points.unbind(-1)
    theta, phi = torch.atan2(torch.hypot(x, y), z).numpy(), torch.atan2(y, x).numpy()
    for l, m in ((0, 0), (3, -2), (17, 17), (40, 0), (40, -39)):
        # SciPy's are complex, with the Condon-Shortley sign, orthonormal for the measure of volume 4 pi.
        complex_values = math.sqrt(4 * math.pi) * (-1) ** m * sph_harm_y(l, abs(m), theta, phi)
        values = torch.as_tensor((complex_values.real if m >= 0 else complex_values.imag) * (math.sqrt(2) if m else 1))
        expected = torch.zeros(s2_size(40), dtype=torch.float64)
        expected[l * l + l + m] = 1
        torch.testing.assert_close(transform.analysis(values), expected, rtol=0, atol=tol(40))


@KINDS
@pytest.mark.parametrize("grid", get_args(Grid))
def test_basis_functions_are_orthonormal_on_the_grid(kind: type, grid: Grid) -> None:
    transform = kind(4, grid=grid, dtype=torch.float64)
    weighted = (basis(transform) * quadrature(transform).sqrt()[..., None]).flatten(0, -2)
    expected = torch.eye(SIZE[kind](4), dtype=torch.float64)
    torch.testing.assert_close(weighted.T @ weighted, expected, rtol=0, atol=tol(4))


@pytest.mark.parametrize("grid", get_args(Grid))
def test_slow_sums_over_modes_and_nodes_say_the_same(grid: Grid, generator: torch.Generator) -> None:
    # The definitions, one term at a time.
    transform, coeffs = S2Transform(2, grid=grid, dtype=torch.float64), random_coeffs(S2Transform, 2, generator)
    values = torch.zeros(len(transform.beta), transform.azimuths, dtype=torch.float64)
    for i, j in itertools.product(range(values.shape[0]), range(values.shape[1])):
        for l in range(3):
            for m in range(-l, l + 1):
                Y = spherical_harmonics(2, transform.points[i, j])[l * l + l + m]
                values[i, j] += coeffs[l * l + l + m] * Y
    torch.testing.assert_close(transform.synthesis(coeffs), values, rtol=0, atol=tol(2))
    group, back = SO3Transform(1, grid=grid, dtype=torch.float64), torch.zeros(10, dtype=torch.float64)
    noise = torch.randn(group.points.shape[:3], generator=generator, dtype=torch.float64)
    for node in itertools.product(*map(range, noise.shape)):
        D = wigner_D(1, group.points[node])
        for index, l in enumerate([0] + 9 * [1]):
            back[index] += group.quadrature[node] * noise[node] * math.sqrt(2 * l + 1) * D[index]
    torch.testing.assert_close(group.analysis(noise), back, rtol=0, atol=tol(1))


@KINDS
def test_tables_are_not_saved_and_follow_the_module(kind: type) -> None:
    transform = kind(3)
    assert not transform.state_dict()
    assert transform.double().synthesis(torch.ones(SIZE[kind](3), dtype=torch.float64)).dtype == torch.float64


@KINDS
def test_tables_are_made_on_a_device(kind: type) -> None:
    assert kind(2, device="meta").polar_weights.device.type == "meta"


def test_random_functions_average_to_their_constant_term(generator: torch.Generator) -> None:
    # Haar measure: random rotations see the mean that c_000 is.
    coeffs = random_coeffs(SO3Transform, 2, generator)
    values = evaluate_so3(coeffs, random_rotations(20000, generator=generator, dtype=torch.float64))
    assert abs(values.mean() - coeffs[0]) < 5 * values.std() / math.sqrt(20000)


RULES = [("gauss-legendre", gauss_legendre), ("equiangular", equiangular), ("driscoll-healy", driscoll_healy)]


@KINDS
@pytest.mark.parametrize(("grid", "rule"), RULES)
def test_polar_nodes_are_those_of_the_quadrature(kind: type, grid: Grid, rule: Callable) -> None:
    assert torch.equal(kind(5, grid=grid, rings=14).beta, rule(14)[0])
