"""Laws of the pinhole camera and of the virtual camera."""

import math

import pytest
import torch

from armillary.data.camera import (
    crop_intrinsics,
    intrinsics_from_focal,
    intrinsics_from_fov,
    look_at,
    pixel_rays,
    project,
    resize_intrinsics,
    unproject,
)
from armillary.data.virtual_camera import (
    aim,
    aim_at_box,
    aim_at_pixel,
    aim_at_sphere,
    covering_cone,
    homography,
    resample,
    rotation_to_axis,
    smallest_cone,
    square_intrinsics,
)
from armillary.so3 import geodesic_distance, random_rotations, rotation_defect, rotation_z

K = torch.tensor([[140.0, 0, 61.0], [0, 143.0, 44.0], [0, 0, 1]])


def dots(pixels: torch.Tensor, width: int, height: int, sigma: float = 1.6) -> torch.Tensor:
    """Pictures (one per pixel position) of a Gaussian dot."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None]
    squared = (columns - pixels[:, 0, None, None]) ** 2 + (rows - pixels[:, 1, None, None]) ** 2
    return torch.exp(-squared / (2 * sigma**2))[:, None].expand(-1, 3, -1, -1)


def centroids(images: torch.Tensor) -> torch.Tensor:
    """Where the dots are."""
    weight = images.mean(1)
    rows = torch.arange(images.shape[-2], dtype=weight.dtype)
    columns = torch.arange(images.shape[-1], dtype=weight.dtype)
    total = weight.sum((1, 2))
    return torch.stack([(weight * columns).sum((1, 2)), (weight * rows[:, None]).sum((1, 2))], -1) / total[:, None]


def test_unproject_undoes_project(generator):
    points = torch.rand(2, 7, 3, generator=generator) - 0.5
    rotation, translation = random_rotations(2, generator=generator), torch.tensor([[0.1, 0, 3], [0, 0.2, 4]])
    in_camera = points @ rotation.mT + translation[:, None]
    pixels = project(points, rotation, translation, K)
    assert torch.allclose(unproject(pixels, in_camera[..., 2], K), in_camera, atol=1e-5)
    rays = torch.nn.functional.normalize(in_camera, dim=-1)
    assert torch.allclose(pixel_rays(pixels, K), rays, atol=1e-5)


@pytest.mark.parametrize("eye", [(1.0, 2, 3), (-2.0, 0, 0), (0.0, 0, 5), (0.0, 0, -5)])
def test_look_at_puts_the_target_ahead_and_up_upward(eye):
    eye, target, up = torch.tensor(eye), torch.tensor([0.1, 0.0, 0.0]), torch.tensor([0.0, 0, 1])
    rotation, translation = look_at(eye, target, up)
    assert rotation_defect(rotation) < 1e-6
    assert torch.allclose(rotation @ eye + translation, torch.zeros(3), atol=1e-5)
    ahead = rotation @ target + translation
    assert torch.allclose(ahead, torch.tensor([0.0, 0, 1]) * torch.linalg.vector_norm(eye - target), atol=1e-5)
    # y points down, so up has no positive y and no sideways part.
    assert (rotation @ up)[1] < 1e-3 and abs((rotation @ up)[0]) < 1e-5


def test_intrinsics_follow_crop_and_resize():
    pixels = torch.tensor([[10.0, 20.0], [-0.5, -0.5]])
    rays = pixel_rays(pixels, K)
    assert torch.allclose(pixel_rays(pixels - torch.tensor([4.0, 9.0]), crop_intrinsics(K, 4.0, 9.0)), rays, atol=1e-6)
    # The outer corner (-1/2, -1/2) of the picture stays the outer corner.
    assert torch.allclose(pixel_rays((pixels + 0.5) * 3 - 0.5, resize_intrinsics(K, 3.0)), rays, atol=1e-6)
    assert torch.allclose(resize_intrinsics(intrinsics_from_fov(0.7, 32), 2.0), intrinsics_from_fov(0.7, 64))
    assert torch.allclose(intrinsics_from_focal(80.0, 64, 48)[:2, 2], torch.tensor([31.5, 23.5]))


def test_the_rotation_to_the_axis_is_the_smallest(generator):
    directions = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator), dim=-1)
    directions = directions[directions[:, 2] > -0.99]
    rotation = rotation_to_axis(directions)
    assert rotation_defect(rotation).max() < 1e-5
    assert torch.allclose((rotation @ directions[..., None])[..., 0], torch.tensor([0.0, 0, 1]), atol=1e-5)
    angle = torch.acos(directions[:, 2].clamp(-1, 1))
    assert torch.allclose(geodesic_distance(rotation, torch.eye(3).expand_as(rotation)), angle, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("supersample", [1, 3])
def test_a_virtual_picture_shows_points_where_the_turned_pose_puts_them(generator, dtype, supersample):
    points = 0.16 * (torch.rand(24, 3, generator=generator) - 0.5)
    rotations = random_rotations(24, generator=generator)
    translations = torch.tensor([0.12, -0.05, 0.8]) + 0.04 * (torch.rand(24, 3, generator=generator) - 0.5)
    intrinsics = K.expand(24, 3, 3)
    before = project(points[:, None], rotations, translations, intrinsics)[:, 0]
    images = dots(before, 128, 96)
    images = (images * 255).round().to(torch.uint8) if dtype == torch.uint8 else images
    turn = 6.28 * torch.rand(24, generator=generator)
    camera = aim(translations, torch.linspace(120, 300, 24), 72, turn)
    pictures = camera.look(images, intrinsics, supersample)
    pose = camera.turn(rotations), camera.turn_translations(translations)
    after = project(points[:, None], *pose, camera.intrinsics)[:, 0]
    inside = ((after > 6) & (after < 65)).all(-1)
    assert inside.sum() > 12
    # A tenth of a pixel: a dot of two or more pixels' width has its centroid there; the bar is half a pixel.
    assert (centroids(pictures) - after)[inside].abs().max() < 0.1
    assert pictures.dtype == torch.float32 and pictures.max() <= 1


def test_a_quarter_turn_of_the_picture_is_exact_and_turns_the_label():
    image = torch.rand(1, 3, 9, 9, dtype=torch.float64)
    intrinsics = square_intrinsics(torch.tensor([30.0], dtype=torch.float64), 9)
    turn = torch.tensor([math.pi / 2], dtype=torch.float64)
    camera = aim(torch.tensor([[0.0, 0, 1]], dtype=torch.float64), intrinsics[:, 0, 0], 9, turn)
    # A positive angle takes x (right) to y (down): clockwise as seen, which rot90 counts as -1.
    assert torch.allclose(camera.look(image, intrinsics), torch.rot90(image, -1, (2, 3)), atol=1e-9)
    rotations = random_rotations(1, dtype=torch.float64)
    assert torch.allclose(camera.turn(rotations), rotation_z(turn) @ rotations)


def test_the_identity_resamples_exactly():
    image = torch.rand(2, 3, 12, 12)
    assert torch.allclose(resample(image, torch.eye(3).repeat(2, 1, 1), 12), image, atol=1e-6)


def test_supersampling_averages_what_a_single_sample_would_miss():
    # A checkerboard of single pixels reduced by four must be grey.
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2
    image = board.float().expand(1, 3, 64, 64)
    scale = homography(
        torch.eye(3)[None], square_intrinsics(torch.tensor([400.0]), 64), square_intrinsics(torch.tensor([100.0]), 16)
    )
    assert (resample(image, scale, 16, supersample=4) - 0.5).abs().max() < 1e-3


def test_nothing_behind_the_camera_appears():
    image = torch.ones(1, 3, 16, 16)
    intrinsics = square_intrinsics(torch.tensor([10.0]), 16)
    sideways = aim(torch.tensor([[1.0, 0.0, -0.6]]), torch.tensor([10.0]), 16)
    assert sideways.look(image, intrinsics).max() == 0


def test_a_sphere_fills_the_picture_but_for_the_margin(generator):
    centre, radius = torch.tensor([[0.3, -0.2, 1.5]]), torch.tensor([0.2])
    surface = torch.nn.functional.normalize(torch.randn(20000, 3, generator=generator), dim=-1) * radius + centre
    camera = aim_at_sphere(centre, radius, 64, margin=1.25)
    seen = project(surface[None], camera.rotation, torch.zeros(1, 3), camera.intrinsics)[0]
    # Of 20,000 points the outermost is within a fraction of a per cent of the outline.
    assert (seen - 31.5).abs().max().item() == pytest.approx(32 / 1.25, rel=0.005)


def test_an_image_point_comes_to_the_middle():
    pixel = torch.tensor([[70.0, 30.0]])
    camera = aim_at_pixel(pixel, K[None], torch.tensor([150.0]), 33)
    picture = camera.look(dots(pixel, 128, 96), K[None])
    assert (centroids(picture) - 16).abs().max() < 0.02


def test_the_covering_cone_is_the_smallest(generator):
    # Rays on a circle about a known axis, and others inside it.
    axis = torch.nn.functional.normalize(torch.tensor([0.2, -0.3, 1.0]), dim=0)
    around = rotation_to_axis(axis).mT
    angles = torch.tensor([0.0, 2.0, 4.0])
    rim = torch.stack([0.3 * angles.cos(), 0.3 * angles.sin(), torch.ones(3)], -1)
    inner = torch.cat([0.1 * torch.randn(200, 2, generator=generator).clamp(-1, 1), torch.ones(200, 1)], -1)
    found, angle = covering_cone(torch.cat([inner, rim]) @ around.T)
    assert angle == pytest.approx(math.atan(0.3), rel=0.01)
    assert torch.acos((found * axis).sum().clamp(max=1)) < 0.01


def test_the_cone_of_a_few_rays_is_the_smallest(generator):
    rays = torch.nn.functional.normalize(
        torch.cat([torch.randn(40, 4, 2, generator=generator), torch.ones(40, 4, 1)], -1).double(), dim=-1
    )
    axes = smallest_cone(rays)
    width = (axes[:, None] * rays).sum(-1).amin(-1).acos()
    for row, angle in zip(rays, width, strict=True):
        # The iterative cone is within 1/200 of the optimum and never below it.
        assert angle <= covering_cone(row)[1] + 1e-9 and angle > 0.99 * covering_cone(row)[1]
    # No axis nearby does better: the largest angle is convex there.
    around = torch.nn.functional.normalize(axes + 1e-3 * torch.randn(40, 3, generator=generator).double(), dim=-1)
    assert ((around[:, None] * rays).sum(-1).amin(-1).acos() >= width - 1e-12).all()


def test_the_cone_turns_with_its_rays(generator):
    rays = torch.cat([torch.randn(10, 4, 2, generator=generator), torch.ones(10, 4, 1)], -1).double()
    turn = random_rotations(10, generator=generator, dtype=torch.float64)
    turned = smallest_cone(rays @ turn.mT)
    assert torch.allclose(turned, (turn @ smallest_cone(rays)[..., None])[..., 0], atol=1e-9)


def test_equal_rays_and_rays_in_a_plane_have_a_cone():
    same = torch.tensor([0.6, 0.0, 0.8]).expand(1, 4, 3)
    assert torch.allclose(smallest_cone(same), same[:, 0], atol=1e-6)
    flat = torch.tensor([[[x, 0.0, 1.0] for x in (-1.0, -0.5, 0.2, 1.0)]])
    assert torch.allclose(smallest_cone(flat), torch.tensor([[0.0, 0.0, 1.0]]), atol=1e-6)


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_a_box_fills_the_picture_but_for_the_margin_however_it_is_turned(generator, margin):
    corner = torch.tensor([20.0, 10.0]) + 20 * torch.rand(30, 2, generator=generator)
    box = torch.cat([corner, corner + 10 + 40 * torch.rand(30, 2, generator=generator)], 1)
    turn = 0.4 * torch.randn(30, generator=generator)
    camera = aim_at_box(box, K.expand(30, 3, 3), 64, margin, turn)
    corners = box[:, [0, 1, 0, 3, 2, 1, 2, 3]].unflatten(1, (4, 2))
    rays = pixel_rays(corners, K.expand(30, 3, 3))
    seen = project(rays, camera.rotation, torch.zeros(30, 3), camera.intrinsics) - 31.5
    # From the picture's middle to its side are 32 pixels; float32 rounds at 1e-4 of them.
    torch.testing.assert_close(seen.abs().amax((1, 2)), torch.full((30,), 32 / margin), rtol=1e-4, atol=0)
    # The covering cone is centred: its two or three corners are equally far, at the largest distance.
    angle = (rays @ camera.rotation.mT)[..., 2].sort(-1).values
    assert (angle[:, 1] - angle[:, 0]).max() < 1e-5


def test_a_turn_of_the_box_camera_is_a_turn_about_the_axis(generator):
    box, turn = torch.tensor([[20.0, 30.0, 80.0, 60.0]]), torch.tensor([0.3])
    straight, turned = aim_at_box(box, K[None], 64), aim_at_box(box, K[None], 64, turn=turn)
    assert torch.allclose(turned.rotation, rotation_z(turn) @ straight.rotation, atol=1e-6)
    assert (turned.intrinsics[:, 0, 0] < straight.intrinsics[:, 0, 0]).all()
