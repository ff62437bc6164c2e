"""Planted rotations come back, refined or to the documented error of a grid, and symmetric maps show all of theirs."""

import pytest
import torch
from torch import Tensor

from armillary.harmonics import align_s2, align_so3, rotate_s2, rotate_so3, s2_size, so3_size
from armillary.harmonics.align import highest_node
from armillary.harmonics.wigner import evaluate_so3
from armillary.so3 import SymmetryGroup, geodesic_distance, random_rotations

KINDS = pytest.mark.parametrize(
    ("align", "rotate", "size"), [(align_s2, rotate_s2, s2_size), (align_so3, rotate_so3, so3_size)], ids=["s2", "so3"]
)
# The module's table: bandwidth and oversampling -> median and largest error of 40 pairs in degrees.
TABLE = {(4, 1.0): (18, 30), (8, 1.0): (9.5, 15), (8, 2.0): (4.4, 7.0), (8, 4.0): (1.9, 3.9), (16, 1.0): (4.3, 7.0)}


def pairs(size: int, rotate, planted: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """White maps of three channels, and the same turned: (*pairs, channels, size)."""
    second = torch.randn(len(planted), 3, size, generator=generator, dtype=torch.float64)
    return rotate(second, planted[:, None]), second


@KINDS
@pytest.mark.parametrize("lmax", [2, 3, 7])
def test_the_planted_rotation_comes_back(
    align, rotate, size, lmax: int, special_rotations: Tensor, generator: torch.Generator
) -> None:
    planted = torch.cat([special_rotations[::6], random_rotations(4, generator=generator, dtype=torch.float64)])
    first, second = pairs(size(lmax), rotate, planted, generator)
    rotation, score = align(first, second, channel_dim=1)
    # Newton's method ends where a step changes the value by rounding: the square root of that, and mostly far less.
    assert geodesic_distance(rotation[:, 0], planted).rad2deg().max() < 1e-7
    # Cauchy and Schwarz.
    torch.testing.assert_close(score, torch.ones_like(score), rtol=0, atol=1e-12)
    single, _ = align(first.float(), second.float(), channel_dim=1)
    assert single.dtype == torch.float32
    assert geodesic_distance(single[:, 0].double(), planted).rad2deg().max() < 1e-4


def test_maps_of_bandwidth_16_align(generator: torch.Generator) -> None:
    planted = random_rotations(1, generator=generator, dtype=torch.float64)
    first, second = pairs(s2_size(15), rotate_s2, planted, generator)
    assert geodesic_distance(align_s2(first, second, channel_dim=1).rotation[0, 0], planted[0]).rad2deg() < 1e-7


@KINDS
def test_exchanging_both_maps_inverts_the_rotation(align, rotate, size, generator: torch.Generator) -> None:
    first, second = torch.randn(2, 2, size(3), generator=generator, dtype=torch.float64)
    (forth, score), (back, other) = align(first, second, channel_dim=0), align(second, first, channel_dim=0)
    assert geodesic_distance(forth[0], back[0].mT) < 1e-6
    torch.testing.assert_close(score, other)
    # Random maps have little in common.
    assert 0 < score[0] < 0.95


@pytest.mark.parametrize("group", [SymmetryGroup.cyclic(4), SymmetryGroup.dihedral(3), SymmetryGroup.tetrahedral()])
def test_symmetric_maps_have_one_peak_for_each_element(group: SymmetryGroup, generator: torch.Generator) -> None:
    elements = group.elements().double()
    white = torch.randn(2, 1, s2_size(9), generator=generator, dtype=torch.float64)
    second = rotate_s2(white, elements).mean(1)
    planted = random_rotations(generator=generator, dtype=torch.float64)
    rotation, score = align_s2(rotate_s2(second, planted), second, k=len(elements) + 1, channel_dim=0)
    assert (score[:-1] > 1 - 1e-9).all() and score[-1] < 0.99
    distance = geodesic_distance(rotation[:-1, None], planted @ elements)
    assert distance.min(0).values.max() < 1e-6 and distance.min(1).values.max() < 1e-6


@pytest.mark.parametrize(("bandwidth", "oversampling"), TABLE)
def test_grid_errors_are_those_of_the_table(bandwidth: int, oversampling: float, generator: torch.Generator) -> None:
    planted = random_rotations(12, generator=generator, dtype=torch.float64)
    first, second = pairs(s2_size(bandwidth - 1), rotate_s2, planted, generator)
    rotation, score = align_s2(first.float(), second.float(), channel_dim=1, oversampling=oversampling)
    error = geodesic_distance(rotation[:, 0].double(), planted).rad2deg()
    median, largest = TABLE[bandwidth, oversampling]
    # Three standard errors of a median of 12, whose distribution is about a third as wide as it is high.
    assert 0.7 * median < error.median() < 1.3 * median and error.max() < 1.25 * largest
    assert (score[:, 0] < 1).all()


def test_the_highest_node_has_the_value_it_says_and_no_node_is_higher(generator: torch.Generator) -> None:
    coeffs = torch.randn(2, 3, so3_size(3), generator=generator, dtype=torch.float64)
    rotation, value = highest_node(coeffs, 1.5)
    assert rotation.shape == (2, 3, 3, 3)
    torch.testing.assert_close(evaluate_so3(coeffs, rotation), value)
    # Three times as many half-offset nodes contain these.
    assert (highest_node(coeffs, 4.5)[1] >= value - 1e-12).all()


def test_zero_maps_have_score_zero_and_missing_peaks_none() -> None:
    rotation, score = align_s2(torch.zeros(9), torch.ones(9))
    assert score[0] == 0 and rotation.isfinite().all()
    # The coordinates as three channels: the correlation is the trace, which has one maximum.
    axes = torch.eye(4)[1:]
    _, score = align_s2(axes, axes, k=3, channel_dim=0)
    torch.testing.assert_close(score, torch.tensor([1, -torch.inf, -torch.inf]))


@pytest.mark.parametrize("batch", [(), (2,), (3, 1, 2)])
def test_batches_are_the_stack_of_their_pairs(batch: tuple[int, ...], generator: torch.Generator) -> None:
    first, second = torch.randn(2, *batch, 4, s2_size(3), generator=generator, dtype=torch.float64)
    for oversampling in (None, 2.0):
        rotation, score = align_s2(first, second, channel_dim=-2, oversampling=oversampling)
        assert rotation.shape == (*batch, 1, 3, 3) and score.shape == (*batch, 1)
        if batch:
            alone = align_s2(first[-1], second[-1], channel_dim=-2, oversampling=oversampling)
            torch.testing.assert_close(score[-1], alone.score)
