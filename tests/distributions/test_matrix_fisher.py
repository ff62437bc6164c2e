"""The matrix Fisher and Bingham distributions: exact normaliser and derivatives, sampler, conversions, inverse."""

import math
from collections.abc import Callable

import mpmath
import pytest
import torch
from scipy.special import elliprf
from torch import Tensor

from armillary.distributions import AdaptiveGrid, Bingham, MatrixFisher
from armillary.distributions.families.quadratic_form.level import carlson_rf, integral_below, level_of_mass
from armillary.so3 import exp, geodesic_distance, matrix_to_quat_xyzw, random_rotations

DEGREE = math.pi / 180
FORMS = torch.tensor(
    [[0.1, 0.2, 0.3], [1, 1, 1], [1, 5, 30], [0, 7, 7], [0, 0, 9], [2, 2, 80], [1e3, 1e3, 1e3], [3, 1e4, 1e6]]
).double()


def of_form(form: Tensor) -> Tensor:
    """Diagonal matrices F whose quadratic forms are given."""
    return torch.diag_embed((form.sum(-1, keepdim=True) - 2 * form) / 4)


def lee_log_constant(s: tuple[float, float, float]) -> float:
    """Log c(S) minus the sum of S by the Bessel integral of Lee (2018), in 30 digits."""
    with mpmath.workdps(30):
        first, second, third = map(mpmath.mpf, s)
        # Singular values of a rotated order: the integrand peaks at u = 1 alone, within 1 / (s1 + s3) of it.
        ends = [mpmath.mpf(-1), *[1 - mpmath.mpf(10) ** -k for k in range(9)], mpmath.mpf(1)]

        def integrand(u: mpmath.mpf) -> mpmath.mpf:
            less, more = (second - third) * (1 - u) / 2, (second + third) * (1 + u) / 2
            return mpmath.besseli(0, less) * mpmath.besseli(0, more) * mpmath.exp(first * (u - 1) - second - third)

        return float(mpmath.log(mpmath.quad(integrand, ends) / 2))


@pytest.mark.parametrize(
    "s",
    [(0, 0, 0), (1, 0.5, -0.3), (5, 5, -5), (1e6, 1e6, -1e6 + 1), (1e6, 0, 0), (1e6, 1e3, -1e3), (1e7, 1e7, 1e7)],
)
def test_normaliser_is_the_bessel_integral_of_the_literature(s: tuple[float, float, float]) -> None:
    turn = exp(torch.tensor([0.4, -1.1, 2.0]).double())
    parameter = turn @ torch.diag(torch.tensor(s, dtype=torch.float64))
    density = MatrixFisher(parameter)
    # The turn rounds F, and with it the two s1 + s3 that are near 0, by some 1e-16 of s1.
    rounding = 1e-15 * s[0]
    assert abs(-density.log_prob(density.mode) - lee_log_constant(s)) < 1e-12 + 10 * rounding
    diagonal = MatrixFisher(torch.diag(torch.tensor(s, dtype=torch.float64)))
    assert abs(-diagonal.modes(1).log_prob - lee_log_constant(s)) < 1e-12


def test_density_is_that_of_degree_one_coefficients(generator: torch.Generator) -> None:
    parameter = (
        torch.randn(4, 3, 3, generator=generator, dtype=torch.float64)
        * torch.tensor([1.0, 3, 10, 100])[:, None, None].double()
    )
    density = MatrixFisher(parameter)
    harmonic = density.to_harmonic()
    R = density.sample((20,), generator=generator)
    error = (density.log_prob(R) - harmonic.log_prob(R)).abs().max()
    assert error < AdaptiveGrid().tolerance
    assert (density.entropy() - harmonic.entropy()).abs().max() < 10 * AdaptiveGrid().tolerance
    assert geodesic_distance(density.mean, harmonic.mean).max() < 1e-3


def test_entropy_runs_from_uniform_to_normal() -> None:
    assert MatrixFisher(torch.zeros(3, 3).double()).entropy().abs() < 1e-12
    # That of a normal law in three radians, for Haar measure dw / 8 pi^2; the curvature is of order sigma^2.
    precision = torch.tensor([3e5, 1e4, 2e5]).double()
    normal = 1.5 * math.log(2 * math.pi * math.e) - precision.log().sum() / 2 - math.log(8 * math.pi**2)
    sharp = MatrixFisher(torch.diag((precision.sum() - 2 * precision) / 2))
    assert abs(sharp.entropy() - normal) < 1 / precision.min()


PLACES = {
    "generic": torch.randn(3, 3, generator=torch.Generator().manual_seed(3)).double(),
    "zero": torch.zeros(3, 3).double(),
    "isotropic": 4 * exp(torch.tensor([0.4, -1.1, 2.0]).double()),
    "negative": torch.diag(torch.tensor([3.0, 3.0, -3.0])).double(),
    "rank-one": torch.diag(torch.tensor([0.0, 6.0, 0.0])).double(),
    "sharp": torch.diag(torch.tensor([300.0, 300.0, -295.0])).double(),
}


@pytest.mark.parametrize("place", PLACES)
def test_derivatives_of_first_and_second_order(place: str) -> None:
    parameter = PLACES[place].clone().requires_grad_()
    R = exp(torch.tensor([[0.0, 0, 0], [1, 2, 0.5]]).double())
    asked: list[Callable[[Tensor], Tensor]] = [
        lambda F: MatrixFisher(F).log_prob(R),
        lambda F: MatrixFisher(F).expectation,
        lambda F: MatrixFisher(F).entropy(),
    ]
    for ask in asked:
        assert torch.autograd.gradcheck(ask, (parameter,))
    assert torch.autograd.gradgradcheck(asked[0], (parameter,))


def test_third_derivatives_are_refused() -> None:
    F = torch.eye(3).double().requires_grad_()
    (first,) = torch.autograd.grad(MatrixFisher(F).log_constant, F, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), F, create_graph=True)
    with pytest.raises(NotImplementedError, match="order one or two"):
        torch.autograd.grad(second.sum(), F)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_special_rotations(special_rotations: Tensor, dtype: torch.dtype) -> None:
    R = special_rotations.to(dtype).requires_grad_()
    for parameter in (torch.zeros(3, 3), torch.eye(3), 1e6 * torch.diag(torch.tensor([1.0, 1, -1]))):
        F = parameter.to(dtype).requires_grad_()
        value = MatrixFisher(F).log_prob(R)
        assert value.dtype == dtype and value.isfinite().all()
        for gradient in torch.autograd.grad(value.sum(), (F, R)):
            assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1.0, 1.0, 1.0), (1.0, 1.0, -0.9), (1.0, 0.01, 0.0)])
def test_a_tenth_of_a_degree_integrates_to_one(shape: tuple[float, float, float], dtype: torch.dtype) -> None:
    s = torch.tensor(shape).double() / (2 * (0.1 * DEGREE) ** 2)
    centre = exp(torch.tensor([0.4, -1.1, 2.0]).double())
    density = MatrixFisher((centre @ torch.diag(s)).to(dtype))
    # Tangent space at the mode, axes scaled by their deviations; midpoints 1/3 of one apart alias by exp(-18 pi^2).
    line = torch.arange(-24, 25).double() / 3
    tangent = torch.cartesian_prod(line, line, line) / (s.sum() - s).sqrt()
    angle = torch.linalg.vector_norm(tangent, dim=-1)
    haar = (2 - 2 * angle.cos()).clamp(min=0) / angle.square().clamp(min=1e-300) / (8 * math.pi**2)
    haar = torch.where(angle < 1e-4, 1 / (8 * math.pi**2), haar)
    cell = (1 / 3) ** 3 / (s.sum() - s).sqrt().prod()
    mass = (density.log_prob((centre @ exp(tangent)).to(dtype)).double().exp() * haar * cell).sum()
    assert abs(mass - 1) < 1e-3  # float32: rounding of F moves the mode by 1e-7, some 1e-4 of a deviation
    if dtype == torch.float64:
        assert abs(mass - 1) < 1e-5  # the exponential map bends by sigma^2


def test_expectation_is_the_mean_of_samples(generator: torch.Generator) -> None:
    turns = random_rotations(2, len(FORMS), generator=generator, dtype=torch.float64)
    density = MatrixFisher(turns[0] @ of_form(FORMS) @ turns[1].mT)
    R = density.sample((4000,), generator=generator)
    noise = R.std(0) / math.sqrt(4000)
    assert ((R.mean(0) - density.expectation).abs() < 5 * noise + 1e-12).all()


def test_samples_lie_below_levels_as_often_as_levels_say(generator: torch.Generator) -> None:
    density = MatrixFisher(of_form(FORMS))
    values = density.log_prob(density.sample((4000,), generator=generator))
    for mass in (0.02, 0.3, 0.9, 0.995):
        share = (values >= density.credible_region(mass).threshold).double().mean(0)
        assert ((share - mass).abs() < 5 * math.sqrt(mass * (1 - mass) / 4000)).all()


def test_elliptic_integrals_are_those_of_scipy(generator: torch.Generator) -> None:
    x = 10 ** (-30 * torch.rand(3, 3000, generator=generator, dtype=torch.float64))
    x[1, :1000], x[2, :2000] = 1e-30, 1
    torch.testing.assert_close(carlson_rf(*x), torch.from_numpy(elliprf(*x.numpy())), rtol=1e-13, atol=0)


def test_levels_have_the_volume_of_the_uniform_rotations_below(generator: torch.Generator) -> None:
    x, y, z, _ = matrix_to_quat_xyzw(random_rotations(20000, generator=generator, dtype=torch.float64)).unbind(-1)
    below = torch.stack([x, y, z], -1).square() @ FORMS.T
    for fraction in (0.03, 0.3, 0.6, 0.95):
        level = FORMS[:, 2] * fraction
        share = (below <= level).double().mean(0)
        volume = integral_below(FORMS, level, torch.ones_like)
        assert ((share - volume).abs() < 5 * (volume * (1 - volume) / 20000).clamp(min=1e-5).sqrt()).all()


def test_levels_of_isotropic_densities_are_balls_and_all_levels_end_at_one() -> None:
    angle = torch.linspace(1e-3, math.pi - 1e-3, 50, dtype=torch.float64)
    ball = integral_below(torch.full((50, 3), 7.0).double(), 7 * (angle / 2).sin().square(), torch.ones_like)
    torch.testing.assert_close(ball, (angle - angle.sin()) / math.pi, rtol=0, atol=1e-8)
    # Four scales from 1e-6 to 1e7 in one form are the hardest.
    wide = torch.cat([FORMS, torch.tensor([[1e-6, 1.0, 1e7], [0, 1e-6, 1e7], [1e7, 1e7, 1e7]]).double()])
    torch.testing.assert_close(
        integral_below(wide, wide[:, 2], torch.ones_like), torch.ones(11).double(), rtol=0, atol=1e-8
    )
    # And the integral of exp(-t) is the normaliser of the contour.
    exact = -MatrixFisher(of_form(wide)).modes(1).log_prob[:, 0]
    mass = integral_below(wide, wide[:, 2].clamp(max=40), lambda t: (-t).exp())
    torch.testing.assert_close(mass.log(), exact, rtol=0, atol=1e-7)


@pytest.mark.parametrize("mass", [1e-6, 0.02, 0.5, 0.9, 0.999, 1 - 1e-9])
def test_levels_hold_their_mass_whatever_the_scales(mass: float, generator: torch.Generator) -> None:
    form = 10 ** (10 * torch.rand(300, 3, generator=generator, dtype=torch.float64) - 3)
    form = torch.cat([form.sort(-1).values, form[:50, :1].expand(-1, 3), FORMS])
    level = level_of_mass(form, mass, lambda t: (-t).exp(), 40.0)
    found = (
        integral_below(form, level, lambda t: (-t).exp())
        / MatrixFisher(of_form(form)).modes(1).log_prob[:, 0].neg().exp()
    )
    torch.testing.assert_close(found, torch.full_like(found, mass), rtol=1e-7, atol=0)


def test_regions_of_near_uniform_densities_have_their_mass_as_volume() -> None:
    for scale in (0.0, 1e-20, 1e-9):
        region = MatrixFisher(scale * torch.diag(torch.tensor([1.0, 2, 3])).double()).credible_region(0.3)
        assert abs(region.volume - 0.3) < 1e-8 and region.threshold.abs() < 1e-7
    assert MatrixFisher(5 * torch.eye(3)).credible_region(1.0).volume == 1


def test_batches_are_densities_one_by_one(generator: torch.Generator) -> None:
    F = 5 * torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64)
    R = random_rotations(2, 3, generator=generator, dtype=torch.float64)
    density, single = MatrixFisher(F), MatrixFisher(F[1, 2])
    torch.testing.assert_close(density.log_prob(R)[1, 2], single.log_prob(R[1, 2]), rtol=1e-12, atol=0)
    for batched, alone in zip(density.credible_region(0.7), single.credible_region(0.7), strict=True):
        torch.testing.assert_close(batched[1, 2], alone, rtol=1e-10, atol=0)
    assert density.sample((), generator=generator).shape == (2, 3, 3, 3)
    assert density.sample((0,), generator=generator).shape == (0, 2, 3, 3, 3)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4, 1e7])
def test_the_mean_map_is_inverted(scale: float, generator: torch.Generator) -> None:
    turns = random_rotations(2, 200, generator=generator, dtype=torch.float64)
    s = scale * torch.randn(200, 3, generator=generator, dtype=torch.float64).mul(2).exp().clamp(max=4)
    F = turns[0] @ torch.diag_embed(s * torch.tensor([1.0, 1, -1]).double()) @ turns[1].mT
    E = MatrixFisher(F).expectation
    found = MatrixFisher.from_expectation(E)
    # To the rounding of the expectation, and of F where s2 + s3 or s1 + s3 is small beside s1.
    assert (found.expectation - E).abs().max() < 1e-12 + 4e-15 * scale
    # E is of order s where that is small and 1 - E of order 1 / s where it is large, so rounding of E is magnified.
    error = torch.linalg.matrix_norm(found.parameter - F) / torch.linalg.matrix_norm(F)
    assert error.max() < 1e-12 * (scale + 1 / scale)
    with_gradient = E[:2].clone().requires_grad_()
    if scale <= 30:
        assert torch.autograd.gradcheck(lambda E: MatrixFisher.from_expectation(E).parameter, (with_gradient,))


def test_expectations_outside_the_hull_are_named() -> None:
    for matrix in (torch.eye(3), 1.1 * torch.eye(3), -0.5 * torch.eye(3), torch.diag(torch.tensor([1.0, 0, 0]))):
        with pytest.raises(ValueError, match="convex hull"):
            MatrixFisher.from_expectation(matrix.double())


def test_isotropic_is_a_function_of_the_angle(generator: torch.Generator) -> None:
    mode = random_rotations(generator=generator, dtype=torch.float64)
    axes = torch.nn.functional.normalize(torch.randn(5, 3, generator=generator, dtype=torch.float64), dim=-1)
    density = MatrixFisher.isotropic(mode, sigma=0.01)
    values = density.log_prob(mode @ exp(0.01 * axes)) - density.log_prob(mode)
    # exp(-(1 - cos w) / sigma^2) at one deviation.
    torch.testing.assert_close(values, torch.full_like(values, -(1 - math.cos(0.01)) / 0.01**2), rtol=1e-9, atol=0)
    batch = MatrixFisher.isotropic(mode, concentration=torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(batch.parameter, torch.stack([mode, 2 * mode]))


def test_bingham_is_the_quadratic_form_of_the_quaternion(generator: torch.Generator) -> None:
    A = 5 * torch.randn(6, 4, 4, generator=generator, dtype=torch.float64)
    A = A + A.mT
    density = Bingham(A)
    R = density.sample((50,), generator=generator)
    quat = matrix_to_quat_xyzw(R)
    form = torch.einsum("nbi,bij,nbj->nb", quat, A, quat)
    offset = form - density.log_prob(R)
    assert (offset - offset[0]).abs().max() < 1e-11
    # The mode is the eigenvector of the largest eigenvalue.
    vectors = torch.linalg.eigh(A).eigenvectors[..., -1]
    assert ((matrix_to_quat_xyzw(density.mode) * vectors).sum(-1).abs() - 1).abs().max() < 1e-12
    # A multiple of the identity changes nothing.
    shifted = Bingham(A + 3 * torch.eye(4).double())
    torch.testing.assert_close(shifted.log_prob(R), density.log_prob(R), rtol=0, atol=1e-11)
    assert torch.autograd.gradcheck(lambda A: Bingham(A).log_prob(R[0]), (A.clone().requires_grad_(),))


def test_bingham_and_matrix_fisher_convert_into_each_other(generator: torch.Generator) -> None:
    fisher = MatrixFisher(10 * torch.randn(5, 3, 3, generator=generator, dtype=torch.float64))
    bingham = Bingham.from_matrix_fisher(fisher)
    R = fisher.sample((20,), generator=generator)
    torch.testing.assert_close(bingham.log_prob(R), fisher.log_prob(R), rtol=0, atol=1e-12)
    torch.testing.assert_close(bingham.to_matrix_fisher().parameter, fisher.parameter, rtol=0, atol=1e-13)
    turn = random_rotations(generator=generator, dtype=torch.float64)
    torch.testing.assert_close(bingham.rotate(turn).matrix, turn @ fisher.parameter, rtol=0, atol=1e-12)
    axes, _ = torch.linalg.qr(torch.randn(3, 4, 4, generator=generator, dtype=torch.float64))
    dispersion = -torch.rand(3, 3, generator=generator, dtype=torch.float64) * 20
    mode = matrix_to_quat_xyzw(Bingham.from_axes(axes, dispersion).mode)
    assert ((mode * axes[..., 3]).sum(-1).abs() - 1).abs().max() < 1e-12


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected matrices of shape \(..., 3, 3\)"):
        MatrixFisher(torch.zeros(9))
    with pytest.raises(ValueError, match=r"expected matrices of shape \(..., 4, 4\)"):
        Bingham(torch.zeros(3, 3))
    for cls, size in ((MatrixFisher, 3), (Bingham, 4)):
        with pytest.raises(ValueError, match="expected finite"):
            cls(torch.full((2, size, size), math.nan))
    with pytest.raises(ValueError, match="expected rotation matrices"):
        MatrixFisher.isotropic(2 * torch.eye(3), sigma=0.1)
    with pytest.raises(ValueError, match="expected both of dtype torch.float32"):
        MatrixFisher(torch.eye(3)).log_prob(torch.eye(3).double())
    with pytest.raises(ValueError, match="expected rotation matrices"):
        MatrixFisher(torch.eye(3)).rotate(torch.zeros(3, 3))
    with pytest.raises(ValueError, match="pass one of the two"):
        MatrixFisher.isotropic(torch.eye(3))
    with pytest.raises(ValueError, match="orthogonal"):
        Bingham.from_axes(2 * torch.eye(4), torch.zeros(3))
    with pytest.raises(ValueError, match="at most 0"):
        Bingham.from_axes(torch.eye(4), torch.ones(3))
    with pytest.raises(ValueError, match="expected a probability mass"):
        MatrixFisher(torch.eye(3)).credible_region(0.0)
