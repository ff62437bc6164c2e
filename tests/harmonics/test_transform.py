"""Laws of the transforms on the sphere and SO(3), run on both and on every kind of grid."""

import math
from typing import Any

import pytest
import torch
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
from armillary.harmonics.so3_transform import polar_nodes
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import gauss_legendre, random_rotations

EPS = torch.finfo(torch.float64).eps
SIZE = {S2Transform: s2_size, SO3Transform: so3_size}

# lmax and the other arguments: the exact default, oversampled, both rules, an even and an odd number of azimuths.
GRIDS: list[tuple[int, dict[str, Any]]] = [
    (0, {}),
    (1, {}),
    (5, {}),
    (5, {"grid": "equiangular"}),
    (4, {"rings": 9, "azimuths": 12}),
    (3, {"rings": 11, "azimuths": 9, "grid": "equiangular"}),
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
    transform, coeffs = kind(5, azimuths=azimuths, dtype=torch.float64), random_coeffs(kind, 5, generator)
    results = []
    for longest in (0, 1000):
        monkeypatch.setattr(fourier, "LONGEST_PRODUCT", longest)
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


@KINDS
@pytest.mark.parametrize("lmax", [6, 16])
def test_single_precision_round_trip(kind: type, lmax: int, generator: torch.Generator) -> None:
    transform, coeffs = kind(lmax), random_coeffs(kind, lmax, generator).float()
    back = transform.analysis(transform.synthesis(coeffs))
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, coeffs, rtol=0, atol=tol(lmax, torch.finfo(torch.float32).eps))


@pytest.mark.parametrize(("kind", "lmax"), [(S2Transform, 64), (SO3Transform, 24)])
def test_round_trip_at_high_degree(kind: type, lmax: int, generator: torch.Generator) -> None:
    transform, coeffs = kind(lmax, dtype=torch.float64), random_coeffs(kind, lmax, generator)
    torch.testing.assert_close(transform.analysis(transform.synthesis(coeffs)), coeffs, rtol=0, atol=tol(lmax))


@KINDS
def test_tables_are_not_saved_and_follow_the_module(kind: type) -> None:
    transform = kind(3)
    assert not transform.state_dict()
    assert transform.double().synthesis(torch.ones(SIZE[kind](3), dtype=torch.float64)).dtype == torch.float64


@KINDS
def test_mistakes_are_named(kind: type) -> None:
    with pytest.raises(ValueError, match="expected at least 2 \\* lmax \\+ 1 = 7 azimuths, got 6"):
        kind(3, azimuths=6)


def test_unknown_grids_are_named() -> None:
    with pytest.raises(ValueError, match="unknown grid 'helix': expected one of gauss-legendre, equiangular"):
        polar_nodes("helix", 4)


def test_random_functions_average_to_their_constant_term(generator: torch.Generator) -> None:
    # Haar measure: random rotations see the mean that c_000 is.
    coeffs = random_coeffs(SO3Transform, 2, generator)
    values = evaluate_so3(coeffs, random_rotations(20000, generator=generator, dtype=torch.float64))
    assert abs(values.mean() - coeffs[0]) < 5 * values.std() / math.sqrt(20000)


def test_polar_nodes_are_those_of_the_quadrature() -> None:
    assert torch.equal(SO3Transform(5).beta, gauss_legendre(6)[0])
