"""Laws of meshes: bounding spheres, smoothing, and files in every format read back as they were written."""

import math

import pytest
import torch

from armillary.data.shapes.mesh import GREY, Mesh, merge_meshes, smooth
from armillary.data.shapes.mesh_file import load_mesh
from armillary.data.shapes.primitive import ball, box, cylinder, loft, prism, rounded_box, tube
from armillary.so3 import random_rotations

# Vertices are float32 and meshes are of unit size.
SINGLE = 1e-6


def test_bounding_sphere_holds_all_vertices_and_is_no_larger_than_needed():
    generator = torch.Generator().manual_seed(0)
    for count in (1, 2, 3, 5, 100):
        vertices = torch.randn(count, 3, generator=generator)
        centre, radius = Mesh(vertices, torch.zeros(1, 3, dtype=torch.int64)).bounding_sphere()
        distances = torch.linalg.vector_norm(vertices - centre, dim=1)
        assert distances.max() <= radius * (1 + SINGLE) + SINGLE
        # A smallest ball's centre lies in the hull of the points that touch it: no direction leads away from them all.
        touching = vertices[distances >= radius * (1 - 1e-5) - SINGLE] - centre
        directions = torch.nn.functional.normalize(torch.randn(1000, 3, generator=generator), dim=1)
        assert ((touching @ directions.T).amin(dim=0) <= 1e-4 * radius + SINGLE).all()


def test_centred_and_scaled_mesh_has_unit_bounding_sphere():
    mesh = box((0.3, 2.0, 1.0), (5.0, -3.0, 2.0)).centred().scaled(1.0)
    centre, radius = mesh.bounding_sphere()
    assert torch.allclose(centre, torch.zeros(3), atol=SINGLE)
    assert radius == pytest.approx(1.0, abs=SINGLE)


@pytest.mark.parametrize(
    "mesh",
    [
        box((1, 2, 3)),
        ball(1.0, 8, 12),
        cylinder(1, 2, 12),
        cylinder(1, 2, 12, top=0.0),
        rounded_box((1, 2, 3), 0.2),
        prism([(0, 0), (2, 0), (2, 1), (1, 0.4), (0, 1)], 0.5),
        tube(torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 2]]).numpy(), 0.2),
        loft(torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0)).numpy()),
    ],
)
def test_building_blocks_are_watertight(mesh):
    assert mesh.watertight


def test_positions_not_indices_make_a_mesh_watertight():
    closed = ball(1.0, rings=6, segments=8)
    corners = closed.vertices[closed.faces].flatten(0, 1)
    # Every face has corners of its own, and zeros of either sign are one place.
    corners = torch.where((corners == 0) & (torch.arange(len(corners)) % 2 == 0)[:, None], -corners, corners)
    faces = torch.arange(len(corners)).reshape(-1, 3)
    assert Mesh(corners, faces).watertight
    assert not Mesh(corners, faces[1:]).watertight
    assert not Mesh(corners, torch.cat([faces, faces[:1]])).watertight


@pytest.mark.parametrize("mesh", [box((1, 2, 3)), ball(1.0, 8, 12), cylinder(1, 2, 12), rounded_box((1, 2, 3), 0.2)])
def test_convex_building_blocks_are_wound_outwards(mesh):
    middles = mesh.vertices[mesh.faces].mean(dim=1)
    assert ((mesh.face_normals() * middles).sum(dim=1) > 0).all()


def test_ball_volume_is_that_of_a_sphere():
    mesh = ball(1.0, 32, 64)
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(dim=1)
    volume = float((a * torch.linalg.cross(b, c)).sum() / 6)
    # Inscribed facets of angle h miss about h^2 / 4 of the volume; here h = pi / 32.
    assert volume == pytest.approx(4 / 3 * math.pi, rel=(math.pi / 32) ** 2 / 2)


def test_smoothing_a_sphere_gives_radial_normals_whatever_the_winding():
    sphere = ball(1.0, 24, 48)
    faces = sphere.faces.clone()
    flipped = torch.rand(len(faces), generator=torch.Generator().manual_seed(0)) < 0.5
    faces[flipped] = faces[flipped][:, [0, 2, 1]]
    mesh = smooth(Mesh(sphere.vertices, faces))
    cosine = (mesh.corner_normals() * mesh.vertices[faces]).sum(dim=-1).abs()
    # Facets span pi / 24; the area-weighted mean is far closer than one facet.
    assert cosine.min() > math.cos(math.pi / 48)


def test_smoothing_keeps_sharp_edges_sharp():
    cube = box((1, 1, 1))
    assert torch.allclose(smooth(cube).corner_normals(), cube.corner_normals(), atol=SINGLE)


def test_rotating_a_mesh_rotates_its_normals():
    rotation = random_rotations(generator=torch.Generator().manual_seed(0)).float()
    mesh = rounded_box((1, 2, 3), 0.3)
    expected = mesh.corner_normals() @ rotation.T
    assert torch.allclose(mesh.rotated(rotation).corner_normals(), expected, atol=SINGLE)


@pytest.mark.parametrize("suffix", [".off", ".obj", ".ply", ".stl", ".glb"])
def test_mesh_files_are_read_back_as_written(suffix, tmp_path):
    import trimesh

    mesh = merge_meshes([box((1, 2, 3)), box((0.5, 0.5, 0.5), (2, 0, 0))])
    path = tmp_path / f"two_boxes{suffix}"
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False).export(path)
    read = load_mesh(path)
    assert len(read.faces) == 24
    assert read.watertight
    assert torch.allclose(read.vertices[read.faces], mesh.vertices[mesh.faces], atol=SINGLE)
    assert torch.allclose(read.vertex_colours, torch.tensor(GREY).expand(len(read.vertices), 3), atol=0.1)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_vertex_colours_are_kept(suffix, tmp_path):
    import trimesh

    mesh = box((1, 2, 3))
    colours = torch.randint(0, 256, (8, 3), generator=torch.Generator().manual_seed(0))
    path = tmp_path / f"box{suffix}"
    rgba = torch.cat([colours, torch.full((8, 1), 255)], dim=1).to(torch.uint8).numpy()
    trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=rgba, process=False).export(path)
    read = load_mesh(path)
    # Eight bits per channel; OBJ writes them as decimals.
    assert torch.allclose(read.vertex_colours[read.faces], (colours / 255.0)[mesh.faces], atol=0.6 / 255)


def test_a_texture_becomes_vertex_colours(tmp_path):
    (tmp_path / "square.obj").write_text(
        "mtllib square.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0.1 0.1\nvt 0.9 0.1\nvt 0.9 0.9\nvt 0.1 0.9\n"
        "usemtl paint\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
    )
    (tmp_path / "square.mtl").write_text("newmtl paint\nmap_Kd paint.png\n")
    from PIL import Image

    picture = Image.new("RGB", (8, 8), (255, 0, 0))
    picture.paste((0, 0, 255), (4, 0, 8, 8))
    picture.save(tmp_path / "paint.png")
    mesh = load_mesh(tmp_path / "square.obj")
    left = mesh.vertices[:, 0] < 0.5
    assert torch.allclose(mesh.vertex_colours[left], torch.tensor([1.0, 0, 0]).expand(int(left.sum()), 3))
    assert torch.allclose(mesh.vertex_colours[~left], torch.tensor([0, 0, 1.0]).expand(int((~left).sum()), 3))


def test_an_open_mesh_is_read_and_says_so(tmp_path):
    path = tmp_path / "sheet.off"
    path.write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    assert not load_mesh(path).watertight


def test_bad_files_are_refused_in_one_line_that_names_them(tmp_path):
    cases = {
        "points.ply": "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "end_header\n0 0 0\n",
        "nan.off": "OFF\n3 1 0\n0 0 0\n1 0 nan\n1 1 0\n3 0 1 2\n",
        "empty.obj": "",
        "noise.glb": "this is no mesh",
        "noise.stl": "neither is this",
        "count.off": "OFF\n3 1 0\n0 0 0\n",
        "index.off": "OFF\n3 1 0\n0 0 0\n1 0 0\n1 1 0\n3 0 1 7\n",
        "mesh.xyz": "0 0 0\n",
    }
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=name) as caught:
            load_mesh(tmp_path / name)
        assert "\n" not in str(caught.value) and "expected" in str(caught.value) and ";" in str(caught.value), name


def test_a_missing_file_is_reported_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.obj"):
        load_mesh(tmp_path / "absent.obj")
