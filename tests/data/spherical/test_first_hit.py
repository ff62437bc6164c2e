"""The rasteriser on the sphere agrees with a test of every ray against every triangle, on every grid."""

import math

import pytest
import torch
from torch import Tensor

from armillary.data.shapes import make_shape
from armillary.data.shapes.primitive import box
from armillary.data.spherical.body import Body
from armillary.data.spherical.first_hit import first_hits
from armillary.data.spherical.grid import polar_angles, sphere_directions
from armillary.harmonics import S2Transform
from armillary.so3 import random_rotations, rotation_x

SEED = torch.Generator().manual_seed(4)
GRIDS = ("equiangular", "driscoll-healy", "gauss-legendre")
# Barycentric coordinates just outside count as inside: twice the slack of the rasteriser covers its depth too.
TOLERANCE = 1e-6


def reaches(corners: Tensor, direction: Tensor) -> Tensor:
    """t of each pair (direction, triangle), 0 where they do not meet: Moeller and Trumbore's test."""
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = torch.linalg.cross(direction[:, None], other[None])
    determinant = (edge * across).sum(-1)
    usable = determinant.abs() > 1e-12
    inverse = torch.where(usable, 1 / torch.where(usable, determinant, 1.0), 0.0)
    u = (-corners[:, 0] * across).sum(-1) * inverse
    back = torch.linalg.cross(-corners[:, 0], edge)
    v, t = (direction[:, None] * back).sum(-1) * inverse, (other * back).sum(-1) * inverse
    inside = usable & (u >= -TOLERANCE) & (v >= -TOLERANCE) & (u + v <= 1 + TOLERANCE) & (t > 0)
    return torch.where(inside, t, 0.0)


def rasterised(corners: Tensor, polar: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Index and t of the first hits of one body."""
    found = first_hits(corners, torch.zeros(len(corners), dtype=torch.int64), 1, polar, size)[0].flatten()
    return found, torch.where(found >= 0, found, 0)


def soup(count: int, seed: int) -> Tensor:
    """Triangles of all sizes anywhere in the ball, some across the poles, some nearly through the centre."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.randn(count, 1, 3, generator=generator, dtype=torch.float64)
    spread = torch.rand(count, 1, 1, generator=generator, dtype=torch.float64) ** 3
    corners = place + 2 * spread * torch.randn(count, 3, 3, generator=generator, dtype=torch.float64)
    return corners / corners.norm(dim=-1).max()


CORNERS = {
    "soup": soup(150, 0),
    "few": soup(8, 1),
    # Edges and corners lie on meridians, on the equator and on the poles.
    "cube": Body.of(box((2.0, 2.0, 2.0))).corners,
    "tilted cube": Body.of(box((2.0, 2.0, 2.0))).turned(rotation_x(torch.tensor(math.atan(2**0.5)))).corners,
    "table": Body.of(make_shape("table", 1).mesh).corners,
    "chair": Body.of(make_shape("chair", 1).mesh).turned(random_rotations(1, generator=SEED)[0]).corners[:300],
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", CORNERS)
def test_first_hits_are_those_of_all_rays_against_all_triangles(name, grid):
    corners, size = CORNERS[name], 24
    t = reaches(corners, sphere_directions(size, grid).reshape(-1, 3))
    found, index = rasterised(corners, polar_angles(size, grid), size)
    reached = torch.where(found >= 0, t.gather(1, index[:, None])[:, 0], 0.0)
    # t varies by the slack times the inclination of the triangle; where all rays graze, either answer is right.
    assert ((reached - t.amax(1)).abs() > 1e-5).sum() <= 1


def test_no_ray_slips_between_the_triangles_of_a_closed_surface():
    for rotation in random_rotations(8, generator=torch.Generator().manual_seed(0)):
        corners = Body.of(make_shape("car", 2).mesh).turned(rotation).corners
        assert bool((rasterised(corners, polar_angles(32), 32)[0] >= 0).all())


def test_bodies_of_one_batch_do_not_meet():
    first, second = soup(40, 2), soup(30, 3)
    owner = torch.arange(2).repeat_interleave(torch.tensor([40, 30]))
    both = first_hits(torch.cat([first, second]), owner, 2, polar_angles(16), 16)
    alone = rasterised(second, polar_angles(16), 16)[0].reshape(16, 16)
    assert torch.equal(both[0].flatten(), rasterised(first, polar_angles(16), 16)[0])
    assert torch.equal(both[1], torch.where(alone >= 0, alone + 40, alone))


@pytest.mark.parametrize("grid", GRIDS)
def test_directions_are_those_of_the_transform(grid):
    transform = S2Transform(lmax=7, rings=16, azimuths=16, grid=grid)
    assert (sphere_directions(16, grid) - transform.points).abs().max() < 1e-15


def test_a_grid_of_one_ring_is_refused():
    with pytest.raises(ValueError, match="expected a grid of 2 rings or more, got 1"):
        polar_angles(1)
