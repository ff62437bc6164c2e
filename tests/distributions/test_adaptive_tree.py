"""Adaptive cubature reaches its tolerance: known integrals, every width, many peaks, ridges, cusps, hints."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from armillary.distributions import AdaptiveGrid, AdaptiveTree
from armillary.distributions.integration.ascent import choose_distinct, climb, distinct
from armillary.distributions.integration.tree_leaves import study
from armillary.distributions.integration.tree_nodes import TreeNodes, cube
from armillary.harmonics import evaluate_so3, find_peaks, so3_size, wigner_D
from armillary.so3 import SymmetryGroup, exp, geodesic_distance, random_rotations
from armillary.so3.cubes import all_cells

DEGREE = math.pi / 180
TOLERANCE = AdaptiveTree().tolerance
WIDTHS = torch.tensor([60.0, 20.0, 5.0, 2.0, 0.5, 0.1], dtype=torch.float64) * DEGREE
CENTRES = random_rotations(6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def log_fisher(z: Tensor) -> Tensor:
    """log of the integral of exp(z (cos - 1)), by Bessel functions."""
    return (torch.special.i0e(z) - torch.special.i1e(z)).log()


def log_isotropic(profile: Callable[[Tensor], Tensor], furthest: float) -> Tensor:
    """log of the integral of exp(profile(angle)), by the trapezoidal rule."""
    angle = torch.linspace(1e-12, min(furthest, math.pi), 400_001, dtype=torch.float64)
    return torch.trapezoid(profile(angle).exp() * (1 - angle.cos()) / math.pi, angle).log()


def cosine(rows: Tensor, rotation: Tensor) -> Tensor:
    return ((rotation * CENTRES[rows]).sum((-2, -1)) - 1) / 2


def test_peaks_of_every_width_are_integrated_in_one_call_without_hints() -> None:
    z = WIDTHS.square().reciprocal()
    survey = AdaptiveTree().survey(lambda rows, R: z[rows] * (cosine(rows, R) - 1), 6)
    assert (survey.error <= TOLERANCE).all()
    # i0e - i1e loses log10(z) of its 16 digits.
    assert (survey.cloud.log_integral() - log_fisher(z)).abs().max() < TOLERANCE
    assert geodesic_distance(survey.peaks.rotation[:, 0], CENTRES).max() < 1e-6
    # The whole level-5 grid of Implicit-PDF has 2,359,296 rotations for one density.
    assert survey.evaluations / 6 < 30_000


@pytest.mark.parametrize(("lmax", "scale"), [(2, 0.3), (4, 3.0)])
def test_band_limited_densities_have_the_integral_of_the_exact_grid(
    lmax: int, scale: float, generator: torch.Generator
) -> None:
    coeffs = scale * torch.randn(so3_size(lmax), generator=generator, dtype=torch.float64)
    exact = AdaptiveGrid(1e-7).log_integral(coeffs)
    survey = AdaptiveTree().survey(lambda rows, R: evaluate_so3(coeffs, R), 1)
    assert abs(survey.cloud.log_integral() - exact) < TOLERANCE


@pytest.mark.parametrize("width", [20.0, 1.0])
def test_cusps_are_integrated(width: float) -> None:
    s = width * DEGREE
    survey = AdaptiveTree().survey(lambda rows, R: -geodesic_distance(R, CENTRES[rows]) / s, 6)
    exact = log_isotropic(lambda angle: -angle / s, 40 * s)
    assert (survey.cloud.log_integral() - exact).abs().max() < TOLERANCE


def test_densities_that_are_infinite_at_their_peak_are_integrated() -> None:
    s = 1.0 * DEGREE

    def height(angle: Tensor) -> Tensor:
        return -angle / s - angle.log()

    survey = AdaptiveTree().survey(lambda rows, R: height(geodesic_distance(R, CENTRES[rows])), 2, CENTRES[:2, None])
    assert (survey.cloud.log_integral() - log_isotropic(height, 40 * s)).abs().max() < TOLERANCE


def test_all_sixty_peaks_of_an_icosahedron_are_found() -> None:
    group = SymmetryGroup.icosahedral().elements().double()
    z = torch.tensor(1 / DEGREE**2, dtype=torch.float64)
    peaks = (CENTRES[0] @ group).flatten(1)
    survey = AdaptiveTree(1e-2).survey(lambda rows, R: (z / 2 * (R.flatten(1) @ peaks.T - 3)).logsumexp(-1), 1)
    assert abs(survey.cloud.log_integral() - log_fisher(z) - math.log(60)) < 1e-2
    assert survey.peaks.height.isfinite().sum() == 60


def test_ridges_are_followed_to_their_end() -> None:
    z = 1 / (2 * DEGREE) ** 2
    axis = CENTRES[0, :, 1]
    survey = AdaptiveTree(1e-3).survey(lambda rows, R: z * (R[:, :, 2] @ axis - 1), 1)
    assert abs(survey.cloud.log_integral() - math.log((1 - math.exp(-2 * z)) / (2 * z))) < 1e-3


def test_tall_peaks_among_many_are_integrated(generator: torch.Generator) -> None:
    # Heights with a standard deviation of 20 nats: the best few of all peaks hold the mass.
    coeffs = torch.randn(so3_size(6), generator=generator, dtype=torch.float64)
    survey = AdaptiveTree(1e-2).survey(lambda rows, R: evaluate_so3(coeffs, R), 1)
    assert abs(survey.cloud.log_integral() - AdaptiveGrid(1e-3).log_integral(coeffs)) < 1e-2


def test_densities_that_are_zero_somewhere_are_integrated() -> None:
    survey = AdaptiveTree(1e-1).survey(lambda rows, R: torch.where(R[:, 2, 2] > 0.3, 0.0, -torch.inf).double(), 1)
    assert survey.error <= 1e-1
    assert abs(survey.cloud.log_integral() - math.log(0.35)) < 1e-2


def test_hints_show_peaks_that_nothing_else_shows() -> None:
    # On a floor of its own mass a peak of 0.1 degrees is flat 0.6 degrees away.
    z = torch.tensor(1 / (0.1 * DEGREE) ** 2, dtype=torch.float64)

    def height(rows: Tensor, R: Tensor) -> Tensor:
        return torch.logaddexp(z * (cosine(rows, R) - 1) - log_fisher(z), torch.zeros((), dtype=torch.float64))

    blind = AdaptiveTree().survey(height, 6)
    assert blind.cloud.log_integral().abs().max() < 1e-3
    nearby = CENTRES @ exp(torch.tensor([0.05 * DEGREE, 0.1 * DEGREE, 0.0], dtype=torch.float64))
    told = AdaptiveTree().survey(height, 6, nearby[:, None])
    assert (told.cloud.log_integral() - math.log(2)).abs().max() < 1e-3


def test_float32_energies_are_integrated_to_their_rounding() -> None:
    z = 1 / (0.5 * DEGREE) ** 2
    survey = AdaptiveTree().survey(lambda rows, R: (z * (cosine(rows, R) - 1)).float(), 6)
    assert (survey.cloud.log_integral() - log_fisher(torch.tensor(z))).abs().max() < 1e-3


def test_rounding_is_not_refined_away() -> None:
    # At 0.1 degrees float32 rounds the energy to 0.05 nats: no number of nodes reaches the tolerance, few are tried.
    z = 1 / (0.1 * DEGREE) ** 2
    centres = CENTRES.float()
    survey = AdaptiveTree().survey(lambda rows, R: z / 2 * ((R.float() * centres[rows]).sum((-2, -1)) - 3), 6)
    assert survey.evaluations / 6 < 200_000
    assert (survey.cloud.log_integral() - log_fisher(torch.tensor(z))).abs().max() < 0.2


def test_a_budget_that_does_not_suffice_is_admitted() -> None:
    z = 1 / DEGREE**2
    survey = AdaptiveTree(1e-6, budget=10_000).survey(lambda rows, R: z * (cosine(rows, R) - 1), 1)
    assert survey.error > 1e-6
    assert abs(survey.cloud.log_integral().exp() / log_fisher(torch.tensor(z).double()).exp() - 1) < survey.error


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_energies_are_named(value: float) -> None:
    with pytest.raises(ValueError, match="expected log densities below infinity"):
        AdaptiveTree().survey(lambda rows, R: torch.full((len(R),), value), 1)


def test_cells_of_nodes_tile_and_weigh_what_the_nodes_do() -> None:
    cells = all_cells(2)
    cell, place = torch.arange(256).repeat_interleave(27), torch.arange(27).repeat(256)
    nodes = TreeNodes(cells, cell, place, 3)
    weight = nodes.log_weights().exp()
    assert abs(weight.sum() - 1) < 1e-6
    # Averages over the cells add up to averages over SO(3); three Gauss points an axis in each.
    total = torch.zeros(so3_size(2), dtype=torch.float64)
    fine, share = cube(3, torch.device("cpu"))
    for point, part in zip((1 + fine) / 2, share / 8, strict=True):
        R = nodes.jitter(torch.arange(len(cell)), point[:, None].expand(3, len(cell)))
        total += part * (weight[:, None] * wigner_D(2, R)).sum(0)
    assert abs(total[0] - 1) < 1e-6 and total[1:].abs().max() < 1e-5
    # And the middle of a node's cell is near the node.
    middle = nodes.jitter(torch.arange(len(cell)), torch.full((3, len(cell)), 0.5, dtype=torch.float64))
    assert geodesic_distance(middle, nodes.rotations(torch.arange(len(cell)))).max() < 5 * DEGREE


def test_cells_know_the_error_that_they_make() -> None:
    cells = all_cells(2)
    owner = torch.zeros(256, dtype=torch.long)
    z = 1 / (15 * DEGREE) ** 2
    unit = cube(3, torch.device("cpu"))[0]
    rotation = TreeNodes(cells, torch.arange(256).repeat_interleave(27), torch.arange(27).repeat(256), 3)
    height = z * (cosine(torch.zeros(1).long(), rotation.rotations(torch.arange(256 * 27))) - 1)
    leaves = study(owner, cells, height.reshape(256, len(unit)))
    actual = abs(leaves.log_integral.exp().sum() / log_fisher(torch.tensor(z).double()).exp() - 1)
    stated = leaves.log_error.exp().sum() / leaves.log_integral.exp().sum()
    assert 1e-4 < actual < stated < 300 * actual


def test_ascents_end_at_peaks_to_a_millionth_of_a_radian(generator: torch.Generator) -> None:
    coeffs = torch.randn(4, so3_size(3), generator=generator, dtype=torch.float64)
    top, _ = find_peaks(coeffs, 1)
    starts = top[:, 0] @ exp(0.15 * torch.randn(4, 3, generator=generator, dtype=torch.float64))
    rows = torch.arange(4)
    summit, value, hessian = climb(lambda rows, R: evaluate_so3(coeffs[rows], R), rows, starts, 2.0**-52)
    assert geodesic_distance(summit, top[:, 0]).max() < 1e-6
    torch.testing.assert_close(value, evaluate_so3(coeffs, summit))
    assert torch.linalg.eigvalsh(hessian).max() < 0


def test_distinct_peaks_are_the_highest_of_their_neighbourhoods() -> None:
    angles = torch.tensor([[0.0, 0.05, 1.0, 1.04, 2.0]], dtype=torch.float64)
    rotation = exp(angles[..., None] * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    height = torch.tensor([[1.0, 2.0, 5.0, 4.0, 3.0]], dtype=torch.float64)
    which, top = choose_distinct(rotation, height, 4, 0.1)
    assert which[0, :3].tolist() == [2, 4, 1] and top.tolist() == [[5, 3, 2, -math.inf]]
    assert torch.equal(distinct(rotation, height, 3, 0.1)[0], rotation[:, [2, 4, 1]])
