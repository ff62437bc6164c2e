"""Symmetry groups are found again from densities that have them, in any orientation and view, with noise."""

import math
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from armillary.distributions import HarmonicDistribution, MatrixFisher, Uniform
from armillary.distributions.calculus.autocorrelation import autocorrelation
from armillary.distributions.calculus.heat_kernel import heat_decay
from armillary.distributions.calculus.log_coefficients import density_moments
from armillary.distributions.calculus.symmetrize import symmetrize
from armillary.distributions.calculus.symmetry_detection import detect_symmetry, symmetry_of_moments
from armillary.harmonics import evaluate_so3, wigner_D
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import SymmetryGroup, exp, random_rotations

DEGREE = math.pi / 180
GROUPS = [
    SymmetryGroup.trivial(),
    *(SymmetryGroup.cyclic(n) for n in (2, 3, 5)),
    *(SymmetryGroup.dihedral(n) for n in (2, 3, 6)),
    SymmetryGroup.tetrahedral(),
    SymmetryGroup.octahedral(),
    SymmetryGroup.icosahedral(),
    SymmetryGroup.axial(),
    SymmetryGroup.dihedral_axial(),
]
LMAX = 10


def kernels(
    group: SymmetryGroup, sigma: float, generator: torch.Generator, views: int = 1, jitter: float = 0.0
) -> Tensor:
    """Moments of sums of heat kernels over a group, heights off by 10 percent, places by a jitter."""
    elements = group.elements(72)
    heights = (1 + 0.1 * torch.randn(views, len(elements), generator=generator, dtype=torch.float64)).clamp(min=0.1)
    places = random_rotations(views, 1, generator=generator, dtype=torch.float64) @ elements
    errors = jitter * torch.randn(views, len(elements), 3, generator=generator, dtype=torch.float64)
    D = wigner_D(LMAX, places @ exp(errors))
    mean = (heights[..., None] / heights.sum(-1)[:, None, None] * D).sum(-2)
    return mean * degree_weights(LMAX, mean) * heat_decay(sigma, LMAX)


def farthest(found: SymmetryGroup, true: SymmetryGroup) -> float:
    """Largest angle of an element of one group from the other."""
    eye = torch.eye(3, dtype=torch.float64)
    there, back = found.distance(eye, true.elements(24)), true.distance(eye, found.elements(24))
    return max(there.amax().item(), back.amax().item())


@pytest.mark.parametrize(
    ("group", "sigma"),
    [(group, sigma) for i, group in enumerate(GROUPS) for sigma in ((8.0,), (3.0, 15.0))[i % 3 == 0]],
    ids=lambda value: value.name if isinstance(value, SymmetryGroup) else f"{value:g} degrees",
)
def test_groups_are_found_in_any_orientation_and_view(
    group: SymmetryGroup, sigma: float, generator: torch.Generator
) -> None:
    generator.manual_seed(len(group.name) + int(sigma))
    true = group.conjugate(random_rotations(generator=generator, dtype=torch.float64))
    found = symmetry_of_moments(kernels(true, sigma * DEGREE, generator, jitter=1 * DEGREE))
    assert found.group.name == group.name and found.group.order == group.order
    # Each peak is off by a degree about each axis; half-turns of few elements move their axis by as much.
    assert farthest(found.group, true) < 6 * DEGREE
    assert found.score > 0.9 and found.rival < 0.3
    again = SymmetryGroup.from_bop(found.group.to_bop())
    assert again.order == group.order and farthest(again, found.group) < 1e-6


@lru_cache
def quiet(name: str) -> Tensor:
    group = {group.name: group for group in GROUPS}[name]
    return kernels(group, 8 * DEGREE, torch.Generator().manual_seed(3))


def test_exact_peaks_give_the_group_exactly(generator: torch.Generator) -> None:
    true = SymmetryGroup.dihedral(3).conjugate(random_rotations(generator=generator, dtype=torch.float64))
    # Unequal heights leave every peak where it is.
    assert farthest(symmetry_of_moments(kernels(true, 8 * DEGREE, generator)).group, true) < 0.2 * DEGREE


def test_the_view_does_not_matter(generator: torch.Generator) -> None:
    fisher = MatrixFisher(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    views = fisher.rotate(random_rotations(2, generator=generator, dtype=torch.float64))
    first, second = (autocorrelation(moments) for moments in density_moments(views, 3))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_autocorrelation_is_the_integral(generator: torch.Generator) -> None:
    density = MatrixFisher(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    g = random_rotations(5, generator=generator, dtype=torch.float64)
    R = random_rotations(40000, generator=generator, dtype=torch.float64)
    p = density.log_prob(R).exp() - 1
    turned = torch.stack([density.log_prob(R @ one).exp() - 1 for one in g])
    value = evaluate_so3(autocorrelation(density_moments(density, 8)), g)
    noise = (p * turned).std(-1) / math.sqrt(len(R)) / p.square().mean()
    assert ((p * turned).mean(-1) / p.square().mean() - value).abs().lt(6 * noise + 0.03).all()


def test_a_batch_of_views_shares_its_evidence(generator: torch.Generator) -> None:
    """A mug: in half of the views the handle is hidden. It has no symmetry, however sure those views are of one."""
    hidden = kernels(SymmetryGroup.axial(), 8 * DEGREE, generator, views=4)
    seen = kernels(SymmetryGroup.trivial(), 8 * DEGREE, generator, views=4)
    found = symmetry_of_moments(torch.cat([hidden, seen]))
    assert found.group.order == 1
    assert symmetry_of_moments(hidden).group.name == "C_inf"
    # Views that know nothing have no say.
    nothing = torch.zeros_like(hidden)
    nothing[:, 0] = 1
    both = symmetry_of_moments(torch.cat([hidden, nothing]))
    assert both.group.name == "C_inf" and both.score > 0.9


def test_what_is_finer_than_the_blur_or_the_degree_is_continuous(generator: torch.Generator) -> None:
    for n, sigma, name in ((9, 8.0, "C9"), (11, 8.0, "C_inf"), (6, 15.0, "C6"), (10, 15.0, "C_inf")):
        found = symmetry_of_moments(kernels(SymmetryGroup.cyclic(n), sigma * DEGREE, generator))
        assert found.group.name == name


def test_a_symmetry_that_is_nearly_there_is_a_rival() -> None:
    # Of four quarter-turns one pair is half as probable.
    elements = SymmetryGroup.cyclic(4).elements()
    weights = torch.tensor([1.0, 0.4, 1.0, 0.4], dtype=torch.float64) / 2.8
    D = (weights[:, None] * wigner_D(LMAX, elements)).sum(0)
    found = symmetry_of_moments(D * degree_weights(LMAX, D) * heat_decay(8 * DEGREE, LMAX))
    assert found.group.name == "C2"
    # 2 (1 * 0.4) * 2 / (2 (1 + 0.16)).
    assert abs(found.rival - 0.8 / 1.16) < 0.01


def test_densities_of_any_family_are_asked(generator: torch.Generator) -> None:
    tilt = random_rotations(generator=generator, dtype=torch.float64)
    view = random_rotations(2, generator=generator, dtype=torch.float64)
    cube = SymmetryGroup.octahedral().conjugate(tilt)
    mixture = symmetrize(MatrixFisher.isotropic(view, sigma=0.15), cube)
    found = detect_symmetry(mixture)
    assert found.group.name == "O" and farthest(found.group, cube) < 1 * DEGREE
    # A log-density of degree 6 made of one kernel for each element, as a network predicts it.
    prism = SymmetryGroup.dihedral(3).conjugate(tilt)
    kernel = wigner_D(6, view[0] @ prism.elements())
    fade = degree_weights(6, kernel) * heat_decay(0.35, 6)
    heights = 1 + 0.01 * torch.randn(6, 1, generator=generator, dtype=torch.float64)
    harmonic = HarmonicDistribution(0.25 * (heights * kernel * fade).sum(0))
    found = detect_symmetry(harmonic)
    assert found.group.name == "D3" and farthest(found.group, prism) < 3 * DEGREE


def test_uniform_densities_have_every_symmetry_and_say_so() -> None:
    with pytest.raises(ValueError, match="every rotation is a symmetry"):
        detect_symmetry(Uniform((3,)))
    with pytest.raises(ValueError, match="threshold"):
        detect_symmetry(MatrixFisher(torch.eye(3)), threshold=1.5)
