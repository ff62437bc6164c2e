"""Laws of the SYMSOL solids: each group maps its solid to itself, and equivalent poses look alike."""

import pytest
import torch

from armillary.data.rendering.renderer import Renderer
from armillary.data.shapes.primitive import Mesh
from armillary.data.shapes.solid import SOLIDS, make_solid
from armillary.so3 import random_rotations

POLYHEDRA = {"tet": 12, "cube": 24, "icosa": 60}
MARKED = ("sphX", "cylO", "tetX")


@pytest.fixture(scope="module")
def renderer():
    with_torch = Renderer(size=40, backend="torch")
    yield with_torch
    with_torch.close()


def render(renderer: Renderer, mesh: Mesh, rotations):
    intrinsics = torch.tensor([[70.0, 0, 19.5], [0, 70.0, 19.5], [0, 0, 1]])
    translations = torch.tensor([[0.0, 0, 4]]).expand(len(rotations), 3)
    return renderer.render(mesh, rotations.float(), translations, intrinsics)


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_have_unit_bounding_sphere_about_the_origin(name):
    centre, radius = make_solid(name).mesh.bounding_sphere()
    # Marks float 0.001 above the surface.
    assert torch.allclose(centre, torch.zeros(3), atol=1e-3)
    assert radius == pytest.approx(1.0, abs=1.1e-3)


@pytest.mark.parametrize(("name", "order"), POLYHEDRA.items())
def test_group_permutes_the_vertices_of_a_polyhedron(name, order):
    solid = make_solid(name)
    assert solid.symmetry.order == order
    vertices = torch.unique(solid.mesh.vertices, dim=0).double()
    for element in solid.symmetry.elements():
        distances = torch.cdist(vertices @ element.double().T, vertices)
        # float32 vertices of length one.
        assert distances.amin(dim=1).max() < 1e-6
        assert len(distances.argmin(dim=1).unique()) == len(vertices)


@pytest.mark.parametrize("name", [*POLYHEDRA, "cone", "cyl"])
def test_equivalent_poses_give_equal_pictures(name, renderer):
    solid = make_solid(name)
    generator = torch.Generator().manual_seed(1)
    rotation = random_rotations(generator=generator)
    # 45 steps of 8 degrees are no multiples of the 2.8 degree facets, so that facets would show.
    elements = solid.symmetry.elements(steps=45)
    chosen = elements[torch.randperm(len(elements), generator=generator)[:8]]
    frames = render(renderer, solid.mesh, torch.cat([rotation[None], rotation @ chosen.to(rotation)]))
    assert int(frames.mask[0].sum()) > 200
    # Pixels whose centre lies within rounding (or 1/60 px of a facet's sagitta) of an edge may change sides.
    assert (frames.mask[1:] != frames.mask[:1]).sum(dim=(1, 2)).max() <= 4
    difference = (frames.rgb[1:].int() - frames.rgb[:1].int()).abs().amax(dim=-1)
    assert (difference > 3).float().mean() < 0.005
    both = frames.mask[1:] & frames.mask[:1]
    assert ((frames.depth[1:] - frames.depth[:1]).abs()[both] > 5e-3).float().mean() < 0.005


@pytest.mark.parametrize("name", ["tet", "cube", "icosa", "cone", "cyl"])
def test_pose_outside_the_group_gives_another_picture(name, renderer):
    solid = make_solid(name)
    rotation = random_rotations(4, generator=torch.Generator().manual_seed(2))
    turned = rotation @ random_rotations(generator=torch.Generator().manual_seed(3))
    frames = render(renderer, solid.mesh, torch.cat([rotation, turned]))
    assert (frames.rgb[:4].int() - frames.rgb[4:].int()).abs().float().mean(dim=(1, 2, 3)).min() > 1


@pytest.mark.parametrize("name", MARKED)
def test_marks_are_seen_from_some_sides_only(name, renderer):
    solid = make_solid(name)
    assert solid.symmetry.order == 1
    frames = render(renderer, solid.mesh, random_rotations(24, generator=torch.Generator().manual_seed(0)))
    red = (frames.rgb[..., 0].int() - frames.rgb[..., 2].int() > 40).sum(dim=(1, 2))
    seen = (red > 0).float().mean()
    assert 0.1 < seen < 0.9


@pytest.mark.parametrize(("marked", "plain"), [("tetX", "tet"), ("cylO", "cyl")])
def test_marks_break_every_symmetry_of_the_plain_solid(marked, plain, renderer):
    """Pose each mark towards the camera: of all equivalent poses of the plain solid only the identity keeps it."""
    facing = {"tetX": torch.tensor([-1.0, -1, -1]), "cylO": torch.tensor([0.0, 0, 1])}[marked]
    rotation = _rotation_towards_camera(facing)
    elements = make_solid(plain).symmetry.elements(steps=12)
    frames = render(renderer, make_solid(marked).mesh, rotation.to(elements) @ elements)
    difference = (frames.rgb[1:].int() - frames.rgb[:1].int()).abs().amax(dim=-1)
    assert (difference > 40).sum(dim=(1, 2)).min() > 5


def test_mark_of_the_sphere_has_no_symmetry_of_its_own(renderer):
    from armillary.so3 import rotation_z

    angles = torch.linspace(0, 2 * torch.pi, 13)[:-1]
    frames = render(
        renderer,
        make_solid("sphX").mesh,
        _rotation_towards_camera(torch.tensor([0.0, 0, 1])) @ rotation_z(angles),
    )
    difference = (frames.rgb[1:].int() - frames.rgb[:1].int()).abs().amax(dim=-1)
    assert (difference > 40).sum(dim=(1, 2)).min() > 5


def test_unknown_solid_suggests_the_closest():
    with pytest.raises(ValueError, match="did you mean 'icosa'"):
        make_solid("ikosa")


def _rotation_towards_camera(direction):
    """A rotation that takes the direction to -z of the camera, which faces it."""
    back = -torch.nn.functional.normalize(direction, dim=0)
    side = torch.linalg.cross(back, torch.tensor([0.3, 0.9, -0.2]))
    side = side / torch.linalg.vector_norm(side)
    return torch.stack([side, torch.linalg.cross(back, side), back])
