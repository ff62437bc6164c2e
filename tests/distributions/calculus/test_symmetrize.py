"""Laws of the two averages over a group: invariance, exactness, and what each is nearest to."""

import math

import pytest
import torch

from armillary.distributions import (
    HarmonicDistribution,
    ImplicitDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    SO3Distribution,
    Uniform,
)
from armillary.distributions.calculus.log_coefficients import density_moments
from armillary.distributions.calculus.symmetrize import condition, invariant_projector, symmetrize
from armillary.harmonics import so3_size
from armillary.harmonics.layout import split_degrees
from armillary.so3 import SymmetryGroup, exp, random_rotations

TILT = exp(torch.tensor([0.3, -1.0, 0.4], dtype=torch.float64))
GROUPS = {
    "C1": SymmetryGroup.trivial(),
    "C5": SymmetryGroup.cyclic(5),
    "D3 tilted": SymmetryGroup.dihedral(3).conjugate(TILT),
    "T": SymmetryGroup.tetrahedral(),
    "C_inf tilted": SymmetryGroup.axial().conjugate(TILT),
    "D_inf": SymmetryGroup.dihedral_axial(),
}
F = torch.tensor([[4.0, 1.0, 0.0], [-1.0, 2.0, 0.5], [0.3, 0.0, 1.0]], dtype=torch.float64)


def harmonic() -> HarmonicDistribution:
    generator = torch.Generator().manual_seed(2)
    return HarmonicDistribution(0.4 * torch.randn(so3_size(3), generator=generator, dtype=torch.float64))


FAMILIES: dict[str, SO3Distribution] = {
    "uniform": Uniform(dtype=torch.float64),
    "fisher": MatrixFisher(F),
    "harmonic": harmonic(),
    "mixture": Mixture(
        torch.tensor([0.6, 0.4], dtype=torch.float64), Uniform((1,), dtype=torch.float64), MatrixFisher(6 * TILT[None])
    ),
}
LAW = [pytest.mark.parametrize("name", FAMILIES), pytest.mark.parametrize("group", GROUPS)]
EXACT = 3e-4  # two normalisers of 1e-4 and rounding


def mean_log(density: SO3Distribution, R: torch.Tensor, group: SymmetryGroup) -> tuple[torch.Tensor, torch.Tensor]:
    """Log of the arithmetic and of the geometric mean over the group, by values."""
    each = density.log_prob(R[..., None, :, :] @ group.elements(72))
    return each.logsumexp(-1) - math.log(each.shape[-1]), each.mean(-1)


@LAW[0]
@LAW[1]
def test_symmetrize_is_the_arithmetic_mean(name: str, group: str, generator: torch.Generator) -> None:
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    symmetric = symmetrize(FAMILIES[name], GROUPS[group])
    torch.testing.assert_close(symmetric.log_prob(R), mean_log(FAMILIES[name], R, GROUPS[group])[0], rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("name", "group"),
    # The mixture goes by cubature: one group is enough.
    [(name, group) for name in FAMILIES for group in GROUPS if name != "mixture" or group == "D3 tilted"],
)
def test_condition_is_the_geometric_mean_in_the_same_family(name: str, group: str, generator: torch.Generator) -> None:
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    symmetric = condition(FAMILIES[name], GROUPS[group])
    assert type(symmetric) is (ImplicitDistribution if name == "mixture" else type(FAMILIES[name]))
    constant = symmetric.log_prob(R) - mean_log(FAMILIES[name], R, GROUPS[group])[1]
    assert constant.max() - constant.min() < EXACT


@LAW[1]
@pytest.mark.parametrize("average", [symmetrize, condition])
def test_averages_are_invariant_and_stay_so(average, group: str, generator: torch.Generator) -> None:
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    g = GROUPS[group].elements(7)[-1]  # of a continuous axis an angle that is no multiple of 5 degrees
    for density in (FAMILIES["fisher"], FAMILIES["harmonic"]):
        once = average(density, GROUPS[group])
        torch.testing.assert_close(once.log_prob(R @ g), once.log_prob(R), rtol=0, atol=EXACT)
    if average is condition:
        torch.testing.assert_close(condition(once, GROUPS[group]).log_prob(R), once.log_prob(R), rtol=0, atol=EXACT)


@LAW[1]
def test_symmetrize_projects_the_moments(group: str) -> None:
    projector = split_degrees(invariant_projector(GROUPS[group], 3))
    own = split_degrees(density_moments(FAMILIES["fisher"], 3))
    after = split_degrees(density_moments(symmetrize(FAMILIES["fisher"], GROUPS[group]), 3))
    for before, P, result in zip(own, projector, after, strict=True):
        torch.testing.assert_close(result, before @ P, rtol=0, atol=1e-6)
        torch.testing.assert_close(P @ P, P, rtol=0, atol=1e-12)


def test_the_invariants_of_the_groups_are_as_many_as_known() -> None:
    counts = {
        "I": [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1],
        "T": [1, 0, 0, 1, 1, 0, 2],
        "O": [1, 0, 0, 0, 1, 0, 1, 0, 1, 1],
        "C_inf": [1] * 6,
        "D_inf": [1, 0, 1, 0, 1],
        "D2": [1, 0, 2, 1, 3],
    }
    groups = [
        SymmetryGroup.icosahedral(),
        SymmetryGroup.tetrahedral(),
        SymmetryGroup.octahedral(),
        SymmetryGroup.axial((1, 2, -3)),
        SymmetryGroup.dihedral_axial().conjugate(TILT),
        SymmetryGroup.dihedral(2),
    ]
    for group in groups:
        blocks = split_degrees(invariant_projector(group, len(counts[group.name]) - 1))
        assert [round(P.trace().item(), 6) for P in blocks] == counts[group.name]


@pytest.mark.parametrize("group", ["C5", "D3 tilted"])
def test_each_average_is_the_nearest_in_its_direction(group: str, generator: torch.Generator) -> None:
    """Against other invariant densities, by Monte Carlo on common rotations."""
    p = HarmonicDistribution(harmonic().coeffs / 3)
    R = random_rotations(4000, generator=generator, dtype=torch.float64)
    weight = p.log_prob(R).exp()
    noise = 0.1 * torch.randn(so3_size(3), generator=generator, dtype=torch.float64)
    arithmetic, geometric = symmetrize(p, GROUPS[group]), condition(p, GROUPS[group])
    other = condition(HarmonicDistribution(p.coeffs + noise), GROUPS[group])
    for rival in (geometric, other):
        # KL(p || q) differs by E_p[log q].
        assert (weight * (arithmetic.log_prob(R) - rival.log_prob(R))).mean() > 0
    for rival in (arithmetic, other):
        # KL(q || p) = E_q[log q - log p].
        divergences = [(q.log_prob(R).exp() * (q.log_prob(R) - p.log_prob(R))).mean() for q in (geometric, rival)]
        assert divergences[0] < divergences[1]


def test_the_ripple_of_a_sampled_axis_is_as_stated() -> None:
    sigma, steps = math.radians(5.0), 36
    density = MatrixFisher.isotropic(torch.eye(3, dtype=torch.float64), sigma=sigma)
    ring = symmetrize(density, SymmetryGroup.axial(), steps=steps)
    between = exp(torch.tensor([0.0, 0.0, math.pi / steps], dtype=torch.float64))
    ripple = (ring.log_prob(torch.eye(3, dtype=torch.float64)) - ring.log_prob(between)).expm1()
    # Twice the amplitude, from crest to trough.
    assert 0.8 < ripple / (4 * math.exp(-(steps**2) * sigma**2 / 2)) < 1.2


def test_batches_and_other_families_are_averaged(generator: torch.Generator) -> None:
    group = SymmetryGroup.dihedral(2)
    batch = MatrixFisher(torch.randn(3, 2, 3, 3, generator=generator))
    assert symmetrize(batch, group).batch_shape == condition(batch, group).batch_shape == (3, 2)
    both = Mixture(torch.ones(3, 2), MatrixFisher(torch.randn(3, 2, 3, 3, generator=generator)))
    assert symmetrize(both, group).batch_shape == (3,)
    peak = RotationLaplace(20 * torch.eye(3, dtype=torch.float64))
    mean = symmetrize(peak, group)
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    assert isinstance(mean, ImplicitDistribution)
    torch.testing.assert_close(mean.log_prob(R), mean_log(peak, R, group)[0], rtol=0, atol=5e-3)  # its cubature
