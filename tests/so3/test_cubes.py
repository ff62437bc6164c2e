"""The octree of gnomonic cubes tiles SO(3) with cells of known Haar probability."""

import math

import pytest
import torch
from torch import Tensor

from armillary.so3 import geodesic_distance, random_rotations
from armillary.so3.cubes import (
    DEEPEST,
    Cells,
    all_cells,
    cube_codes,
    cube_coordinates,
    cube_density,
    cube_home,
    cube_rotation,
    join_cells,
)
from armillary.so3.quadrature import gauss_legendre


def volumes(cells: Cells) -> Tensor:
    """Haar probability of cells by a Gauss rule of 8 points an axis, exact to rounding from depth 1 on."""
    angle, weight = gauss_legendre(8)
    unit, product = torch.cartesian_prod(*[angle.cos()] * 3), torch.cartesian_prod(*[2 * weight] * 3).prod(-1)
    return (cube_density(cells.points(unit)) * product).sum(-1) * cells.half**3


def home(rotation: Tensor) -> tuple[Tensor, Tensor]:
    coordinates = cube_coordinates(rotation)
    face = coordinates.abs().amax(-1).argmin(-1)
    return face, coordinates[torch.arange(len(face)), face]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_volumes_sum_to_one_and_are_even(depth: int) -> None:
    volume = volumes(all_cells(depth))
    assert abs(volume.sum() - 1) < 1e-9 * 8.0 ** (1 - depth)
    assert volume.max() / volume.min() < 2.3


def test_coordinates_give_the_rotation_back_on_every_cube(
    special_rotations: Tensor, generator: torch.Generator
) -> None:
    R = torch.cat([special_rotations, random_rotations(200, generator=generator, dtype=torch.float64)])
    face, point = home(R)
    assert point.abs().max() <= 1 + 1e-9
    # At half-turns the two signs of the quaternion compete; the matrix does not care.
    torch.testing.assert_close(cube_rotation(face, point), R, rtol=0, atol=1e-8)
    for other in range(4):
        point = cube_coordinates(R)[:, other]
        seen = point.abs().amax(-1) < 1.9
        torch.testing.assert_close(cube_rotation(torch.tensor(other), point)[seen], R[seen], rtol=0, atol=1e-8)


def test_density_is_the_volume_of_small_cells(generator: torch.Generator) -> None:
    face = torch.randint(4, (50,), generator=generator)
    point = 2 * torch.rand(50, 3, generator=generator, dtype=torch.float64) - 1
    step = 1e-5
    # Rotation vectors of three small steps span a parallelepiped; Haar probability is its volume over 8 pi^2.
    R = cube_rotation(face, point)
    ahead = torch.stack([cube_rotation(face, point + step * torch.eye(3)[axis]) for axis in range(3)], 1)
    relative = R[:, None].mT @ ahead
    spins = torch.stack([relative[..., 2, 1], relative[..., 0, 2], relative[..., 1, 0]], -1) / step
    torch.testing.assert_close(torch.linalg.det(spins).abs() / (8 * math.pi**2), cube_density(point), rtol=1e-4, atol=0)


def test_children_tile_their_parents() -> None:
    parents = all_cells(1)[torch.tensor([0, 9, 31])]
    children = parents.children()
    assert len(children) == 24
    torch.testing.assert_close(volumes(children).reshape(3, 8).sum(-1), volumes(parents), rtol=1e-9, atol=0)
    joined = join_cells([parents, children])
    assert len(joined) == 27 and torch.equal(joined.half[:3], parents.half)


@pytest.mark.parametrize("depth", [0, 2, 5])
def test_codes_find_the_cell_about_a_rotation(depth: int, generator: torch.Generator) -> None:
    R = random_rotations(300, generator=generator, dtype=torch.float64)
    face, point = home(R)
    number = cube_codes(face, point) >> 3 * (DEEPEST - depth)
    if depth < 3:
        cells = all_cells(depth)
        assert torch.equal(cells.codes(), torch.arange(len(cells)) << 3 * (DEEPEST - depth))
        assert cells[number].near(cube_coordinates(R), 1.0).all()
    close = random_rotations(300, generator=generator, dtype=torch.float64)
    same = (cube_codes(*home(close)) >> 3 * (DEEPEST - depth)) == number
    # The furthest corners of a cell are sqrt(3) widths apart at most.
    assert (geodesic_distance(R, close)[same] <= math.sqrt(3) * math.pi / 2**depth).all()


def test_points_over_an_edge_are_found_on_the_cube_beside(generator: torch.Generator) -> None:
    face = torch.randint(4, (200,), generator=generator)
    point = 2.6 * torch.rand(200, 3, generator=generator, dtype=torch.float64) - 1.3
    other, moved = cube_home(face, point)
    assert moved.abs().max() <= 1 + 1e-12
    torch.testing.assert_close(cube_rotation(other, moved), cube_rotation(face, point), rtol=0, atol=1e-12)
    inside = (point.abs() <= 1).all(-1)
    assert torch.equal(other[inside], face[inside]) and torch.equal(moved[inside], point[inside])
