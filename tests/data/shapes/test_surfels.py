"""Laws of surfels: patches lie in the surface, close it, end where it ends, and turn and grow with the points."""

import math

import pytest
import torch

from armillary.data.camera import intrinsics_from_fov
from armillary.data.rendering.renderer import Renderer
from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.mesh_file import load_mesh
from armillary.data.shapes.primitive import ball
from armillary.data.shapes.surfels import surfels
from armillary.so3 import random_rotations


def spiral(count: int) -> torch.Tensor:
    """Evenly spread points on the unit sphere."""
    index = torch.arange(count, dtype=torch.float64) + 0.5
    height, angle = 1 - 2 * index / count, math.pi * (1 + 5**0.5) * index
    across = (1 - height**2).sqrt()
    return torch.stack([across * angle.cos(), across * angle.sin(), height], dim=-1).float()


def scattered(count: int, seed: int = 0) -> torch.Tensor:
    """Random points in the square of half width 1 in the plane z = 0."""
    flat = 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 1
    return torch.nn.functional.pad(flat, (0, 1))


def masks(mesh: Mesh, size: int = 48) -> torch.Tensor:
    """What six random views see of a mesh of radius 1."""
    rotations = random_rotations(6, generator=torch.Generator().manual_seed(2))
    away = torch.tensor([0.0, 0.0, 6.0]).expand(6, 3)
    renderer = Renderer(size=size, backend="torch", antialias=False)
    return renderer.render(mesh, rotations, away, intrinsics_from_fov(math.radians(22.0), size)).mask


def summary(mesh: Mesh) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centre, area and normal (as n n^T, whatever its sign) of each patch."""
    corners = mesh.vertices.double().reshape(-1, 4, 3)
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])
    size = torch.linalg.vector_norm(area, dim=-1)
    normal = area / size[:, None]
    return corners.mean(dim=1), size, normal[:, :, None] * normal[:, None]


def test_patches_of_a_sphere_are_tangent_and_show_its_outline_without_holes():
    points = spiral(1000)
    mesh = surfels(points)
    assert mesh.patches and mesh.normals is None
    middle = torch.nn.functional.normalize(mesh.vertices.reshape(-1, 4, 3).mean(dim=1), dim=-1)
    # Neighbours lie evenly about each point: what tilts a patch is the spiral's unevenness at the poles.
    assert float((mesh.face_normals()[::2] * middle).sum(dim=-1).abs().min()) > math.cos(math.radians(5))
    seen, true = masks(mesh), masks(ball(1.0, 60, 90))
    # Patches reach 0.2 from their points, so their corners stand out by 2 % of the radius, 4 % of the area.
    assert int((seen & true).sum()) > 0.95 * int((seen | true).sum())
    inside = masks(ball(0.95, 60, 90))
    assert bool(seen[inside].all())


def test_points_of_a_plane_give_its_normal_exactly_and_close_it_to_its_border():
    mesh = surfels(scattered(800))
    assert torch.equal(mesh.vertices[:, 2], torch.zeros(len(mesh.vertices)))
    assert torch.allclose(mesh.face_normals()[:, 2].abs(), torch.ones(len(mesh.faces)))
    # The mean spacing is 0.07: nothing reaches farther over the border.
    assert float(mesh.vertices.abs().max()) < 1.07
    renderer = Renderer(size=64, backend="torch", antialias=False)
    pose = torch.eye(3)[None], torch.tensor([[0.0, 0.0, 4.0]])
    frames = renderer.render(mesh, *pose, intrinsics_from_fov(2 * math.atan(0.92 / 4), 64))
    # The random gaps between 800 points are larger than an even spread's: a hundredth may stay open.
    assert float(frames.mask.float().mean()) > 0.99


def test_patches_turn_move_and_grow_with_the_points():
    points = spiral(300) * torch.tensor([1.0, 0.7, 0.4])
    rotation = random_rotations(1, generator=torch.Generator().manual_seed(4))[0]
    offset = torch.tensor([3.0, -1.0, 2.0])
    centre, area, normal = summary(surfels(points))
    centre_there, area_there, normal_there = summary(surfels(10 * points @ rotation.T + offset))
    turn = rotation.double()
    # Single precision of the points moved by 4 of a length of 10.
    assert torch.allclose(centre_there, 10 * centre @ turn.T + offset, atol=2e-4)
    assert torch.allclose(area_there, 100 * area, rtol=1e-3)
    assert torch.allclose(normal_there, turn @ normal @ turn.T, atol=1e-3)


def test_stretch_makes_patches_larger_about_their_centres():
    centre, area, _ = summary(surfels(spiral(200)))
    centre_there, area_there, _ = summary(surfels(spiral(200), stretch=1.52))
    assert torch.allclose(centre, centre_there, atol=1e-6) and torch.allclose(area_there, 4 * area, rtol=1e-4)


def test_a_thin_rod_stays_thin():
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(200, generator=generator)
    length = 2 * torch.rand(200, generator=generator) - 1
    radius = 0.01
    mesh = surfels(torch.stack([radius * angle.cos(), radius * angle.sin(), length], dim=-1))
    # Neighbours reach twenty radii along the rod; patches leave it by less than its own radius.
    assert float(torch.linalg.vector_norm(mesh.vertices[:, :2], dim=-1).max()) < 2 * radius
    assert float(mesh.vertices[:, 2].abs().max()) < 1.05


def test_edges_of_a_cube_stay_sharp():
    face = scattered(150)
    sides = [face + torch.tensor([0.0, 0.0, 1.0]), face - torch.tensor([0.0, 0.0, 1.0])]
    cube = torch.cat([side.roll(shift, dims=1) for shift in range(3) for side in sides])
    steepest = surfels(cube).face_normals().abs().amax(dim=1)
    # A third of all neighbourhoods reach over an edge; plain averages would round as many normals.
    assert float((steepest > math.cos(math.radians(10))).float().mean()) > 0.85


def test_points_that_repeat_or_crowd_add_nothing():
    points = spiral(200)
    once, twice = surfels(points), surfels(torch.cat([points, points]))
    assert torch.equal(once.vertices, twice.vertices)
    crowd = torch.cat([points, points[:50] * 1.0001])
    assert len(surfels(crowd).faces) == len(once.faces)


def test_points_on_a_line_still_have_patches_with_area():
    line = torch.linspace(0, 1, 50)[:, None] * torch.tensor([1.0, 2.0, 2.0])
    assert float(summary(surfels(line))[1].min()) > 0


def test_patches_have_the_colours_of_their_points():
    points = spiral(400)
    red = (points[:, 2] > 0)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    mesh = surfels(points, red)
    middle = mesh.vertices.reshape(-1, 4, 3).mean(dim=1)[:, 2]
    far = middle.abs() > 0.1
    assert torch.equal(
        mesh.vertex_colours.reshape(-1, 4, 3)[far][:, :, 0] == 1, (middle[far] > 0)[:, None].expand(-1, 4)
    )


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (torch.zeros(100, 3), "different places, got 1"),
        (torch.eye(3), "16 points or more"),
        (torch.zeros(0, 3), "got 0"),
        (torch.full((20, 3), math.nan), "got 20 with NaN"),
    ],
)
def test_points_that_make_no_surface_are_refused_in_one_line(points, words):
    with pytest.raises(ValueError, match=words) as caught:
        surfels(points)
    assert "\n" not in str(caught.value) and ";" in str(caught.value)


def test_colours_and_neighbours_must_fit():
    with pytest.raises(ValueError, match="a colour for each of 50 points, got 49"):
        surfels(spiral(50), torch.zeros(49, 3))
    with pytest.raises(ValueError, match="6 neighbours or more, got 3"):
        surfels(spiral(50), neighbours=3)


@pytest.mark.parametrize("coloured", [False, True])
def test_a_file_of_points_is_read_as_patches(coloured, tmp_path):
    import trimesh

    points = spiral(100)
    colours = [[255, 51, 0, 255]] * 100 if coloured else None
    trimesh.PointCloud(points.numpy(), colors=colours).export(tmp_path / "scan.ply")
    mesh = load_mesh(tmp_path / "scan.ply")
    assert mesh.patches and torch.allclose(mesh.vertices, surfels(points, stretch=1.0).vertices, atol=1e-6)
    expected = torch.tensor([1.0, 0.2, 0.0] if coloured else [0.6, 0.6, 0.6])
    assert torch.allclose(mesh.vertex_colours, expected.expand(len(mesh.vertices), 3))
