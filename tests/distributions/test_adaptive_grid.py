"""Laws of the exact normaliser: its tolerance, bounds, gradient and precision, from blunt to 0.1 degrees."""

import math

import pytest
import torch
from torch import Tensor

from armillary.distributions import AdaptiveGrid, HarmonicDistribution
from armillary.distributions.integration.grid_plan import plan
from armillary.distributions.integration.sharpness import (
    MARGIN,
    coarse_grid,
    measure,
    sharpen,
    strip_growth,
)
from armillary.distributions.integration.torus import torus_adjoint, torus_series
from armillary.harmonics import (
    SO3Transform,
    derivative_coeffs,
    evaluate_so3,
    expand_so3,
    find_peaks,
    rotate_so3,
    so3_size,
    wigner_D,
)
from armillary.harmonics.curvature import downward_curvature
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import SymmetryGroup, exp, from_euler_zyz, random_rotations

DEGREE = math.pi / 180


def peaks(lmax: int, centres: Tensor, sigma: float) -> Tensor:
    """Log-density with an equal isotropic peak about each centre, of curvature 1 / sigma^2."""
    D = wigner_D(lmax, centres)
    fade = [math.exp(-l * (l + 1) / lmax**2) for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)]
    coeffs = (D * degree_weights(lmax, D) * torch.tensor(fade, dtype=torch.float64)).sum(0)
    curvature = -expand_so3(derivative_coeffs(coeffs), centres[:1]).hessian[0, 0, 0]
    return coeffs / (curvature * sigma**2)


def zoo(generator: torch.Generator) -> Tensor:
    """Densities of lmax 4 that take each way through the code, some of them alike."""
    one = peaks(4, torch.eye(3, dtype=torch.float64)[None], 2 * DEGREE)
    turned = rotate_so3(one, random_rotations(3, generator=generator, dtype=torch.float64))
    many = peaks(4, SymmetryGroup.octahedral().elements().double(), 4 * DEGREE)
    blunt = torch.randn(3, so3_size(4), generator=generator, dtype=torch.float64) * torch.tensor([[0.0], [0.1], [0.5]])
    return torch.cat([blunt, turned, 9 * turned, many[None], (turned[0] + turned[1])[None]])


def test_the_zoo_takes_every_way(generator: torch.Generator) -> None:
    shares = list(plan(zoo(generator).float(), 1e-4, 1))
    assert sum(len(share.rows) for share in shares) == 11
    assert {share.blocks is None for share in shares} == {True, False}
    assert {share.coeffs.dtype for share in shares} == {torch.float32, torch.float64}


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_stated_tolerance_holds_whatever_the_precision(
    tolerance: float, dtype: torch.dtype, generator: torch.Generator
) -> None:
    coeffs = zoo(generator).to(dtype)
    exact = AdaptiveGrid(1e-11).log_integral(coeffs.double())
    error = AdaptiveGrid(tolerance).log_integral(coeffs) - exact
    # f reaches 6e3 here: its own rounding in float64.
    assert error.abs().max() < tolerance + 1e-11


def test_a_batch_is_its_densities_one_by_one(generator: torch.Generator) -> None:
    coeffs = zoo(generator)
    together, moments = AdaptiveGrid().integrate(coeffs)
    alone = [AdaptiveGrid().integrate(row) for row in coeffs.split(1)]
    # Sums in another order.
    torch.testing.assert_close(together, torch.cat([part[0] for part in alone]), rtol=1e-13, atol=1e-12)
    torch.testing.assert_close(moments, torch.cat([part[1] for part in alone]), rtol=0, atol=1e-11)
    assert AdaptiveGrid().log_integral(coeffs[:0]).shape == (0,)


@pytest.mark.parametrize("lmax", [6, 10])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_densities_of_a_tenth_of_a_degree_integrate_to_one(
    lmax: int, dtype: torch.dtype, generator: torch.Generator
) -> None:
    sigma, centres = 0.1 * DEGREE, random_rotations(2, generator=generator, dtype=torch.float64)
    coeffs = torch.stack([peaks(lmax, centre[None], sigma) for centre in centres]).to(dtype)
    # Trapezoid in the tangent space, 7 sigma to each side in steps of 0.7: error 3 exp(-2 pi^2 / 0.49) and the tail.
    step = torch.arange(-10, 11, dtype=torch.float64) * 0.7 * sigma
    w = torch.cartesian_prod(step, step, step)
    angle = w.norm(dim=-1).clamp(min=1e-9)
    haar = (2 * (angle / 2).sin() / angle).square() * (0.7 * sigma) ** 3 / (8 * math.pi**2)
    rotations = centres @ exp(w)[:, None]
    values = HarmonicDistribution(coeffs).log_prob(rotations.to(dtype))
    assert values.dtype == dtype
    total = (values.double().exp() * haar[:, None]).sum(0)
    # The coefficients are rounded: those of float32 have their peak up to 1e-7 / sigma^2 / M beside the centre.
    assert (total - 1).abs().max() < 1e-3


def test_gradients_are_moments_for_blunt_and_for_sharp_densities(generator: torch.Generator) -> None:
    coeffs = zoo(generator)
    grid = AdaptiveGrid(1e-9)
    leaf = coeffs.clone().requires_grad_()
    grid.log_integral(leaf).sum().backward()
    direction = torch.randn(so3_size(4), generator=generator, dtype=torch.float64)
    direction = direction / (direction.norm() * 165**0.5)  # changes f by at most 1
    slope = (grid.log_integral(coeffs + 1e-4 * direction) - grid.log_integral(coeffs - 1e-4 * direction)) / 2e-4
    # step^2 times the third cumulant, and 1e-9 / step.
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad @ direction, slope, rtol=0, atol=2e-5)
    # Probability is conserved: the moment of degree 0 is one.
    torch.testing.assert_close(leaf.grad[:, 0], torch.ones(len(coeffs)).double(), rtol=0, atol=1e-12)


def test_second_derivatives_are_refused(generator: torch.Generator) -> None:
    leaf = torch.randn(2, 10, generator=generator, requires_grad=True)
    (gradient,) = torch.autograd.grad(AdaptiveGrid().log_integral(leaf).square().sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_clouds_and_integrals_agree(generator: torch.Generator) -> None:
    coeffs = zoo(generator)
    value, moments = AdaptiveGrid().integrate(coeffs)
    seen = []
    for cloud in AdaptiveGrid().clouds(coeffs):
        assert (cloud.owner.diff() >= 0).all()
        assert (cloud.log_integral() - value[cloud.rows]).abs().max() < AdaptiveGrid().tolerance
        # Moments are at most sqrt(2l+1) = 3.
        assert (cloud.moments(4) - moments[cloud.rows]).abs().max() < 3 * AdaptiveGrid().tolerance
        heights = (
            evaluate_so3(coeffs[cloud.rows[cloud.owner]], cloud.nodes.rotations(torch.arange(len(cloud.owner))))
            if len(cloud.owner) < 20000
            else cloud.height
        )
        torch.testing.assert_close(cloud.height, heights, rtol=1e-12, atol=1e-9)
        seen.append(cloud.rows)
    assert torch.cat(seen).sort().values.tolist() == list(range(len(coeffs)))


def test_bounds_hold(generator: torch.Generator) -> None:
    coeffs = zoo(generator)
    grid = coarse_grid(4, coeffs.dtype, coeffs.device)
    values = (grid.basis @ grid.rings.spectra(coeffs)) @ grid.basis.T
    bounds = sharpen(measure(values, 4), coeffs, values)
    highest = find_peaks(coeffs)[1][:, 0]
    assert (bounds.summit <= highest + 1e-9).all() and (highest <= bounds.ceiling + 1e-9).all()
    fine = SO3Transform(4, rings=40, azimuths=80, dtype=torch.float64).synthesis(coeffs)
    assert (fine.amin((1, 2, 3)) >= bounds.ceiling - 2 * bounds.amplitude - 1e-9).all()
    assert (AdaptiveGrid(1e-8).log_integral(coeffs) >= bounds.log_floor).all()


@pytest.mark.parametrize("lmax", [1, 2, 4, 6])
def test_the_margin_of_the_curvature_covers_what_lies_between_its_nodes(lmax: int, generator: torch.Generator) -> None:
    centres = random_rotations(6, generator=generator, dtype=torch.float64)
    D = wigner_D(lmax, centres)
    random = torch.randn(6, so3_size(lmax), generator=generator, dtype=torch.float64)
    coeffs = torch.cat([D * degree_weights(lmax, D), random])
    fine = SO3Transform(lmax, rings=4 * lmax + 6, azimuths=8 * lmax + 12, dtype=torch.float64)
    entries = fine.synthesis(derivative_coeffs(coeffs)[:, 4:]).flatten(2).mT
    curvature = -torch.linalg.eigvalsh(entries[..., [0, 3, 4, 3, 1, 5, 4, 5, 2]].unflatten(-1, (3, 3)))[..., 0].amin(-1)
    assert (curvature < MARGIN * downward_curvature(coeffs)).all()


@pytest.mark.parametrize("lmax", [1, 2, 4, 6])
def test_the_margin_of_the_growth_covers_what_lies_between_its_nodes(lmax: int, generator: torch.Generator) -> None:
    centres = random_rotations(16, generator=generator, dtype=torch.float64)
    D = wigner_D(lmax, centres)
    random = torch.randn(16, so3_size(lmax), generator=generator, dtype=torch.float64)
    coeffs = torch.cat([D * degree_weights(lmax, D), random])
    # Re f(x + i eta) multiplies the cosine and sine of each order by cosh(order eta).
    strip, orders = torch.full((32,), 1.5 / lmax, dtype=torch.float64), torch.arange(-lmax, lmax + 1).abs()
    basis = fourier_basis(lmax, torch.linspace(0, 2 * math.pi, 10 * lmax + 1, dtype=torch.float64))
    half, series, gain = basis[: 5 * lmax + 1], torus_series(coeffs), (orders * strip[0]).cosh() - 1
    along = [series * gain[:, None, None], series * gain[:, None], series * gain]
    most = [torch.einsum("bkmn,pk,qm,rn->bpqr", grown, half, basis, basis).amax((1, 2, 3)) for grown in along]
    assert (torch.stack(most).amax(0) < MARGIN * strip_growth(coeffs, strip)).all()


@pytest.mark.parametrize("lmax", [0, 1, 3])
def test_torus_series_are_the_function(lmax: int, generator: torch.Generator) -> None:
    coeffs = torch.randn(2, so3_size(lmax), generator=generator, dtype=torch.float64)
    beta, alpha, gamma = torch.rand(3, 7, generator=generator, dtype=torch.float64) * math.pi
    series = torus_series(coeffs)
    bases = [fourier_basis(lmax, angle) for angle in (beta, alpha, gamma)]
    values = torch.einsum("bkmn,pk,pm,pn->bp", series, *bases)
    torch.testing.assert_close(values, evaluate_so3(coeffs[:, None], from_euler_zyz(alpha, beta, gamma)))
    other = torch.randn(series.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close((series * other).sum(), (coeffs * torus_adjoint(other)).sum())
