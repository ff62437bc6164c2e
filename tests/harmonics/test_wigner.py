"""Laws of the real Wigner-D matrices, with the explicit sum, e3nn and SymPy as oracles."""

import math

import pytest
import sympy
import torch
from e3nn import o3
from sympy.physics.wigner import wigner_d_small
from torch import Tensor

from armillary.harmonics import SO3Transform, evaluate_so3, so3_size, spherical_harmonics, split_degrees, wigner_D
from armillary.harmonics.generator import generators
from armillary.so3 import exp, from_euler_zyz, random_rotations

EPS = torch.finfo(torch.float64).eps


def tol(degree: int, eps: float = EPS) -> float:
    """Entries are at most 1; rounding R shifts angles by eps, which l multiplies, and sums have 2l+1 terms."""
    return 4 * (2 * degree + 1) ** 2 * eps


@pytest.fixture
def rotations(special_rotations: Tensor, generator: torch.Generator) -> Tensor:
    return torch.cat([special_rotations, random_rotations(20, generator=generator, dtype=torch.float64)])


def real_from_complex(degree: int) -> Tensor:
    """The unitary C with Y_real = C Y_complex (Condon-Shortley), orders ascending."""
    C = torch.zeros(2 * degree + 1, 2 * degree + 1, dtype=torch.complex128)
    C[degree, degree] = 1
    for m in range(1, degree + 1):
        sign = (-1) ** m
        C[degree + m, degree + m], C[degree + m, degree - m] = sign / math.sqrt(2), 1 / math.sqrt(2)
        C[degree - m, degree + m], C[degree - m, degree - m] = -1j * sign / math.sqrt(2), 1j / math.sqrt(2)
    return C


def real_wigner(small: Tensor, alpha: float, gamma: float) -> Tensor:
    """Real D from Wigner's small d matrix (orders ascending): D_complex = exp(-i m alpha) d exp(-i n gamma)."""
    degree = small.shape[0] // 2
    order = torch.arange(-degree, degree + 1, dtype=torch.float64)
    # Y(Rx) = conj(D_complex) Y(x), because D_complex is defined by Y(R^-1 x).
    conjugate = (1j * alpha * order).exp()[:, None] * small * (1j * gamma * order).exp()
    C = real_from_complex(degree)
    result = C @ conjugate @ C.conj().T
    assert result.imag.abs().max() < tol(degree)
    return result.real


def small_d_by_the_explicit_sum(degree: int, beta: float) -> Tensor:
    """Wigner's formula (Varshalovich 4.3.1 eq. 2), term by term."""
    f = math.factorial
    rows = []
    for m in range(-degree, degree + 1):
        for n in range(-degree, degree + 1):
            norm = math.sqrt(f(degree + m) * f(degree - m) * f(degree + n) * f(degree - n))
            total = sum(
                (-1) ** (m - n + s)
                * math.cos(beta / 2) ** (2 * degree + n - m - 2 * s)
                * math.sin(beta / 2) ** (m - n + 2 * s)
                / (f(degree + n - s) * f(s) * f(m - n + s) * f(degree - m - s))
                for s in range(max(0, n - m), min(degree + n, degree - m) + 1)
            )
            rows.append(norm * total)
    return torch.tensor(rows, dtype=torch.complex128).reshape(2 * degree + 1, 2 * degree + 1)


def test_identity_has_identity_matrices() -> None:
    for l, D in enumerate(split_degrees(wigner_D(16, torch.eye(3, dtype=torch.float64)))):
        torch.testing.assert_close(D, torch.eye(2 * l + 1, dtype=torch.float64), rtol=0, atol=tol(l))


def test_wigner_is_a_homomorphism(rotations: Tensor) -> None:
    left, right = rotations, rotations.flip(0)
    product = split_degrees(wigner_D(16, left @ right))
    for l, (A, B, AB) in enumerate(
        zip(split_degrees(wigner_D(16, left)), split_degrees(wigner_D(16, right)), product, strict=True)
    ):
        torch.testing.assert_close(A @ B, AB, rtol=0, atol=tol(l))


def test_inverse_rotations_have_transposed_matrices(rotations: Tensor) -> None:
    pairs = zip(split_degrees(wigner_D(8, rotations.mT)), split_degrees(wigner_D(8, rotations)), strict=True)
    for l, (inverse, D) in enumerate(pairs):
        torch.testing.assert_close(inverse, D.mT, rtol=0, atol=tol(l))


def test_matrices_are_orthogonal_to_degree_64(rotations: Tensor) -> None:
    for D in split_degrees(wigner_D(64, rotations[::4])):
        assert (D @ D.mT - torch.eye(D.shape[-1], dtype=torch.float64)).abs().max() < 1e-11


def test_degree_one_is_the_rotation_in_the_order_y_z_x(rotations: Tensor) -> None:
    P = torch.eye(3, dtype=torch.float64)[[1, 2, 0]]
    torch.testing.assert_close(split_degrees(wigner_D(1, rotations))[1], P @ rotations @ P.T, rtol=0, atol=tol(1))


def test_harmonics_of_a_turned_point_are_wigner_times_harmonics(rotations: Tensor, generator: torch.Generator) -> None:
    points = torch.nn.functional.normalize(torch.randn(len(rotations), 3, generator=generator).double(), dim=-1)
    points = torch.cat([points, torch.tensor([[0.0, 0, 1]]).double().expand_as(points)])
    rotations = torch.cat([rotations, rotations])
    turned = spherical_harmonics(32, (rotations @ points[..., None])[..., 0])
    before = spherical_harmonics(32, points)
    for l, D in enumerate(split_degrees(wigner_D(32, rotations))):
        mine = (D @ before[:, l * l : (l + 1) ** 2, None])[..., 0]
        torch.testing.assert_close(mine, turned[:, l * l : (l + 1) ** 2], rtol=0, atol=math.sqrt(2 * l + 1) * tol(l))


@pytest.mark.parametrize("beta", [0.0, 1e-7, 0.9, math.pi / 2, math.pi - 1e-7, math.pi])
def test_wigner_equals_the_explicit_sum(beta: float) -> None:
    alpha, gamma = -2.1, 0.6
    R = from_euler_zyz(*(torch.tensor(v, dtype=torch.float64) for v in (alpha, beta, gamma)))
    for l, D in enumerate(split_degrees(wigner_D(6, R))):
        expected = real_wigner(small_d_by_the_explicit_sum(l, beta), alpha, gamma)
        torch.testing.assert_close(D, expected, rtol=0, atol=tol(l))


def test_wigner_agrees_with_sympy_to_degree_4() -> None:
    alpha, beta, gamma = 0.4, sympy.pi / 3, -1.7
    R = from_euler_zyz(*(torch.tensor(float(v), dtype=torch.float64) for v in (alpha, beta, gamma)))
    for l, D in enumerate(split_degrees(wigner_D(4, R))):
        # Edmonds' d(beta) is the usual d(-beta), and SymPy's orders descend: read in ascending order it is the usual d.
        small = [[complex(entry) for entry in row] for row in wigner_d_small(l, beta).evalf(20).tolist()]
        expected = real_wigner(torch.tensor(small, dtype=torch.complex128), alpha, gamma)
        torch.testing.assert_close(D, expected, rtol=0, atol=tol(l))


# e3nn 0.6 scripts its functions.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_wigner_agrees_with_e3nn_after_the_change_of_axes(generator: torch.Generator) -> None:
    # Random rotations only: e3nn goes through Euler angles, which lose digits near its pole.
    R = random_rotations(10, generator=generator, dtype=torch.float64)
    P = torch.eye(3, dtype=torch.float64)[[1, 2, 0]]
    angles = o3.matrix_to_angles(P @ R @ P.T)
    # e3nn makes its generators in the default precision.
    torch.set_default_dtype(torch.float64)
    try:
        theirs = [o3.wigner_D(l, *angles) for l in range(9)]
    finally:
        torch.set_default_dtype(torch.float32)
    for l, D in enumerate(split_degrees(wigner_D(8, R))):
        torch.testing.assert_close(D, theirs[l], rtol=0, atol=100 * tol(l))


def test_first_column_is_the_image_of_the_pole(rotations: Tensor) -> None:
    image = spherical_harmonics(16, rotations[..., 2])
    for l, D in enumerate(split_degrees(wigner_D(16, rotations))):
        expected = image[:, l * l : (l + 1) ** 2] / math.sqrt(2 * l + 1)
        torch.testing.assert_close(D[..., l], expected, rtol=0, atol=tol(l))


def test_entries_are_orthogonal_and_of_mean_square_one_over_2l_plus_1() -> None:
    # A product rule exact to degree 8 integrates every product of two entries of degree <= 4.
    transform = SO3Transform(4, rings=5, azimuths=9, dtype=torch.float64)
    basis = wigner_D(4, transform.points).flatten(0, 2)
    gram = (basis * transform.quadrature.flatten()[:, None]).T @ basis
    squares = [1 / (2 * l + 1) for l in range(5) for _ in range((2 * l + 1) ** 2)]
    torch.testing.assert_close(gram, torch.tensor(squares, dtype=torch.float64).diag(), rtol=0, atol=tol(4))


def test_gradients_are_finite_and_tangential_everywhere(special_rotations: Tensor) -> None:
    R = special_rotations.clone().requires_grad_()
    wigner_D(16, R).square().sum().backward()
    assert R.grad is not None and R.grad.isfinite().all()
    # d/dt D(R exp(t e_i)) = D(R) X_i, exactly.
    w = torch.zeros(len(special_rotations), 3, dtype=torch.float64)
    for axis in range(3):
        direction = torch.zeros_like(w)
        direction[:, axis] = 1
        _, slope = torch.autograd.functional.jvp(lambda v: wigner_D(3, special_rotations @ exp(v)), w, direction)
        for l, (D, dD) in enumerate(
            zip(split_degrees(wigner_D(3, special_rotations)), split_degrees(slope), strict=True)
        ):
            torch.testing.assert_close(dD, D @ generators(3)[l][axis], rtol=0, atol=20 * tol(l))


@pytest.mark.parametrize("start", range(4))
def test_gradcheck_in_tangent_coordinates(start: int) -> None:
    half = math.sqrt(0.5)
    frames = [torch.eye(3), torch.diag(torch.tensor([1.0, -1, -1])), torch.diag(torch.tensor([-1.0, -1, 1]))]
    frames.append(torch.tensor([[half, -half, 0], [half, half, 0], [0, 0, 1.0]]))
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: wigner_D(3, frames[start].double() @ exp(v)), (w,))


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_batches_are_the_stack_of_their_rotations(batch: tuple[int, ...], generator: torch.Generator) -> None:
    R = random_rotations(*batch, generator=generator)
    coeffs = torch.randn(so3_size(3), generator=generator)
    D = wigner_D(3, R)
    assert D.shape == (*batch, so3_size(3)) and D.dtype == torch.float32
    for flat, one in zip(D.reshape(-1, so3_size(3)), R.reshape(-1, 3, 3), strict=True):
        torch.testing.assert_close(flat, wigner_D(3, one), rtol=0, atol=tol(3, 1.2e-7))
    assert evaluate_so3(coeffs, R).shape == batch


def test_evaluation_broadcasts_samples_over_a_batch(generator: torch.Generator) -> None:
    R = random_rotations(5, 2, generator=generator, dtype=torch.float64)
    coeffs = torch.randn(2, so3_size(2), generator=generator, dtype=torch.float64)
    values = evaluate_so3(coeffs, R)
    assert values.shape == (5, 2)
    torch.testing.assert_close(values[3, 1], evaluate_so3(coeffs[1], R[3, 1]))


@pytest.mark.parametrize("lmax", [6, 32, 64])
def test_single_precision_is_accurate(lmax: int, special_rotations: Tensor) -> None:
    error = wigner_D(lmax, special_rotations[::3].float()).double() - wigner_D(lmax, special_rotations[::3])
    assert error.isfinite().all() and error.abs().max() < tol(lmax, torch.finfo(torch.float32).eps)


# torch.vmap loads code that torch itself calls deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_second_derivatives_and_transforms_go_through(generator: torch.Generator) -> None:
    frames = torch.cat([torch.eye(3).double()[None], random_rotations(1, generator=generator, dtype=torch.float64)])
    coeffs = torch.randn(so3_size(2), generator=generator, dtype=torch.float64)
    w = torch.full((2, 3), 0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: evaluate_so3(coeffs, frames @ exp(v)), (w,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda v: evaluate_so3(coeffs, frames @ exp(v)), (w,))
    torch.testing.assert_close(torch.vmap(lambda R: wigner_D(4, R))(frames), wigner_D(4, frames), rtol=0, atol=0)
    slopes = torch.vmap(torch.func.grad(lambda v, R: evaluate_so3(coeffs, R @ exp(v))))(w.detach(), frames)
    (expected,) = torch.autograd.grad(evaluate_so3(coeffs, frames @ exp(w)).sum(), w)
    torch.testing.assert_close(slopes, expected)


def test_export_keeps_the_values(generator: torch.Generator) -> None:
    class Wigner(torch.nn.Module):
        def forward(self, rotation: Tensor) -> Tensor:
            return wigner_D(3, rotation)

    R = random_rotations(5, generator=generator)
    exported = torch.export.export(Wigner(), (R,), strict=False).module()
    torch.testing.assert_close(exported(R), wigner_D(3, R), rtol=0, atol=tol(3, 1.2e-7))


def test_blocks_are_written_in_order(generator: torch.Generator) -> None:
    R = random_rotations(3000, generator=generator)
    torch.testing.assert_close(wigner_D(6, R)[::500], wigner_D(6, R[::500]), rtol=0, atol=tol(6, 1.2e-7))


def test_tables_made_in_inference_mode_serve_training() -> None:
    R = torch.eye(3, dtype=torch.float64)
    with torch.inference_mode():
        wigner_D(15, R)
    coeffs = torch.ones(so3_size(15), dtype=torch.float64, requires_grad=True)
    evaluate_so3(coeffs, R).backward()
    assert coeffs.grad is not None


@pytest.mark.parametrize(
    "matrix", [2 * torch.eye(3), torch.diag(torch.tensor([1.0, 1, -1])), torch.full((3, 3), math.nan)]
)
def test_what_is_no_rotation_is_a_mistake(matrix: Tensor) -> None:
    with pytest.raises(ValueError, match="expected rotation matrices"):
        wigner_D(2, matrix)
    with pytest.raises(ValueError, match="float64"):
        evaluate_so3(torch.ones(10), torch.eye(3).double())
