"""Rooms: the same for the same seed, true to the geometry they were made of, and written so that they resume."""

import math

import numpy as np
import pytest
import torch

from armillary.data import Renderer, make_shape
from armillary.data.camera import intrinsics_from_fov, unproject
from armillary.data.normals import RoomRenderer, RoomSettings, open_normals, write_rooms
from armillary.data.normals.furniture import Furniture, furnish
from armillary.data.normals.room import random_look, random_room
from armillary.data.normals.shell import random_size
from armillary.data.shapes.primitive import ball
from armillary.so3 import random_rotations

SETTINGS = RoomSettings(height=48, width=64, members=1)


@pytest.fixture(scope="module")
def rooms() -> RoomRenderer:
    return RoomRenderer(SETTINGS)


def test_a_room_is_a_function_of_seed_part_and_number(rooms):
    first = rooms.render(3)
    again, other = RoomRenderer(SETTINGS).render(3), RoomRenderer(SETTINGS, "test").render(3)
    assert torch.equal(first.image, again.image) and torch.equal(first.normals, again.normals)
    assert not torch.equal(first.image, other.image)


def test_a_room_shows_surfaces_with_unit_normals_that_face_the_camera(rooms):
    for index in range(4):
        sample = rooms.render(index)
        length = torch.linalg.vector_norm(sample.normals, dim=0)
        assert sample.mask.float().mean() > 0.5
        assert (length[sample.mask] - 1).abs().max() < 1e-5 and (length[~sample.mask] == 0).all()
        assert (sample.normals[2] <= 0).all()
        # Several surfaces are in view, and the picture is neither black nor white.
        assert sample.normals[:, sample.mask].std(1).max() > 0.2
        assert 0.1 < sample.image.mean() < 0.9


def test_the_floor_has_the_normal_of_the_floor():
    rng = np.random.default_rng(5)
    mesh, size = random_room(rng, Furniture(members=1))
    look = random_look(rng, size, SETTINGS)
    poses = look.rotation[None], look.translation[None], look.intrinsics
    frames = Renderer(SETTINGS.size).render(mesh, *poses, look.lights, look.background)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    points = unproject(torch.stack([columns, rows], -1).reshape(-1, 2), frames.depth[0].flatten(), look.intrinsics)
    world = (points - look.translation) @ look.rotation
    floor = frames.mask[0].flatten() & (world[:, 2].abs() < 1e-3)
    assert floor.sum() > 200
    expected = look.rotation @ torch.tensor([0.0, 0.0, 1.0])
    # Normals are kept to 15 bits.
    assert (frames.normals[0].reshape(-1, 3)[floor] - expected).abs().max() < 1e-3


def test_a_ball_has_the_normals_of_a_ball():
    rotation = random_rotations(1, generator=torch.Generator().manual_seed(0))
    centre, intrinsics = torch.tensor([[0.1, -0.2, 4.0]]), intrinsics_from_fov(math.radians(40), 64, 48)
    # A single large tile, whose buffer the back end does not own.
    frames = Renderer((480, 640)).render(ball(1.0), rotation, centre, intrinsics_from_fov(0.7, 640, 480))
    frames = Renderer((48, 64)).render(ball(1.0, 128, 256), rotation, centre, intrinsics)
    rows, columns = torch.nonzero(frames.mask[0]).T
    pixels = torch.stack([columns, rows], -1).float()
    points = unproject(pixels, frames.depth[0][rows, columns], intrinsics)
    expected = torch.nn.functional.normalize(points - centre, dim=-1)
    # Facets of 1.4 degrees lie at most a third of a degree off in position.
    assert (frames.normals[0][rows, columns] - expected).abs().max() < 0.02


def test_furniture_stands_on_the_floor_apart_and_inside():
    rng, furniture = np.random.default_rng(1), Furniture(members=1)
    for _ in range(5):
        size = random_size(rng)
        pieces, footprints = furnish(rng, furniture, size)
        assert len(pieces) >= len(footprints) >= 1
        for piece in pieces[: len(footprints)]:
            assert abs(float(piece.vertices[:, 2].min())) < 1e-5
        for number, (low_x, low_y, high_x, high_y) in enumerate(footprints):
            assert low_x > -1e-6 and high_x < size.width + 1e-6 and high_y < size.depth + 1e-6
            for other in footprints[:number]:
                assert low_x >= other[2] or other[0] >= high_x or low_y >= other[3] or other[1] >= high_y


def test_furniture_of_another_part_has_no_member_in_common():
    rng = np.random.default_rng(0)
    train, test = Furniture(0, 2), Furniture(1000, 2)
    for furniture in (train, test):
        for _ in range(6):
            furniture.piece(rng, "chair", (0.5, 0.6))
    assert not {*train.made} & {*test.made}
    assert torch.equal(train.made["chair", 0].vertices, make_shape("chair", 0).mesh.vertices)


def test_writing_resumes_and_refuses_other_settings(tmp_path):
    write_rooms(tmp_path, 2, SETTINGS, progress=False)
    first = (tmp_path / "train" / "normal" / "000000.png").read_bytes()
    (tmp_path / "train" / "normal" / "000001.png").unlink()
    write_rooms(tmp_path, 3, SETTINGS, progress=False)
    assert (tmp_path / "train" / "normal" / "000000.png").read_bytes() == first
    reader, rooms = open_normals(tmp_path), RoomRenderer(SETTINGS)
    assert len(reader) == 3
    for index in range(3):
        sample, truth = reader[index], rooms.render(index)
        assert torch.equal(sample.mask, truth.mask) and (sample.normals - truth.normals).abs().max() < 1e-4
    with pytest.raises(ValueError, match="holds rooms of another seed"):
        write_rooms(tmp_path, 3, RoomSettings(48, 64, members=1, seed=1), progress=False)
