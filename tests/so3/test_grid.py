"""Laws of the nested grids: sizes, equal volumes, covering radius, nearest cell against brute force, nesting."""

import math

import healpix
import numpy as np
import pytest
import torch
from torch import Tensor

from armillary import so3
from armillary.so3 import grid


def brute_force_distance(rotations: Tensor, level: int) -> Tensor:
    """Distance to the nearest grid rotation by looking at all of them."""
    cells = so3.so3_grid(level, dtype=torch.float64)
    nearest = torch.cat([(chunk.flatten(1) @ cells.flatten(1).T).argmax(-1) for chunk in rotations.split(1000)])
    return so3.geodesic_distance(rotations, cells[nearest])


@pytest.mark.parametrize("level", range(4))
def test_s2_grid_is_healpix_nested(level: int) -> None:
    points = so3.s2_grid(level, dtype=torch.float64)
    assert points.shape == (12 * 4**level, 3)
    expected = np.stack(healpix.pix2vec(2**level, np.arange(12 * 4**level), nest=True), -1)
    assert np.array_equal(points.numpy(), expected)
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(len(points), dtype=torch.float64))
    # HEALPix pixels have equal area; x, y and z average to zero over them.
    assert points.mean(0).abs().max() < 1e-15


@pytest.mark.parametrize("level", range(3))
def test_so3_grid_has_the_documented_index_and_angles(level: int) -> None:
    cells, n_tilt = so3.so3_grid(level, dtype=torch.float64), so3.tilt_count(level)
    assert len(cells) == so3.so3_grid_size(level) == 72 * 8**level
    assert n_tilt == 6 * 2**level
    assert so3.rotation_defect(cells).max() < 1e-14
    theta, phi = (torch.from_numpy(a) for a in healpix.pix2ang(2**level, np.arange(12 * 4**level), nest=True))
    for index in (0, 1, n_tilt, len(cells) // 2 + 5, len(cells) - 1):
        pixel, tilt = divmod(index, n_tilt)
        psi = torch.tensor((tilt + 0.5) * 2 * math.pi / n_tilt, dtype=torch.float64)
        expected = so3.rotation_z(phi[pixel]) @ so3.rotation_y(theta[pixel]) @ so3.rotation_z(psi)
        torch.testing.assert_close(cells[index], expected, rtol=0, atol=1e-14)


def test_some_cells_equal_the_whole_grid() -> None:
    index = torch.tensor([[5, 0], [4607, 1234]])
    assert torch.equal(so3.so3_grid_rotation(index, 2), so3.so3_grid(2)[index])


@pytest.mark.parametrize(("level", "cells", "spacing", "radius"), so3.GRID_TABLE)
def test_the_grid_table_is_right(
    level: int, cells: int, spacing: float, radius: float, generator: torch.Generator
) -> None:
    assert f"| {level} | {cells} | {spacing:.2f} | {radius:.2f} |" in (grid.__doc__ or "")
    assert cells == so3.so3_grid_size(level)
    # SO(3) with the angle as metric has volume 8 pi^2; the table rounds up.
    edge = math.degrees((8 * math.pi**2 / cells) ** (1 / 3))
    assert edge <= spacing < edge + 0.01
    rotations = so3.random_rotations(5000, generator=generator, dtype=torch.float64)
    polar = so3.rotation_z(torch.linspace(0, 2 * math.pi, 1441, dtype=torch.float64))
    rotations = torch.cat([rotations, polar])
    cell = so3.so3_grid_rotation(so3.nearest_cell(rotations, level), level, dtype=torch.float64)
    farthest = math.degrees(so3.geodesic_distance(rotations, cell).max().item())
    # The polar circle attains the radius from level 1 on; the largest gap of level 0 lies elsewhere.
    assert farthest <= radius
    if level > 0:
        assert farthest > radius - 0.15 * 2**-level - 0.01


@pytest.mark.parametrize("level", range(3))
def test_nearest_cell_equals_brute_force(level: int, generator: torch.Generator, special_rotations: Tensor) -> None:
    rotations = torch.cat([so3.random_rotations(4000, generator=generator, dtype=torch.float64), special_rotations])
    index = so3.nearest_cell(rotations, level)
    distance = so3.geodesic_distance(rotations, so3.so3_grid(level, dtype=torch.float64)[index])
    # Distances, not indices: special rotations lie on the border between cells, where either is right.
    torch.testing.assert_close(distance, brute_force_distance(rotations, level), rtol=0, atol=1e-14)


@pytest.mark.parametrize("level", range(4))
def test_the_nearest_cell_of_a_cell_is_itself(level: int) -> None:
    cells = so3.so3_grid(level)
    assert torch.equal(so3.nearest_cell(cells, level), torch.arange(len(cells)))


@pytest.mark.parametrize("level", [6, 9])
def test_nearest_cell_works_at_fine_levels(level: int, generator: torch.Generator, special_rotations: Tensor) -> None:
    rotations = torch.cat([so3.random_rotations(500, generator=generator, dtype=torch.float64), special_rotations])
    cell = so3.so3_grid_rotation(so3.nearest_cell(rotations, level), level, dtype=torch.float64)
    assert so3.geodesic_distance(rotations, cell).max() < math.radians(60 / 2**level)


@pytest.mark.parametrize("level", range(1, 5))
def test_no_pixel_beyond_the_neighbours_can_win(level: int, generator: torch.Generator) -> None:
    direction = so3.random_rotations(1500, generator=generator, dtype=torch.float64)[..., 2]
    points = so3.s2_grid(level, dtype=torch.float64)
    angle = 2 * torch.asin(((direction[:, None] - points).norm(dim=-1) / 2).clamp(max=1))
    candidates = grid._candidate_pixels(direction, level)
    nearest = angle.gather(1, candidates).amin(1)
    beyond = angle.scatter(1, candidates, math.inf).amin(1)
    # Over the nearest pixel the tilt is off by half a step at most, so no farther cell can be the nearest.
    half_step = math.pi / so3.tilt_count(level)
    farthest_winner = 2 * torch.acos(torch.cos(nearest / 2) * math.cos(half_step / 2))
    assert (beyond - farthest_winner).min() > 0.25 / 2**level


@pytest.mark.parametrize("level", range(5))
def test_neighbours_touch_and_are_mutual(level: int) -> None:
    pixels = torch.arange(12 * 4**level)
    neighbours = grid._neighbours(pixels, level)
    adjacent = torch.zeros(len(pixels), len(pixels), dtype=torch.bool).scatter(1, neighbours, True)
    assert torch.equal(adjacent, adjacent.T)
    # Nine with itself; eight around the eight points where three base faces meet, three pixels each.
    count = adjacent.sum(1)
    assert count.max() <= 9
    if level > 0:
        assert (count == 8).sum() == 24 and (count == 9).sum() == len(pixels) - 24


@pytest.mark.parametrize("level", range(3))
def test_children_partition_the_next_level(level: int) -> None:
    families = so3.children(torch.arange(so3.so3_grid_size(level)), level)
    assert torch.equal(families.flatten().sort().values, torch.arange(so3.so3_grid_size(level + 1)))
    # Each child lies inside its parent's box: in its pixel, and within half a step of its tilt.
    n_tilt = so3.tilt_count(level)
    pixel, tilt = families // (2 * n_tilt), families % (2 * n_tilt)
    parent = torch.arange(so3.so3_grid_size(level))[:, None]
    centres = so3.s2_grid(level + 1, dtype=torch.float64)[pixel].flatten(0, 1).numpy()
    assert np.array_equal(
        healpix.vec2pix(2**level, *centres.T, nest=True).reshape(-1, 8), (parent // n_tilt).expand(-1, 8)
    )
    offset = (tilt + 0.5) / 2 - (parent % n_tilt + 0.5)
    assert torch.equal(offset.abs(), torch.full_like(offset, 0.25))


def test_batch_shapes_are_kept(generator: torch.Generator) -> None:
    for shape in [(), (1,), (3, 1, 2), (0,)]:
        rotation = so3.random_rotations(*shape, generator=generator)
        for level in (0, 2):
            index = so3.nearest_cell(rotation, level)
            assert index.shape == shape and index.dtype == torch.int64
            assert so3.children(index, level).shape == (*shape, 8)


def test_impossible_levels_are_named() -> None:
    for function in (so3.s2_grid, so3.so3_grid_size, so3.so3_grid, so3.tilt_count):
        with pytest.raises(ValueError, match="expected a grid level"):
            function(-1)
