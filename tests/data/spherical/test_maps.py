"""Spherical maps of known bodies, and their laws: they turn with the mesh; winding, scale and place do not matter."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from armillary.data.shapes import Mesh, make_shape, merge_meshes, smooth, surfels
from armillary.data.shapes.primitive import ball, box, cylinder
from armillary.data.spherical import hit_points, sphere_directions, spherical_maps, voxel_mesh
from armillary.data.spherical.body import REACH
from armillary.harmonics import S2Transform, rotate_s2
from armillary.so3 import random_rotations

QUARTER_TURN = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
# Values are float32 of numbers up to 1, from float32 vertices.
ROUNDING = 2e-6


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def irregular() -> Mesh:
    """A mesh without symmetry, none of whose edges lies on a direction of the grid."""
    return make_shape("teapot", 1).mesh.rotated(random_rotations(1, generator=seed(3))[0])


def test_the_ball_is_constant():
    maps = spherical_maps([ball(3.0, 128, 192)], size=32)
    # A facet of a ball of 128 rings is 3 / 10^4 of the radius below the sphere.
    assert (maps.channel("distance") - (1 - REACH)).abs().max() < 4e-4
    assert (maps.channel("cosine") - 1).abs().max() < 1e-4 and maps.channel("sine").max() < 2e-2
    assert maps.radii[0].item() == pytest.approx(3 / REACH, rel=1e-4) and maps.centres.abs().max() < 1e-5


def test_the_ball_beside_its_centre_is_what_the_cosine_rule_says():
    # A unit ball, its middle a from the centre: t = a c + sqrt(1 - a^2 (1 - c^2)), c the cosine to the middle.
    away = torch.tensor([0.0, 0.0, 0.4])
    maps = spherical_maps([ball(1.0, 96, 192).translated(away)], size=32, centre="origin")
    cosine = sphere_directions(32)[..., 2]
    reach = 0.4 * cosine + (1 - 0.16 * (1 - cosine**2)).sqrt()
    assert (maps.channel("distance")[0] - (1 - REACH * reach / 1.4)).abs().max() < 5e-4
    normal = reach[..., None] * sphere_directions(32) - away
    assert (maps.channel("cosine")[0] - (normal * sphere_directions(32)).sum(-1)).abs().max() < 5e-3


@pytest.mark.parametrize("grid", ["equiangular", "driscoll-healy"])
def test_the_cube_is_exact(grid):
    maps = spherical_maps([box((2.0, 2.0, 2.0))], size=32, grid=grid, hull=True)
    steepest = sphere_directions(32, grid).abs().amax(-1)
    known = torch.stack([1 - REACH / 3**0.5 / steepest, steepest, (1 - steepest**2).clamp_min(0).sqrt()])
    assert (maps.values[0, :3] - known).abs().max() < ROUNDING
    assert (maps.values[0, 3:] - known).abs().max() < ROUNDING


def test_inner_walls_are_not_seen_and_the_ray_ends_at_the_centre():
    walls = merge_meshes([box((2.0, 2.0, 2.0)), box((1.0, 1.0, 1.0))])
    assert (spherical_maps([walls]).values - spherical_maps([box((2.0, 2.0, 2.0))]).values).abs().max() < ROUNDING
    # A plate above the centre alone is met from above, not through the centre from below.
    plate = Mesh(torch.tensor([[1.0, 0, 1], [-1, 1, 1], [-1, -1, 1]]), torch.tensor([[0, 1, 2]]))
    maps = spherical_maps([plate], size=16, centre="origin")
    assert maps.hit[0, 0].all() and not maps.hit[0, 8:].any()
    assert torch.equal(maps.values[0, :, ~maps.hit[0]][:, :1], torch.tensor([[1.0], [0.0], [0.0]]))


@pytest.mark.parametrize("grid", ["equiangular", "driscoll-healy"])
def test_beyond_the_centre_the_nearest_surface_is_met(grid):
    # Two plates above the centre: from above the upper one is first, from below, beyond the centre, the lower one.
    plates = torch.tensor([[4.0, 0, 1], [-4, 4, 1], [-4, -4, 1], [4, 0, 2], [-4, 4, 2], [-4, -4, 2]])
    mesh = Mesh(plates, torch.tensor([[0, 1, 2], [3, 4, 5]]))
    maps = spherical_maps([mesh], size=16, grid=grid, centre="origin", beyond=True)
    height = sphere_directions(16, grid)[..., 2]
    reach = torch.where(height > 0, 2 / height, 1 / height) / maps.radii[0]
    steep = height.abs() > 0.9
    assert (maps.channel("distance")[0] - (1 - reach))[steep].abs().max() < ROUNDING
    assert (maps.channel("cosine")[0] - height.abs())[steep].abs().max() < ROUNDING
    cut = spherical_maps([mesh], size=16, grid=grid, centre="origin")
    assert torch.equal(cut.values[0][:, cut.hit[0]], maps.values[0][:, cut.hit[0]])
    lone = hit_points(maps)[0][maps.hit[0]]
    assert (torch.minimum((lone[:, 2] - 1).abs(), (lone[:, 2] - 2).abs()) < 1e-5).all()


@pytest.mark.parametrize("grid", ["equiangular", "driscoll-healy"])
def test_a_quarter_turn_about_z_moves_the_columns_by_a_quarter(grid):
    mesh = irregular()
    maps = spherical_maps([mesh, mesh.rotated(QUARTER_TURN)], size=32, grid=grid, hull=True)
    assert (maps.values[0].roll(8, -1) - maps.values[1]).abs().max() < ROUNDING


def test_a_half_turn_about_x_reads_the_rings_backwards():
    # (ring j, azimuth k) of the half-offset grid goes to (n - 1 - j, -k).
    mesh = irregular()
    maps = spherical_maps([mesh, mesh.rotated(torch.diag(torch.tensor([1.0, -1, -1])))], size=32)
    assert (maps.values[0].flip(-2).flip(-1).roll(1, -1) - maps.values[1]).abs().max() < ROUNDING


def test_turning_the_mesh_turns_the_function():
    rotation = random_rotations(1, generator=seed(5))
    # The function of an ellipsoid of semi-axes a is known everywhere: t(d) = |d / a|^-1.
    axes = torch.tensor([1.0, 0.7, 0.5])
    ellipsoid = replace(ball(1.0, 96, 192), normals=None)
    ellipsoid = replace(ellipsoid, vertices=ellipsoid.vertices * axes)
    maps = spherical_maps([ellipsoid], size=32, rotations=rotation)
    reach = REACH / ((sphere_directions(32).float() @ rotation[0]) / axes).norm(dim=-1)
    assert (maps.channel("distance")[0] - (1 - reach)).abs().max() < 4e-4
    turned = spherical_maps([ellipsoid.rotated(rotation[0])], size=32)
    assert (turned.channel("distance") - maps.channel("distance")).abs().max() < 1e-5


def test_coefficients_turn_with_the_mesh():
    car, rotation = make_shape("car", 1).mesh, random_rotations(1, generator=seed(6))
    transform = S2Transform(7, 128, 128, "equiangular")
    still, turned = (transform.analysis(spherical_maps([car], 128, rotations=R).values[0, 0]) for R in (None, rotation))
    # Edges alias between rays: 0.0025 on average over rotations (docs/data.md).
    assert (rotate_s2(still, rotation[0]) - turned).norm() < 0.01 * turned[1:].norm()


def test_winding_scale_and_place_do_not_matter():
    mesh = irregular()
    inverted = replace(mesh, faces=mesh.faces.flip(1), normals=None if mesh.normals is None else mesh.normals.flip(1))
    half = torch.rand(len(mesh.faces), generator=seed(0)) < 0.5
    mixed = replace(mesh, faces=torch.where(half[:, None], mesh.faces.flip(1), mesh.faces), normals=None)
    flat = replace(mesh, normals=None)
    same = spherical_maps([mesh, inverted], size=32).values
    assert (same[0] - same[1]).abs().max() < ROUNDING
    same = spherical_maps([flat, mixed], size=32).values
    assert (same[0] - same[1]).abs().max() < ROUNDING
    moved = mesh.scaled(0.25).translated(torch.tensor([0.25, 0, -0.125]))
    # Moving rounds the vertices; a slanted wall turns that into a few times as much distance.
    assert close(spherical_maps([mesh, moved], size=32).values)


def close(values: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two maps agree but for the few rays that pass an edge on the other side."""
    return bool(((values[0] - values[1]).abs() < tolerance).float().mean() > 0.998)


def test_an_open_mesh_has_a_map_and_holes_are_missed():
    cup = make_shape("table", 1).mesh
    maps = spherical_maps([cup], size=32)
    assert 0 < maps.hit.float().mean() < 1 and bool(maps.values.isfinite().all())
    assert (maps.channel("distance")[~maps.hit] == 1).all()


def test_hits_lie_on_the_surface():
    points = hit_points(spherical_maps([cylinder(1.0, 3.0, 256)], size=32))[0]
    across, height = points[..., :2].norm(dim=-1), points[..., 2].abs()
    assert torch.maximum(across - 1, height - 1.5).abs().max() < 2e-4


def test_a_far_object_is_centred_and_this_is_said():
    mesh, away = irregular(), torch.tensor([100.0, 0, 0])
    with pytest.warns(UserWarning, match=r"mesh 1 lies 88.* radii from the origin \(1 of 2 lie far\): centred"):
        maps = spherical_maps([mesh, mesh.translated(away)], size=32)
    assert close(maps.values, 1e-3)
    assert (maps.centres[1] - maps.centres[0] - away).abs().max() < 1e-3


def test_empty_flat_and_missed_meshes_are_refused():
    with pytest.raises(ValueError, match="expected at least one mesh"):
        spherical_maps([])
    speck = Mesh(torch.ones(3, 3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="mesh 1: expected a surface with area, got only faces without"):
        spherical_maps([irregular(), speck])
    sail = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match="mesh 0: expected rays that meet the surface, got none of 1024"):
        spherical_maps([sail], size=32)
    with pytest.raises(ValueError, match="mesh 0: expected a body with a convex hull, got a flat one"):
        spherical_maps([sail], hull=True)
    with pytest.raises(ValueError, match="expected a rotation for each of 1 meshes, got 2"):
        spherical_maps([irregular()], rotations=torch.eye(3).repeat(2, 1, 1))


def test_points_of_a_surface_have_nearly_its_map():
    mesh = smooth(make_shape("bottle", 3).mesh)
    corners = mesh.vertices[mesh.faces]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    chosen = torch.multinomial(area, 2048, replacement=True, generator=seed(0))
    weights = -torch.rand(2048, 3, generator=seed(1)).log()
    points = (corners[chosen] * (weights / weights.sum(1, keepdim=True))[..., None]).sum(1)
    maps = [spherical_maps([each], size=32).channel("distance") for each in (mesh, surfels(points, stretch=1.0))]
    assert (maps[0] - maps[1]).abs().median() < 0.01


@pytest.mark.parametrize("radius", [6.0, 12.0])
def test_voxels_of_a_ball_are_a_ball(radius):
    middle = torch.arange(32) + 0.5 - 16
    occupied = torch.cartesian_prod(middle, middle, middle).norm(dim=-1).reshape(32, 32, 32) < radius
    smoothed, cubes = voxel_mesh(occupied), voxel_mesh(occupied, smooth=False)
    assert cubes.watertight and smoothed.watertight
    assert (hit_points(spherical_maps([smoothed], size=32)).norm(dim=-1) - radius).abs().max() < 0.5
    maps = spherical_maps([smoothed, cubes], size=32)
    assert maps.channel("cosine")[0].min() > 0.97 > 0.7 > maps.channel("cosine")[1].min()
    assert smoothed.vertices.mean(0).abs().max() < 1e-4


def test_voxels_of_a_box_are_a_box_whatever_the_axis():
    occupied = torch.zeros(5, 6, 7, dtype=torch.bool)
    occupied[0:2, 1:4, 2:7] = True
    mesh = voxel_mesh(occupied, cell=0.5, smooth=False)
    assert mesh.vertices.amin(0).tolist() == [-1.25, -1, -0.75] and mesh.vertices.amax(0).tolist() == [-0.25, 0.5, 1.75]
    assert len(mesh.faces) == 4 * (2 * 3 + 3 * 5 + 2 * 5)
    same = box((1.0, 1.5, 2.5), (-0.75, -0.25, 0.5))
    with pytest.raises(ValueError, match="expected full cells, got none of 8"):
        voxel_mesh(torch.zeros(2, 2, 2, dtype=torch.bool))
    maps = spherical_maps([mesh, same], size=16)
    assert math.isclose(maps.radii[0], maps.radii[1]) and (maps.values[0] - maps.values[1]).abs().max() < ROUNDING
