"""Laws of every SO3Distribution, run on a list of densities from uniform to sharper than two degrees."""

import math
from collections.abc import Callable
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from armillary.distributions import (
    AdaptiveGrid,
    Bingham,
    FlowTransform,
    HarmonicDistribution,
    ImplicitDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    SO3Distribution,
    Uniform,
    discrete,
)
from armillary.harmonics import SO3Transform, derivative_coeffs, evaluate_so3, expand_so3, so3_size, wigner_D
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import exp, geodesic_distance, random_rotations, so3_grid

DEGREE = math.pi / 180
CENTRE = exp(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64))


def kernel(lmax: int, centres: Tensor, sigma: float) -> Tensor:
    """Coefficients of one isotropic peak about each centre whose log-density has the curvature 1 / sigma^2."""
    D = wigner_D(lmax, centres)
    fade = [math.exp(-l * (l + 1) / lmax**2) for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)]
    coeffs = D * degree_weights(lmax, D) * torch.tensor(fade, dtype=torch.float64)
    curvature = -expand_so3(derivative_coeffs(coeffs), centres[:, None]).hessian[..., 0, 0]
    return coeffs / (curvature * sigma**2)


def blunt() -> SO3Distribution:
    generator = torch.Generator().manual_seed(5)
    return HarmonicDistribution(0.2 * torch.randn(so3_size(3), generator=generator, dtype=torch.float64))


def peaked(lmax: int, sigma: float) -> Callable[[], SO3Distribution]:
    return lambda: HarmonicDistribution(kernel(lmax, CENTRE[None], sigma)[0])


def ring() -> SO3Distribution:
    """One circle of maxima: the average over turns of the object about its z axis."""
    angles = torch.arange(16, dtype=torch.float64)[:, None] * (math.pi / 8)
    turns = exp(angles * torch.tensor([0.0, 0, 1], dtype=torch.float64))
    return HarmonicDistribution(kernel(4, CENTRE @ turns, 4 * DEGREE).mean(0))


def three_peaks() -> SO3Distribution:
    centres = exp(torch.tensor([[0.0, 0, 0], [2.0, 0, 0], [0, -2.0, 0.5]], dtype=torch.float64))
    heights = torch.tensor([1.0, 1.02, 0.98], dtype=torch.float64)
    return HarmonicDistribution((heights[:, None] * kernel(6, centres, 4 * DEGREE)).sum(0))


def flow() -> SO3Distribution:
    """A stack moved away from the identity: densities between 0.02 and 75."""
    generator = torch.Generator().manual_seed(7)
    transform = FlowTransform(3, hidden=8, centres=4, generator=generator).double().requires_grad_(False)
    for parameter in transform.parameters():
        parameter += 0.15 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return transform()


def fisher(sigma: float, ratios: tuple[float, float, float]) -> Callable[[], SO3Distribution]:
    """A matrix Fisher density whose singular values are in the given ratios; sigma is its deviation if they are 1."""
    return lambda: MatrixFisher(CENTRE @ torch.diag(torch.tensor(ratios, dtype=torch.float64)) / (2 * sigma**2))


def bingham() -> SO3Distribution:
    A = torch.randn(4, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    return Bingham(8 * (A + A.mT))


TWO = exp(torch.tensor([[0.0, 0, 0], [2.0, 0.3, 0]], dtype=torch.float64))


def implicit() -> SO3Distribution:
    """Two peaks of a band-limited function that is known by its values alone."""
    coeffs = (torch.tensor([[1.0], [1.02]], dtype=torch.float64) * kernel(4, TWO, 8 * DEGREE)).sum(0)
    return ImplicitDistribution(lambda value: evaluate_so3(coeffs, value), dtype=torch.float64)


def mixture() -> SO3Distribution:
    """A blunt peak, two sharp ones of another family, and a floor for outliers."""
    weights = torch.tensor([0.3, 0.4, 0.25, 0.05], dtype=torch.float64)
    peaks = HarmonicDistribution(kernel(2, CENTRE[None], 20 * DEGREE))
    return Mixture(weights, peaks, MatrixFisher.isotropic(TWO, sigma=2 * DEGREE), Uniform((1,), dtype=torch.float64))


EVERY: dict[str, Callable[[], SO3Distribution]] = {
    "flow": flow,
    "uniform": lambda: Uniform(dtype=torch.float64),
    "blunt": blunt,
    "sharp-lmax6": peaked(6, 1.0 * DEGREE),
    "sharp-lmax10": peaked(10, 0.5 * DEGREE),
    "ring": ring,
    "three-peaks": three_peaks,
    "fisher": fisher(30 * DEGREE, (1, 0.5, 0.2)),
    "fisher-sharp": fisher(0.1 * DEGREE, (1, 1, 1)),
    "fisher-unequal": fisher(3 * DEGREE, (1, 0.4, -0.37)),
    "bingham": bingham,
    "laplace": lambda: RotationLaplace(30 * CENTRE),
    "implicit": implicit,
    "mixture": mixture,
    "discrete": lambda: discrete(TWO, TWO[:, 0, 0] + 2, sigma=5 * DEGREE, outlier=0.03),
}
COUNT = 2000  # samples of each
LAW = pytest.mark.parametrize("name", EVERY)


@lru_cache
def make(name: str) -> SO3Distribution:
    return EVERY[name]()


@lru_cache
def draws(name: str) -> Tensor:
    return make(name).sample((COUNT,), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["uniform", "blunt", "fisher", "bingham", "laplace"])
def test_probability_sums_to_one_over_uniform_rotations(name: str, generator: torch.Generator) -> None:
    values = make(name).log_prob(random_rotations(20000, generator=generator, dtype=torch.float64)).exp()
    assert abs(values.mean() - 1) <= 5 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("name", ["blunt", "ring", "three-peaks"])
def test_probability_sums_to_one_by_dense_quadrature(name: str) -> None:
    density = make(name)
    assert isinstance(density, HarmonicDistribution)
    # Nodes 2.8 degrees apart against peaks of 4 degrees: aliasing of 2 exp(-2 (pi 4 / 2.8)^2) = 1e-17.
    transform = SO3Transform(density.lmax, rings=64, azimuths=128, dtype=torch.float64)
    probability = (transform.synthesis(density.coeffs) - density.log_normaliser).exp() * transform.quadrature
    assert abs(probability.sum() - 1) < AdaptiveGrid().tolerance


@pytest.mark.parametrize(("lmax", "sigma"), [(6, 1.0), (10, 0.5), (6, 0.5)])
def test_sharp_densities_are_normalised_at_any_turn(lmax: int, sigma: float, generator: torch.Generator) -> None:
    density = HarmonicDistribution(kernel(lmax, CENTRE[None], sigma * DEGREE)[0])
    # In the tangent space at the peak Haar measure is (2 - 2 cos t) / t^2 dw / 8 pi^2, and the density is isotropic.
    # Trapezoid over the rotation angle, 0 to 30 sigma; the density is a function of the angle alone.
    angle = torch.linspace(0, 30 * sigma * DEGREE, 4001, dtype=torch.float64)
    along = CENTRE @ exp(angle[:, None] * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64))
    marginal = density.log_prob(along).exp() * (1 - angle.cos()) / math.pi
    assert abs(torch.trapezoid(marginal, angle) - 1) < AdaptiveGrid().tolerance
    # The same at other turns: the grid knows nothing of the group.
    turns = random_rotations(4, generator=generator, dtype=torch.float64)
    turned = density.rotate(turns)
    assert isinstance(turned, HarmonicDistribution) and isinstance(density, HarmonicDistribution)
    assert (turned.log_normaliser - density.log_normaliser).abs().max() < 2 * AdaptiveGrid().tolerance


@LAW
def test_rotation_is_equivariant(name: str, generator: torch.Generator) -> None:
    density = make(name)
    R = draws(name)[:20]
    turn = random_rotations(generator=generator, dtype=torch.float64)
    # Two normalisers, each to its tolerance.
    torch.testing.assert_close(
        density.rotate(turn).log_prob(turn @ R), density.log_prob(R), rtol=0, atol=2 * AdaptiveGrid().tolerance
    )


@LAW
def test_entropy_is_minus_the_mean_log_prob_of_samples(name: str) -> None:
    density = make(name)
    values = density.log_prob(draws(name))
    error = 5 * values.std() / math.sqrt(COUNT)
    assert abs(density.entropy() + values.mean()) < error + 1e-3
    assert density.entropy() <= 1e-9


@LAW
def test_credible_regions_hold_their_mass(name: str) -> None:
    density = make(name)
    values = density.log_prob(draws(name))
    volumes = []
    for mass in (0.5, 0.9):
        region = density.credible_region(mass)
        share = (values >= region.threshold).double().mean()
        if name != "uniform":  # whose level sets are all or nothing
            assert abs(share - mass) < 5 * math.sqrt(mass * (1 - mass) / COUNT) + 0.02
        volumes.append(region.volume)
        # A ball of that radius has that volume.
        torch.testing.assert_close(
            (region.radius - region.radius.sin()) / math.pi, region.volume, rtol=1e-6, atol=1e-14
        )
    assert 0 < volumes[0] < volumes[1] <= 1


def test_region_volume_is_the_share_of_uniform_rotations_inside(generator: torch.Generator) -> None:
    density = blunt()
    region = density.credible_region(0.7)
    inside = density.log_prob(random_rotations(20000, generator=generator, dtype=torch.float64)) >= region.threshold
    assert abs(inside.double().mean() - region.volume) < 5 * math.sqrt(0.25 / 20000)


@LAW
def test_the_mode_beats_every_grid_point_and_every_sample(name: str) -> None:
    density = make(name)
    top = density.log_prob(density.mode)
    assert top >= density.log_prob(so3_grid(2, dtype=torch.float64)).max() - 1e-12
    assert top >= density.log_prob(draws(name)[:500]).max() - 1e-9


@LAW
def test_modes_are_distinct_sorted_and_hold_mass(name: str) -> None:
    modes = make(name).modes(3)
    assert modes.rotation.shape == (3, 3, 3) and modes.log_prob.shape == modes.mass.shape == (3,)
    present = modes.log_prob.isfinite()
    assert present[0] and (modes.log_prob[present].diff() <= 0).all()
    assert (modes.mass >= 0).all() and modes.mass.sum() <= 1 + 1e-6
    assert (modes.mass[~present] == 0).all()
    torch.testing.assert_close(make(name).log_prob(modes.rotation)[present], modes.log_prob[present], rtol=0, atol=2e-4)


def test_peaks_of_known_places_and_masses() -> None:
    modes = three_peaks().modes(4)
    centres = exp(torch.tensor([[2.0, 0, 0], [0, 0, 0], [0, -2.0, 0.5]], dtype=torch.float64))
    assert geodesic_distance(modes.rotation[:3], centres).max() < 1 * DEGREE
    # Equal shapes whose heights differ: masses are in the ratio of the densities at the peaks, to the few percent by
    # which side lobes and heights change the curvature.
    ratio = (modes.mass[:3] / modes.mass[0]).log() - (modes.log_prob[:3] - modes.log_prob[0])
    assert ratio.abs().max() < 0.1
    assert modes.mass[:3].sum() > 0.99


@pytest.mark.parametrize(
    "name", ["sharp-lmax6", "sharp-lmax10", "three-peaks", "blunt", "fisher", "fisher-sharp", "bingham", "laplace"]
)
def test_mean_is_the_chordal_mean_of_samples(name: str) -> None:
    density = make(name)
    R = draws(name)
    u, singular, vh = torch.linalg.svd(R.mean(0))
    sign = torch.det(u @ vh).item()
    mean = u @ torch.diag(torch.tensor([1, 1, sign]).double()) @ vh
    # First-order perturbation of the polar factor: noise of the entries over the smallest gap.
    noise = (R.var(0).sum() / COUNT).sqrt()
    spread = 5 * noise / (singular[1] + sign * singular[2])
    assert geodesic_distance(density.mean, mean) < spread


@LAW
def test_samples_are_rotations_and_repeat_with_their_generator(name: str) -> None:
    density = make(name)
    first, second, other = (density.sample((6,), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert first.shape == (6, 3, 3)
    torch.testing.assert_close(first @ first.mT, torch.eye(3).double().expand(6, 3, 3), rtol=0, atol=1e-12)
    assert torch.det(first).min() > 0


def test_zero_parameters_are_the_uniform_distribution(generator: torch.Generator) -> None:
    density = HarmonicDistribution(torch.zeros(2, so3_size(6), dtype=torch.float64))
    R = random_rotations(50, 2, generator=generator, dtype=torch.float64)
    assert density.log_prob(R).abs().max() < 1e-12
    assert density.entropy().abs().max() < 1e-12
    region = density.credible_region(0.25)
    assert (region.volume - 0.25).abs().max() < 0.02  # to a node's weight
    assert Uniform((2,)).log_prob(R).abs().max() == 0


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
@pytest.mark.parametrize("kind", ["uniform", "harmonic", "fisher", "bingham", "laplace"])
def test_shapes_follow_the_batch(kind: str, batch: tuple[int, ...], generator: torch.Generator) -> None:
    kinds: dict[str, Callable[[], SO3Distribution]] = {
        "uniform": lambda: Uniform(batch),
        "harmonic": lambda: HarmonicDistribution(torch.randn(*batch, so3_size(2), generator=generator)),
        "fisher": lambda: MatrixFisher(torch.randn(*batch, 3, 3, generator=generator)),
        "bingham": lambda: Bingham(torch.randn(*batch, 4, 4, generator=generator)),
        "laplace": lambda: RotationLaplace(torch.randn(*batch, 3, 3, generator=generator)),
    }
    density = kinds[kind]()
    assert density.batch_shape == batch and density.event_shape == (3, 3)
    sample = density.sample((5, 2), generator=generator)
    assert sample.shape == (5, 2, *batch, 3, 3) and sample.dtype == torch.float32
    assert density.log_prob(sample).shape == (5, 2, *batch)
    assert density.mode.shape == density.mean.shape == (*batch, 3, 3)
    modes, region = density.modes(2), density.credible_region(0.5)
    assert modes.rotation.shape == (*batch, 2, 3, 3) and modes.mass.shape == modes.log_prob.shape == (*batch, 2)
    assert density.entropy().shape == region.volume.shape == region.threshold.shape == region.radius.shape == batch
    R = random_rotations(*batch, generator=generator)
    assert density.rotate(R).log_prob(R).shape == batch
    wide = density.expand((4, *batch))
    assert wide.batch_shape == (4, *batch)
    torch.testing.assert_close(wide.log_prob(R)[2], density.log_prob(R))


@pytest.mark.parametrize("mass", [0.0, -0.1, 1.1, math.nan])
def test_impossible_masses_are_named(mass: float) -> None:
    for density in (Uniform(), HarmonicDistribution(torch.zeros(10))):
        with pytest.raises(ValueError, match="expected a probability mass"):
            density.credible_region(mass)
