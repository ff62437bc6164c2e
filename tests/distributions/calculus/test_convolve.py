"""Laws of uncertain motion: moments multiply, frames and orders are kept, entropy grows, noises add up."""

import math
from functools import lru_cache

import pytest
import torch

from armillary.distributions import (
    HarmonicDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    SO3Distribution,
    Uniform,
)
from armillary.distributions.calculus.convolve import convolve, convolve_moments, diffuse
from armillary.distributions.calculus.heat_kernel import heat_decay, heat_kernel
from armillary.distributions.calculus.log_coefficients import density_moments, turn_object
from armillary.distributions.calculus.moment_matching import match_moments
from armillary.harmonics import evaluate_so3, so3_size, wigner_D
from armillary.so3 import exp, geodesic_distance

DEGREE = math.pi / 180
TURN = exp(torch.tensor([0.4, -0.3, 0.2], dtype=torch.float64))
CENTRES = exp(torch.tensor([[0.4, -1.1, 2.0], [-1.0, 0.3, 0.5]], dtype=torch.float64))
MATCHED = 2e-6  # the tolerance of match_moments, and the integrals of the test


def fisher() -> MatrixFisher:
    return MatrixFisher(CENTRES[0] @ torch.diag(torch.tensor([30.0, 8.0, 2.0], dtype=torch.float64)) @ TURN)


def blunt() -> HarmonicDistribution:
    generator = torch.Generator().manual_seed(5)
    return HarmonicDistribution(0.25 * torch.randn(so3_size(3), generator=generator, dtype=torch.float64))


def two_peaks() -> HarmonicDistribution:
    """Log-density of degree 4 with peaks of some 4 degrees and unequal heights."""
    fade = torch.tensor([(2 * l + 1) ** 0.5 * math.exp(-l * (l + 1) / 16) for l in range(5)])
    fade = fade.repeat_interleave(torch.tensor([(2 * l + 1) ** 2 for l in range(5)]))
    return HarmonicDistribution((wigner_D(4, CENTRES) * fade * torch.tensor([[0.8], [0.77]])).sum(0))


FAMILIES = {"fisher": fisher, "blunt": blunt, "two-peaks": two_peaks}
NOISE = {
    "isotropic": lambda: MatrixFisher.isotropic(TURN, sigma=0.2),
    "one axis": lambda: MatrixFisher(torch.diag(torch.tensor([25.0, 20.0, -10.0], dtype=torch.float64))),
}
LAW = pytest.mark.parametrize("name", FAMILIES)


@lru_cache
def make(name: str) -> SO3Distribution:
    return (FAMILIES | NOISE)[name]()


@lru_cache
def moved(motion: str, pose: str) -> SO3Distribution:
    return convolve(make(motion), make(pose))


def degree(density: SO3Distribution) -> int:
    return density.lmax if isinstance(density, HarmonicDistribution) else 1


@pytest.mark.parametrize("motion", NOISE)
@LAW
def test_moments_of_a_convolution_are_products(motion: str, name: str) -> None:
    both = moved(motion, name)
    lmax = degree(both)
    exact = convolve_moments(density_moments(make(motion), lmax), density_moments(make(name), lmax))
    torch.testing.assert_close(density_moments(both, lmax), exact, rtol=0, atol=MATCHED)
    assert both.entropy() >= max(make(motion).entropy(), make(name).entropy())


@pytest.mark.parametrize("motion", NOISE)
@LAW
def test_products_of_samples_have_the_law_of_the_convolution(
    motion: str, name: str, generator: torch.Generator
) -> None:
    both, count = moved(motion, name), 2000
    A, B = (make(x).sample((count,), generator=generator) for x in (motion, name))
    # E of log q is the same under q and under the true law, for log q is a combination of the matched moments.
    values = both.log_prob(A @ B)
    assert abs(values.mean() + both.entropy()) < 5 * values.std() / math.sqrt(count) + 1e-3


@LAW
def test_frames_are_kept(name: str, generator: torch.Generator) -> None:
    """Camera turns pass through on the left, object turns on the right, those between from one to the other."""
    motion, pose = make("one axis"), make(name)
    both = convolve(motion, pose)
    R = both.sample((50,), generator=generator)
    for other, points in (
        (convolve(motion.rotate(TURN), pose), TURN @ R),
        (convolve(motion, turn_object(pose, TURN)), R @ TURN),
        (convolve(turn_object(motion, TURN), pose.rotate(TURN.mT)), R),
    ):
        # Where the density is, moments that agree to 1e-6 leave the log-density this free.
        torch.testing.assert_close(other.log_prob(points), both.log_prob(R), rtol=0, atol=2e-2)


@LAW
def test_convolving_with_uniform_is_uniform(name: str) -> None:
    for both in (convolve(Uniform((2, 1)), make(name)), convolve(make(name), Uniform((2, 1)))):
        assert isinstance(both, Uniform) and both.batch_shape == (2, 1)


@LAW
def test_diffusion_is_convolution_with_the_heat_kernel_on_either_side(name: str) -> None:
    density, sigma = make(name), 0.3
    lmax = degree(density)
    kernel, own = heat_kernel(sigma, lmax), density_moments(density, lmax)
    after = density_moments(diffuse(density, sigma), lmax)
    for exact in (convolve_moments(kernel, own), convolve_moments(own, kernel), own * heat_decay(sigma, lmax)):
        torch.testing.assert_close(after, exact, rtol=0, atol=MATCHED)


@LAW
def test_noises_add_their_variances(name: str, generator: torch.Generator) -> None:
    density = make(name)
    once = diffuse(density, math.hypot(0.12, 0.16))
    twice = diffuse(diffuse(density, 0.12), 0.16)
    R = once.sample((100,), generator=generator)
    # The moments agree, so the densities do, to what 1e-6 leaves free.
    torch.testing.assert_close(twice.log_prob(R), once.log_prob(R), rtol=0, atol=1e-2)


@LAW
def test_entropy_grows_with_noise_to_that_of_uniform(name: str) -> None:
    sigmas = torch.tensor([0.0, 0.05, 0.2, 0.6, 3.0], dtype=torch.float64)
    entropy = diffuse(make(name).expand((5,)), sigmas).entropy()
    assert (entropy.diff() > 0).all() and abs(entropy[-1]) < 1e-3
    assert abs(entropy[0] - make(name).entropy()) < 2e-4  # no noise: two normalisers of 1e-4


def test_a_sharp_peak_diffuses_to_the_heat_kernel() -> None:
    sigma, before = 15 * DEGREE, 1 * DEGREE
    after = diffuse(MatrixFisher.isotropic(CENTRES[0], sigma=before), math.sqrt(sigma**2 - before**2), lmax=6)
    angle = torch.linspace(0, 3 * sigma, 7, dtype=torch.float64)
    R = CENTRES[0] @ exp(angle[:, None] * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64))
    exact = evaluate_so3(heat_kernel(sigma, 40), R @ CENTRES[0].mT).log()
    # The kernel's logarithm has higher degrees than 6; out to three sigma they are worth this.
    torch.testing.assert_close(after.log_prob(R), exact, rtol=0, atol=0.05)
    assert geodesic_distance(after.mode, CENTRES[0]) < 1e-4


@pytest.mark.parametrize("sigma", [0.15, 0.3, 1.0])
def test_the_heat_kernel_is_its_series_and_its_short_time_form(sigma: float) -> None:
    angle = torch.tensor([1e-3, 0.1, 0.3, 1.0], dtype=torch.float64)
    axis = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64)
    value = evaluate_so3(heat_kernel(sigma, 60), exp(angle[:, None] * axis))
    l, half, t = torch.arange(61, dtype=torch.float64)[:, None], (angle / 2).sin(), sigma**2
    series = ((2 * l + 1) * torch.exp(-l * (l + 1) * t / 2) * ((l + 0.5) * angle).sin() / half).sum(0)
    torch.testing.assert_close(value, series, rtol=1e-9, atol=1e-9)
    if sigma < 0.5:
        short = math.sqrt(2 * math.pi) * sigma**-3 * math.exp(t / 8) * angle / half * torch.exp(-(angle**2) / 2 / t)
        torch.testing.assert_close(value, short, rtol=1e-6, atol=1e-8)


def test_fishers_convolve_in_closed_form_and_nearly_as_higher_degrees_do(generator: torch.Generator) -> None:
    motion, pose = make("isotropic"), make("fisher")
    closed, high = convolve(motion, pose), convolve(motion, pose, lmax=4)
    assert isinstance(closed, MatrixFisher) and isinstance(high, HarmonicDistribution)
    torch.testing.assert_close(closed.expectation, motion.expectation @ pose.expectation, rtol=0, atol=1e-12)
    # KL(high || closed): the two agree on degree 1, and it is what degrees 2 to 4 add.
    R = high.sample((400,), generator=generator)
    assert 0 <= closed.entropy() - high.entropy() < 0.01
    assert abs((high.log_prob(R) - closed.log_prob(R)).mean()) < 0.03


def test_a_filter_step_is_differentiable_in_the_closed_family() -> None:
    matrix = (8 * torch.eye(3, dtype=torch.float64)).requires_grad_()
    diffuse(convolve(MatrixFisher(matrix), fisher()), 0.2).log_prob(CENTRES[0]).backward()
    assert matrix.grad is not None and matrix.grad.isfinite().all()


def test_mixtures_diffuse_by_component_and_batches_broadcast(generator: torch.Generator) -> None:
    weights = torch.tensor([[0.7, 0.3], [0.1, 0.9]], dtype=torch.float64)
    mixture = Mixture(weights, MatrixFisher(20 * CENTRES.expand(2, 2, 3, 3)))
    sigma = torch.tensor([0.1, 0.4], dtype=torch.float64)
    after = diffuse(mixture, sigma)
    assert isinstance(after, Mixture)
    exact = density_moments(mixture, 1) * heat_decay(sigma, 1)
    torch.testing.assert_close(density_moments(after, 1), exact, rtol=0, atol=1e-8)
    # As the motion of another family the mixture becomes one harmonic density of its moments.
    both = convolve(mixture, blunt().expand((3, 1)))
    assert isinstance(both, HarmonicDistribution) and both.batch_shape == (3, 2) and both.lmax == 3
    own = density_moments(blunt(), 3)
    torch.testing.assert_close(
        density_moments(both, 3)[1], convolve_moments(density_moments(mixture, 3), own), rtol=0, atol=MATCHED
    )
    with_tails = convolve(RotationLaplace(10 * torch.eye(3, dtype=torch.float64)), blunt(), lmax=2)
    assert isinstance(with_tails, HarmonicDistribution) and with_tails.lmax == 2


@LAW
def test_a_density_is_found_again_from_its_moments(name: str, generator: torch.Generator) -> None:
    density = make(name)
    found = match_moments(density_moments(density, degree(density)))
    R = density.sample((100,), generator=generator)
    # Moments to 1e-6 leave the log-density of the rarest draws this free.
    torch.testing.assert_close(found.log_prob(R), density.log_prob(R), rtol=0, atol=3e-2)


def test_of_all_densities_with_the_moments_the_harmonic_one_has_the_largest_entropy() -> None:
    mixture = Mixture(torch.tensor([0.6, 0.4], dtype=torch.float64), MatrixFisher(6 * CENTRES))
    entropies = torch.stack([match_moments(density_moments(mixture, lmax)).entropy() for lmax in (1, 2, 4)])
    assert (entropies.diff() < 0).all() and entropies[-1] > mixture.entropy()
    assert entropies[-1] - mixture.entropy() < 0.01


def test_batches_are_matched_as_singles_are(generator: torch.Generator) -> None:
    coeffs = 0.3 * torch.randn(6, so3_size(2), generator=generator, dtype=torch.float64)
    coeffs = coeffs * torch.arange(6)[:, None]  # from uniform on
    moments = density_moments(HarmonicDistribution(coeffs), 2)
    together = match_moments(moments.reshape(2, 3, -1))
    apart = torch.stack([match_moments(one).coeffs for one in moments])
    torch.testing.assert_close(together.coeffs.flatten(0, 1), apart, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [1.01, 3.0])
def test_moments_of_no_density_are_named(scale: float) -> None:
    impossible = torch.cat([torch.ones(1), scale * 3**0.5 * torch.eye(3).flatten()]).double()
    with pytest.raises(ValueError, match="expected"):
        match_moments(impossible)


def test_impossible_noise_is_named() -> None:
    with pytest.raises(ValueError, match="expected sigma"):
        diffuse(Uniform(), -0.1)
    with pytest.raises(ValueError, match="expected lmax"):
        diffuse(fisher(), 0.1, lmax=0)
