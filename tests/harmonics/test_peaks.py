"""Peaks are found where they were planted, to Newton's accuracy, in order, and the same every time."""

import pytest
import torch
from torch import Tensor

from armillary.harmonics import (
    derivative_coeffs,
    evaluate_on_so3_grid,
    expand_so3,
    find_peaks,
    rotate_so3,
    so3_size,
    wigner_D,
)
from armillary.harmonics.ascent import climb, weighted_derivatives
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import (
    SymmetryGroup,
    exp,
    geodesic_distance,
    random_rotations,
    rotation_y,
    rotation_z,
    so3_grid,
)


def bump(lmax: int, centres: Tensor) -> Tensor:
    """Coefficients of the smooth kernel sum_l (2l+1) exp(-l(l+1) / lmax^2) chi_l(Q^-1 R) about each centre."""
    D = wigner_D(lmax, centres)
    fade = [torch.exp(torch.tensor(-l * (l + 1) / lmax**2)) for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)]
    return D * degree_weights(lmax, D) * torch.stack(fade).to(D)


@pytest.mark.parametrize("lmax", [1, 2, 6, 10])
def test_a_planted_peak_is_found_to_rounding(lmax: int, special_rotations: Tensor, generator: torch.Generator) -> None:
    centres = torch.cat([special_rotations, random_rotations(20, generator=generator, dtype=torch.float64)])
    coeffs = bump(lmax, centres)
    rotation, value = find_peaks(coeffs)
    assert geodesic_distance(rotation[:, 0], centres).max() < 1e-6
    expansion = expand_so3(derivative_coeffs(coeffs), rotation)
    curvature = -torch.linalg.eigvalsh(expansion.hessian)
    assert curvature.min() > 0
    # The step that Newton would still take: quadratic convergence from the last one that changed the value by rounding.
    assert expansion.gradient.abs().max() < 1e-9 * curvature.min()


def test_single_precision_peaks_are_good_to_rounding(generator: torch.Generator) -> None:
    centres = random_rotations(20, generator=generator)
    rotation, _ = find_peaks(bump(6, centres))
    assert rotation.dtype == torch.float32
    # The coefficients round, by 6e-8 of the peak each: a shift of a few 1e-7 rad.
    assert geodesic_distance(rotation[:, 0], centres).max() < 1e-5


def test_symmetric_functions_have_one_peak_for_each_element(generator: torch.Generator) -> None:
    group = SymmetryGroup.tetrahedral()
    centre = random_rotations(generator=generator, dtype=torch.float64)
    equivalents = group.equivalents(centre)
    rotation, value = find_peaks(bump(8, equivalents).sum(0), k=14)
    assert value[:12].isfinite().all() and (value[:12] - value[0]).abs().max() < 1e-9 * value[0]
    assert (value.diff()[:11] <= 0).all()
    # Side lobes of the twelve may be maxima too, far lower.
    assert (value[12:] < 0.5 * value[0]).all()
    distance = geodesic_distance(rotation[:12, None], equivalents[None])
    assert distance.min(1).values.max() < 1e-6 and distance.min(0).values.max() < 1e-6


def test_peaks_come_highest_first_and_apart(generator: torch.Generator) -> None:
    centres = torch.stack([torch.eye(3), exp(torch.tensor([2.0, 0, 0])), exp(torch.tensor([0, -2.0, 0.5]))]).double()
    heights = torch.tensor([0.5, 1.0, 0.8], dtype=torch.float64)
    rotation, value = find_peaks((heights[:, None] * bump(8, centres)).sum(0), k=3)
    assert (value.diff() < 0).all()
    # Side lobes of one pull the others by a little.
    assert geodesic_distance(rotation, centres[[1, 2, 0]]).max() < 0.02


@pytest.mark.parametrize("lmax", [3, 6])
def test_the_highest_peak_is_above_every_grid_value(lmax: int, generator: torch.Generator) -> None:
    coeffs = torch.randn(20, so3_size(lmax), generator=generator, dtype=torch.float64)
    _, value = find_peaks(coeffs)
    grid = evaluate_on_so3_grid(coeffs, 3).amax(-1)
    assert (value[:, 0] >= grid - 1e-12 * grid.abs()).all()


def test_turned_functions_have_turned_peaks(special_rotations: Tensor, generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(5), generator=generator, dtype=torch.float64)
    rotation, value = find_peaks(coeffs)
    turned, turned_value = find_peaks(rotate_so3(coeffs, special_rotations))
    torch.testing.assert_close(turned_value, value.expand_as(turned_value), rtol=1e-8, atol=0)
    assert geodesic_distance(turned[:, 0], special_rotations @ rotation[0]).max() < 1e-6


def test_a_ring_of_maxima_is_found_somewhere_on_the_ring(generator: torch.Generator) -> None:
    # Averaged over turns about z: only the columns n = 0 remain, and every maximum is a circle.
    target = random_rotations(generator=generator, dtype=torch.float64)
    turns = exp(torch.arange(16, dtype=torch.float64)[:, None] * (torch.pi / 8) * torch.eye(3, dtype=torch.float64)[2])
    coeffs = bump(6, target @ turns).mean(0)
    rotation, value = find_peaks(coeffs, k=2)
    assert value[0].isfinite() and rotation.isfinite().all()
    assert torch.linalg.vector_norm(rotation[0, :, 2] - target[:, 2]) < 1e-6


def test_missing_peaks_are_marked() -> None:
    rotation, value = find_peaks(wigner_D(1, torch.eye(3, dtype=torch.float64)), k=3)
    assert value[0].isfinite() and (value[1:] == -torch.inf).all()
    assert rotation.isfinite().all()


def test_a_constant_function_has_some_peak() -> None:
    for coeffs in (torch.tensor([2.0]), torch.tensor([2.0] + 454 * [0.0])):
        rotation, value = find_peaks(coeffs)
        assert value[0] == 2 and rotation.isfinite().all()


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_batches_are_the_stack_of_their_functions_and_repeat(
    batch: tuple[int, ...], generator: torch.Generator
) -> None:
    coeffs = torch.randn(*batch, so3_size(4), generator=generator, dtype=torch.float64)
    rotation, value = find_peaks(coeffs, k=2)
    assert rotation.shape == (*batch, 2, 3, 3) and value.shape == (*batch, 2)
    again = find_peaks(coeffs, k=2)
    assert torch.equal(again[0], rotation) and torch.equal(again[1], value)
    for row, own in zip(coeffs.reshape(-1, so3_size(4)), value.reshape(-1, 2), strict=True):
        torch.testing.assert_close(find_peaks(row, k=2)[1], own, rtol=1e-12, atol=0)


@pytest.mark.parametrize("lmax", [2, 6])
@pytest.mark.parametrize("colour", [-2, 0, 2])
def test_no_highest_peak_is_lost(lmax: int, colour: int, generator: torch.Generator) -> None:
    # Against the best of 24 ascents from the highest cells of a grid of 7 degrees.
    fade = torch.tensor([(l + 1.0) ** colour for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)])
    coeffs = (torch.randn(16, so3_size(lmax), generator=generator) * fade).double()
    start = so3_grid(3, dtype=torch.float64)[evaluate_on_so3_grid(coeffs, 3).topk(24, -1).indices]
    highest = climb(weighted_derivatives(coeffs), start).value.amax(-1)
    value = find_peaks(coeffs)[1][:, 0]
    # The last step, 1e-3 of the unit at most, is foretold to its third power.
    assert (value >= highest * (1 - 1e-8)).all()
    torch.testing.assert_close(find_peaks(coeffs[:4], 3, threshold=0.0)[1][:, 0], value[:4], rtol=1e-8, atol=0)


def test_all_sixty_peaks_of_an_icosahedral_function_are_found(generator: torch.Generator) -> None:
    group = SymmetryGroup.icosahedral()
    # One of the elements is the identity, at a pole of every grid.
    for centre in (torch.eye(3, dtype=torch.float64), random_rotations(generator=generator, dtype=torch.float64)):
        equivalents = group.equivalents(centre)
        coeffs = bump(10, equivalents).sum(0)
        top = find_peaks(coeffs)[1][0].item()
        rotation, value = find_peaks(coeffs, k=80, threshold=1e-6 * top)
        assert value.isfinite().sum() == 60
        distance = geodesic_distance(rotation[:60, None], equivalents[None])
        assert distance.min(1).values.max() < 1e-6 and distance.min(0).values.max() < 1e-6


def test_a_threshold_keeps_what_is_above_it_and_loses_nothing(generator: torch.Generator) -> None:
    coeffs = torch.randn(4, so3_size(4), generator=generator, dtype=torch.float64)
    every, heights = find_peaks(coeffs, k=200, threshold=1e9)
    assert (heights.isfinite().sum(-1) > 5).all() and (heights[:, -1] == -torch.inf).all()
    for depth in (0.0, 3.0, 10.0):
        rotation, value = find_peaks(coeffs, k=200, threshold=depth)
        expected = torch.where(heights >= heights[:, :1] - depth, heights, -torch.inf)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)


def test_all_maxima_are_found_and_are_maxima(generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(3), generator=generator, dtype=torch.float64)
    rotation, value = find_peaks(coeffs, k=60, threshold=1e9)
    found = value.isfinite()
    expansion = expand_so3(derivative_coeffs(coeffs), rotation[found])
    assert (torch.linalg.eigvalsh(expansion.hessian) < 0).all()
    assert expansion.gradient.abs().max() < 1e-8 * expansion.hessian.abs().max()
    # Scattered ascents find no peak beyond these.
    start = random_rotations(1, 400, generator=generator, dtype=torch.float64)
    summit = climb(weighted_derivatives(coeffs[None]), start, 60)
    assert geodesic_distance(summit.rotation[0, :, None], rotation[found]).min(1).values.max() < 1e-6


@pytest.mark.parametrize("tilt", [0.0, 0.02, 0.1, torch.pi - 0.05])
def test_a_wide_basin_at_a_pole_of_the_grid_hides_no_other_peak(tilt: float) -> None:
    tilts = torch.tensor([tilt, 0.0, 1.2], dtype=torch.float64)
    turns = torch.tensor([0.4, 2.0, -1.0], dtype=torch.float64)
    centres = rotation_z(turns) @ rotation_y(tilts) @ rotation_z(turns)
    heights = torch.tensor([3.0, 1.0, 1.1], dtype=torch.float64)
    rotation, value = find_peaks((heights[:, None] * bump(9, centres)).sum(0), k=3)
    # Side lobes of the highest move the others a little.
    assert geodesic_distance(rotation[:, None], centres[None]).min(0).values.max() < 0.06


def test_high_degrees_are_found_too(generator: torch.Generator) -> None:
    centre = random_rotations(generator=generator, dtype=torch.float64)
    rotation, _ = find_peaks(bump(31, centre).float())
    assert geodesic_distance(rotation[0].double(), centre) < 1e-5


def test_fewer_than_one_peak_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected k >= 1"):
        find_peaks(torch.ones(10), k=0)
