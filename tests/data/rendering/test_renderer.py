"""Laws of rendering: exact values on a plane, one camera convention, and back ends that agree on every kind of mesh."""

import math
import pickle

import pytest
import torch

from armillary.data.rendering.lighting import Lights, random_backgrounds, random_lights
from armillary.data.rendering.renderer import Renderer
from armillary.data.shapes.mesh import Mesh, merge_meshes, smooth
from armillary.data.shapes.primitive import ball, box, cylinder
from armillary.data.shapes.solid import make_solid
from armillary.data.shapes.zoo import make_shape
from armillary.so3 import random_rotations

HEIGHT, WIDTH = 40, 56
# An off-centre, skewed camera with unequal focal lengths.
INTRINSICS = torch.tensor([[75.0, 2.0, 24.0], [0, 82.0, 23.0], [0, 0, 1]])


def egl_works() -> bool:
    return Renderer(8, "auto").backend == "egl"


BACKENDS = ["torch", pytest.param("egl", marks=pytest.mark.skipif(not egl_works(), reason="no EGL here"))]


def square(depth: float = 0.0, size: float = 1.0, colour=(1.0, 0.5, 0.25)) -> Mesh:
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * size
    mesh = Mesh(corners + torch.tensor([0, 0, depth]), torch.tensor([[0, 1, 2], [0, 2, 3]]))
    return mesh.coloured(colour)


def plain_light() -> Lights:
    """Ambient light of one: pictures show the surface's own colours."""
    return Lights(torch.tensor([[[0.0, 0, -1]]]), torch.zeros(1, 1, 3), torch.ones(1, 3), torch.zeros(1))


def poses(count: int, distance: float, seed: int = 0):
    rotations = random_rotations(count, generator=torch.Generator().manual_seed(seed)).float()
    return rotations, torch.tensor([[0.0, 0, distance]]).expand(count, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tilted_plane_has_exact_mask_depth_and_normals(backend):
    renderer = Renderer((HEIGHT, WIDTH), backend)
    angle = 0.6
    rotation = torch.tensor(
        [[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]], dtype=torch.float32
    )
    translation = torch.tensor([0.1, -0.2, 5.0])
    frames = renderer.render(square(size=1.2), rotation[None], translation[None], INTRINSICS)
    # Cast a ray through each pixel centre, (0, 0) being the first.
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    rays = (
        torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).double() @ torch.linalg.inv(INTRINSICS.double()).T
    )
    normal = rotation[:, 2].double()
    depth = (normal @ translation.double()) / (rays @ normal)
    on_plane = (rays * depth[..., None] - translation.double()) @ rotation.double()
    margin = 1.2 - on_plane[..., :2].abs().amax(dim=-1)
    # A pixel is about 5 / 80 m wide; OpenGL rounds corners to 1/256 px.
    assert torch.equal(frames.mask[0][margin.abs() > 0.001], (margin > 0)[margin.abs() > 0.001])
    inside = frames.mask[0]
    assert torch.allclose(frames.depth[0][inside], depth[inside].float(), atol=2e-4)
    assert (frames.depth[0][~inside] == 0).all() and (frames.normals[0][~inside] == 0).all()
    cosine = frames.normals[0][inside] @ -normal.float() * torch.sign(normal[2]).float()
    assert cosine.min() > math.cos(math.radians(0.2))
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_normals_are_unit_and_face_the_camera(backend):
    renderer = Renderer((HEIGHT, WIDTH), backend)
    rotations, translations = poses(4, 3.0)
    frames = renderer.render(make_shape("chair", 1).mesh, rotations, translations, INTRINSICS)
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    rays = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).float() @ torch.linalg.inv(INTRINSICS).T
    normals = frames.normals[frames.mask]
    assert torch.allclose(torch.linalg.vector_norm(normals, dim=-1), torch.ones(len(normals)), atol=1e-3)
    # Normals are packed into 15 bits per coordinate in EGL.
    assert ((rays.expand(4, -1, -1, -1)[frames.mask] * normals).sum(dim=-1) <= 1e-3).all()
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_winding_does_not_matter(backend):
    renderer = Renderer((HEIGHT, WIDTH), backend)
    mesh = make_solid("icosa").mesh
    faces = mesh.faces.clone()
    faces[::2] = faces[::2][:, [0, 2, 1]]
    rotations, translations = poses(2, 4.0)
    first = renderer.render(mesh, rotations, translations, INTRINSICS)
    second = renderer.render(Mesh(mesh.vertices, faces, mesh.colours), rotations, translations, INTRINSICS)
    assert torch.equal(first.mask, second.mask)
    # Another corner order rounds edge functions and derivatives differently.
    assert torch.allclose(first.normals, second.normals, atol=1e-3)
    assert ((first.rgb.int() - second.rgb.int()).abs() > 2).float().mean() < 1e-3
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearer_surface_hides_the_farther(backend):
    renderer = Renderer((HEIGHT, WIDTH), backend)
    mesh = merge_meshes([square(1.0, 2.0, (0, 0, 1)), square(0.0, 0.5, (1, 0, 0))])
    frames = renderer.render(mesh, torch.eye(3)[None], torch.tensor([[0.0, 0, 4]]), INTRINSICS, plain_light())
    row, column = 23, 24
    assert frames.rgb[0, row, column].tolist() == [255, 0, 0]
    assert float(frames.depth[0, row, column]) == pytest.approx(4.0, abs=1e-5)
    assert float(frames.depth[0, 2, 20]) == pytest.approx(5.0, abs=1e-5)
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edge_through_a_pixel_centre_covers_half_of_it(backend):
    renderer = Renderer(16, backend)
    intrinsics = torch.tensor([[8.0, 0, 8.0], [0, 8.0, 8.0], [0, 0, 1]])
    half_plane = square(0.0, 4.0, (1, 1, 1)).translated(torch.tensor([-4.0, 0, 0]))
    # Its edge x = 0 falls on column 8; the tent filter takes in a quarter, or three with the edge's own samples.
    frames = renderer.render(half_plane, torch.eye(3)[None], torch.tensor([[0.0, 0, 4]]), intrinsics, plain_light())
    row = frames.rgb[0, 8, :, 0].tolist()
    assert row[7] == 255 and row[9] == 0 and 60 <= row[8] <= 195
    renderer.close()


@pytest.mark.skipif(not egl_works(), reason="no EGL here")
@pytest.mark.parametrize("distance", [4.0, 1.2, 0.3], ids=["far", "close", "through the camera"])
@pytest.mark.parametrize("kind", ["cube", "cyl", "tetX", "ball", "smooth chair", "flat car", "crossing", "needle"])
def test_back_ends_agree(kind, distance):
    mesh = {
        "cube": lambda: make_solid("cube").mesh,
        "cyl": lambda: make_solid("cyl").mesh,
        "tetX": lambda: make_solid("tetX").mesh,
        "ball": lambda: ball(1.0, 12, 24),
        "smooth chair": lambda: smooth(make_shape("chair", 0).mesh),
        "flat car": lambda: Mesh(*(lambda m: (m.vertices, m.faces, m.colours))(make_shape("car", 0).mesh)),
        "crossing": lambda: merge_meshes([box((2, 0.5, 1)), box((0.5, 2, 1.3)).coloured((0.9, 0.2, 0.1))]),
        "needle": lambda: cylinder(0.02, 2, 12),
    }[kind]()
    rotations, translations = poses(6, distance)
    lights = random_lights(6, torch.Generator().manual_seed(0))
    first, second = (
        Renderer((HEIGHT, WIDTH), name).render(mesh, rotations, translations, INTRINSICS, lights)
        for name in ("egl", "torch")
    )
    # OpenGL rounds corners to 1/256 px: pixel centres that close to an edge may differ.
    assert (first.mask != second.mask).sum(dim=(1, 2)).max() <= 4
    # The inside of a face: pixels whose neighbours show the same surface in both.
    inside = _inside(first, second)
    angle = torch.rad2deg(torch.acos((first.normals * second.normals).sum(dim=-1).clamp(-1, 1)))[inside]
    difference = (first.depth - second.depth).abs()[inside]
    colour = (first.rgb.int() - second.rgb.int()).abs().amax(dim=-1)[inside].float()
    if inside.sum() > 100:
        assert (angle > 1).float().mean() < 2e-3
        assert (difference > 1e-3).float().mean() < 2e-3
        assert (colour > 3).float().mean() < 1e-2


def _inside(first, second):
    depth = torch.where(first.mask & second.mask, first.depth, torch.full_like(first.depth, 1e3))
    padded = torch.nn.functional.pad(depth[:, None], (1, 1, 1, 1), value=1e3)
    spread = torch.nn.functional.max_pool2d(padded, 3, 1) + torch.nn.functional.max_pool2d(-padded, 3, 1)
    normals = first.normals.permute(0, 3, 1, 2)
    bend = torch.nn.functional.max_pool2d(normals, 3, 1, 1) + torch.nn.functional.max_pool2d(-normals, 3, 1, 1)
    return first.mask & second.mask & (spread[:, 0] < 0.3) & (bend.amax(dim=1) < 0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_views_do_not_depend_on_their_batch(backend):
    renderer = Renderer(24, backend)
    rotations, translations = poses(40, 4.0)
    intrinsics = torch.tensor([[40.0, 0, 11.5], [0, 40.0, 11.5], [0, 0, 1]])
    lights = random_lights(40, torch.Generator().manual_seed(1))
    mesh = make_solid("tetX").mesh
    together = renderer.render(mesh, rotations, translations, intrinsics, lights)
    for index in (0, 17, 39):
        part = slice(index, index + 1)
        alone = renderer.render(
            mesh,
            rotations[part],
            translations[part],
            intrinsics,
            Lights(lights.directions[part], lights.colours[part], lights.ambient[part], lights.specular[part]),
        )
        # In EGL the place of a tile changes the last bits of interpolated values.
        assert ((together.rgb[part].int() - alone.rgb.int()).abs() > 2).float().mean() < 2e-3
        assert (together.mask[part] != alone.mask).sum() <= 1
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_backgrounds_fill_what_the_object_leaves(backend):
    renderer = Renderer(24, backend)
    rotations, translations = poses(3, 4.0)
    intrinsics = torch.tensor([[30.0, 0, 11.5], [0, 30.0, 11.5], [0, 0, 1]])
    pictures = random_backgrounds(3, 24, 24, "mixed", torch.Generator().manual_seed(0))
    mesh = make_solid("cube").mesh
    black = renderer.render(mesh, rotations, translations, intrinsics)
    filled = renderer.render(mesh, rotations, translations, intrinsics, background=pictures)
    corner = filled.rgb[:, :3, :3].float()
    assert torch.allclose(corner, pictures[:, :3, :3] * 255, atol=0.51)
    solid = torch.nn.functional.max_pool2d(-black.mask[:, None].float(), 3, 1, 1)[:, 0] == -1
    assert torch.equal(black.rgb[solid], filled.rgb[solid])
    white = renderer.render(mesh, rotations, translations, intrinsics, background=torch.ones(3))
    assert (white.rgb[:, 0, 0] == 255).all()
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_views_give_empty_frames_and_views_beside_the_object_give_background(backend):
    renderer = Renderer(16, backend)
    mesh = make_solid("cube").mesh
    intrinsics = torch.tensor([[30.0, 0, 7.5], [0, 30.0, 7.5], [0, 0, 1]])
    assert renderer.render(mesh, torch.zeros(0, 3, 3), torch.zeros(0, 3), intrinsics).rgb.shape == (0, 16, 16, 3)
    for place in ([50.0, 0, 4], [0.0, 0, -4]):
        frames = renderer.render(mesh, torch.eye(3)[None], torch.tensor([place]), intrinsics)
        assert not frames.mask.any() and not frames.rgb.any()
    renderer.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_renderers_do_not_disturb_one_another(backend):
    """Objects of a dropped OpenGL context must not be deleted by name in the one that is current."""
    rotations, translations = poses(3, 4.0)
    intrinsics = torch.tensor([[30.0, 0, 11.5], [0, 30.0, 11.5], [0, 0, 1]])
    meshes = [make_solid(name).mesh for name in ("cube", "tetX")]
    kept: list[Renderer] = []
    seen: list[dict[int, torch.Tensor]] = []
    for step in range(6):
        kept = [*kept[-1:], Renderer(24, backend)]
        for renderer in kept:
            pictures = {
                k: renderer.render(mesh, rotations, translations, intrinsics).rgb for k, mesh in enumerate(meshes)
            }
            seen.append(pictures)
            assert all(torch.equal(seen[0][k], pictures[k]) for k in pictures), step


def test_a_renderer_can_be_pickled_after_use():
    renderer = Renderer(16, "auto")
    rotations, translations = poses(2, 4.0)
    intrinsics = torch.tensor([[20.0, 0, 7.5], [0, 20.0, 7.5], [0, 0, 1]])
    mesh = make_solid("cube").mesh
    frames = renderer.render(mesh, rotations, translations, intrinsics)
    copy = pickle.loads(pickle.dumps(renderer))
    assert torch.equal(copy.render(mesh, rotations, translations, intrinsics).rgb, frames.rgb)
    renderer.close()
    copy.close()


@pytest.mark.skipif(not egl_works(), reason="no EGL here")
def test_a_process_forked_after_drawing_falls_back_to_torch(monkeypatch):
    """What a fork inherits is imitated: forking a test process that runs threads is itself a risk."""
    import os

    process = os.getpid()
    monkeypatch.setattr("armillary.data.rendering.renderer.os.getpid", lambda: process + 1)
    renderer = Renderer(16, "auto")
    assert renderer.backend == "torch" and "forked" in renderer.note and "spawn" in renderer.note


def test_without_egl_auto_falls_back_to_torch_and_says_so(monkeypatch):
    import moderngl

    def refuse(**_: object) -> None:
        raise RuntimeError("eglInitialize failed")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    renderer = Renderer(16, "auto")
    assert renderer.backend == "torch"
    assert "no EGL here (eglInitialize failed)" in renderer.note and "libegl1" in renderer.note
    assert "\n" not in renderer.note
    with pytest.raises(ValueError, match="expected a working EGL.*libegl1"):
        _ = Renderer(16, "egl").backend


def test_bad_arguments_are_refused_in_one_line():
    with pytest.raises(ValueError, match="expected a size"):
        Renderer(0)
    renderer = Renderer(8, "torch")
    mesh = make_solid("cube").mesh
    rotations, translations = poses(3, 4.0)
    with pytest.raises(ValueError, match="last row"):
        renderer.render(mesh, rotations, translations, torch.eye(3) * 2)
    with pytest.raises(ValueError, match="expected lights for 1 or 3 views, got 2"):
        renderer.render(mesh, rotations, translations, torch.eye(3), random_lights(2))
