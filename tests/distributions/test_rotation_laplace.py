"""The rotation Laplace distribution: exact normaliser, gradient, sampler, entropy, against slow quadratures."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from armillary.distributions import RotationLaplace
from armillary.distributions.families.rotation_laplace import SOFTENING
from armillary.so3 import exp, gauss_legendre, matrix_to_quat_xyzw, quat_xyzw_to_matrix, random_rotations

DEGREE = math.pi / 180
SINGULAR = {
    "blunt": (0.5, 0.2, -0.1),
    "unequal": (20.0, 5.0, -3.0),
    "isotropic": (50.0, 50.0, 50.0),
    "girdle": (9.0, 0.0, 0.0),
    "sharp": (1e6, 3e5, 2e5),
}
BATCH = torch.diag_embed(torch.tensor(list(SINGULAR.values()), dtype=torch.float64))


def mean_over_rotations(form: Tensor, profile: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of profile(r), r^2 = t + softening, in polar coordinates about the mode of a form with diagonal (a, b, c).

    The quaternion is (cos p, n sin p) with n on the sphere, so t = sin^2 p (a n1^2 + b n2^2 + c n3^2) and the measure
    is (2 / pi) sin^2 p dp on [0, pi]; there, r = 0 is the end of an interval and not a point amid the nodes.
    """
    polar, weight = gauss_legendre(60)
    turn = (torch.arange(120) + 0.5).double() * math.pi / 60
    across = polar.sin()[:, None] * torch.stack([turn.cos(), turn.sin()])[:, None]
    axis = torch.stack([*across, polar.cos()[:, None].expand(-1, 120)], -1)
    curvature = (axis.square() * form).sum(-1)[..., None]
    # Radii from 0 to pi / 2, denser near 0: p = e^x - 1 up to the widest scale.
    place, node_weight = gauss_legendre(120)
    unit = (1 - place.cos()) / 2
    stretch = math.log1p(math.pi / 2 * form.max().sqrt().item() * 100)
    p = torch.pi / 2 * torch.expm1(unit * stretch) / math.expm1(stretch)
    slope = torch.pi / 2 * stretch * torch.exp(unit * stretch) / math.expm1(stretch)
    inner = profile((p.sin().square() * curvature + SOFTENING).sqrt()) * p.sin().square() * slope * node_weight
    return 4 / math.pi * (inner.sum(-1) * weight[:, None]).sum() / 120


@pytest.mark.parametrize("name", ["blunt", "unequal", "isotropic", "sharp"])
def test_normaliser_and_entropy_are_those_of_slow_quadrature(name: str) -> None:
    density = RotationLaplace(torch.diag(torch.tensor(SINGULAR[name], dtype=torch.float64)))
    form = density.frame.form
    log_mean = mean_over_rotations(form, lambda r: (-r).exp() / r).log()
    # The slow rule sees the softening, of width 1e-4, only to some digits.
    assert abs(-density.log_prob(density.mode) - math.sqrt(SOFTENING) - math.log(SOFTENING) / 2 - log_mean) < 2e-5
    surprise = mean_over_rotations(form, lambda r: (-r).exp() / r * (r + r.log())) / log_mean.exp()
    assert abs(density.entropy() - log_mean - surprise) < 2e-4


def test_a_girdle_has_a_closed_form() -> None:
    # Of A = diag(9, 0, 0), t = 18 (y^2 + z^2), uniform on [0, 18]: the mean of e^-r / r is that of a slope of e^-r.
    density = RotationLaplace(BATCH[list(SINGULAR).index("girdle")])
    low, high = math.sqrt(SOFTENING), math.sqrt(18 + SOFTENING)
    mean = (math.exp(-low) - math.exp(-high)) / 9
    assert abs(density.log_prob(density.mode) + low + math.log(low) + math.log(mean)) < 1e-10
    region = density.credible_region(0.5)
    edge = -math.log((math.exp(-low) + math.exp(-high)) / 2)
    assert abs(region.threshold + edge + math.log(edge) + math.log(mean)) < 1e-6
    assert abs(region.volume - edge**2 / 18) < 1e-6


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2, 1e4])
def test_an_isotropic_density_integrates_to_one_over_the_angle(scale: float) -> None:
    mode = exp(torch.tensor([0.4, -1.1, 2.0]).double())
    density = RotationLaplace(scale * mode)

    def marginal(log_angle: float) -> float:
        angle = math.exp(log_angle)
        turn = exp(angle * torch.tensor([0.0, 0.6, 0.8]).double())
        return density.log_prob(mode @ turn).exp().item() * (1 - math.cos(angle)) / math.pi * angle

    # Below 1e-7 rad there is no mass.
    mass = quad(marginal, math.log(1e-7), math.log(math.pi), limit=200, epsabs=1e-8)[0]
    assert abs(mass - 1) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tenth_of_a_degree_integrates_to_one(dtype: torch.dtype) -> None:
    s = 1 / (0.1 * DEGREE) ** 2
    density = RotationLaplace((s * torch.eye(3)).to(dtype))
    angle = torch.linspace(math.log(1e-8), math.log(0.5), 2000, dtype=torch.float64).exp()
    turns = exp(angle[:, None] * torch.tensor([0.0, 0.6, 0.8]).double()).to(dtype)
    marginal = density.log_prob(turns).double().exp() * (1 - angle.cos()) / math.pi
    # float32 knows the nearest angles to 1e-7 only, against a scale of 1e-3.
    assert abs(torch.trapezoid(marginal * angle, angle.log()) - 1) < 1e-3


def test_away_from_the_mode_the_density_is_the_one_of_the_literature(generator: torch.Generator) -> None:
    A = 10 * torch.randn(3, 3, generator=generator, dtype=torch.float64)
    R = random_rotations(100, generator=generator, dtype=torch.float64)
    density = RotationLaplace(A)
    t = density.frame.values.sum() - torch.einsum("ij,nij->n", A, R)
    difference = density.log_prob(R) + t.sqrt() + t.log() / 2
    assert (difference - difference[0]).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["blunt", "unequal", "isotropic", "sharp"])
def test_gradients_in_matrix_and_rotation(name: str) -> None:
    mode = exp(torch.tensor([0.4, -1.1, 2.0]).double())
    scale = SINGULAR[name][0]
    A = (mode @ torch.diag(torch.tensor(SINGULAR[name], dtype=torch.float64)) / scale).requires_grad_()
    R = mode @ exp(torch.tensor([[1.0, 0.2, 0.1], [0.01, 0.02, -0.02]]).double())
    assert torch.autograd.gradcheck(lambda A: RotationLaplace(scale * A).log_prob(R), (A,))
    assert torch.autograd.gradcheck(lambda R: RotationLaplace(scale * A.detach()).log_prob(R), (R.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_the_mode_and_special_rotations(
    special_rotations: Tensor, dtype: torch.dtype
) -> None:
    R = special_rotations.to(dtype).requires_grad_()
    for parameter in (torch.zeros(3, 3), 10 * torch.eye(3), 1e5 * torch.eye(3), torch.diag(torch.tensor([4.0, 4, -4]))):
        A = parameter.to(dtype).requires_grad_()
        value = RotationLaplace(A).log_prob(R)
        assert value.dtype == dtype and value.isfinite().all()
        for gradient in torch.autograd.grad(value.sum(), (A, R)):
            assert gradient.isfinite().all()


def test_zero_is_uniform_and_scale_is_lost_below_one(generator: torch.Generator) -> None:
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    assert RotationLaplace(torch.zeros(3, 3).double()).log_prob(R).abs().max() < 1e-9
    assert RotationLaplace(torch.zeros(3, 3).double()).entropy().abs() < 1e-9
    first, second = (RotationLaplace(scale * torch.eye(3).double()).log_prob(R) for scale in (1e-4, 1e-5))
    assert (first - second).abs().max() < 0.02


def test_samples_have_the_expectation(generator: torch.Generator) -> None:
    turns = random_rotations(2, len(BATCH), generator=generator, dtype=torch.float64)
    density = RotationLaplace(turns[0] @ BATCH @ turns[1].mT)
    R = density.sample((4000,), generator=generator)
    noise = R.std(0) / math.sqrt(4000)
    assert ((R.mean(0) - density.expectation).abs() < 5 * noise + 1e-12).all()


def test_samples_lie_below_levels_as_often_as_levels_say(generator: torch.Generator) -> None:
    density = RotationLaplace(BATCH)
    # By the form of the quaternion: a trace would round the smallest levels of the sharp one.
    quat = matrix_to_quat_xyzw(density.sample((4000,), generator=generator))
    values = density.log_prob(quat_xyzw_to_matrix(quat))
    for mass in (0.02, 0.3, 0.9, 0.995):
        share = (values >= density.credible_region(mass).threshold).double().mean(0)
        assert ((share - mass).abs() < 5 * math.sqrt(mass * (1 - mass) / 4000)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_height_of_a_sharp_peak_survives_rounding(generator: torch.Generator, dtype: torch.dtype) -> None:
    density = RotationLaplace((1e6 * random_rotations(20, generator=generator, dtype=torch.float64)).to(dtype))
    modes = density.modes(2)
    # float32 knows the mode to 3e-8 rad, where t is a tenth of the softening.
    atol = 1e-6 if dtype == torch.float64 else 0.1
    torch.testing.assert_close(density.log_prob(density.mode), modes.log_prob[:, 0], rtol=0, atol=atol)
    assert (modes.log_prob[:, 1] == -torch.inf).all() and (modes.mass.sum(-1) == 1).all()


def test_bad_matrices_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected matrices of shape \(..., 3, 3\)"):
        RotationLaplace(torch.zeros(4, 4))
    with pytest.raises(ValueError, match="expected finite"):
        RotationLaplace(torch.full((3, 3), math.inf))
