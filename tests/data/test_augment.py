"""Laws of augmentation: whatever is drawn, the label fits the picture."""

import math
from dataclasses import replace

import pytest
import torch

from armillary.data import Augmentation, Batch, DatasetInfo, ImageStore, Renderer, Sample, centre_crop, project
from armillary.data.augment import mirrored
from armillary.data.published.pascal3d_camera import viewpoint_rotation
from armillary.data.shapes import Mesh
from armillary.so3 import random_rotations, rotation_defect, rotation_z

PLAIN = {"gain": 0.0, "tone": 0.0, "noise": 0.0, "blur": 0.0}
COUNT = 32


@pytest.fixture
def points(generator) -> torch.Tensor:
    return 0.04 * torch.nn.functional.normalize(torch.randn(COUNT, 3, generator=generator), dim=-1)


@pytest.fixture
def store(generator, points) -> ImageStore:
    """Each crop shows one dot, the projection of one object point, with the margin of 1.5 that stores have."""
    size, focal = 96, 380.0
    intrinsics = torch.tensor([[focal, 0, 47.5], [0, focal, 47.5], [0, 0, 1]]).repeat(COUNT, 1, 1)
    rotations, translations = (
        random_rotations(COUNT, generator=generator),
        torch.tensor([[0.0, 0, 0.7]]).repeat(COUNT, 1),
    )
    pixels = project(points[:, None], rotations, translations, intrinsics)[:, 0]
    grid = torch.arange(size)
    squared = (grid - pixels[:, 0, None, None]) ** 2 + (grid[:, None] - pixels[:, 1, None, None]) ** 2
    images = (255 * torch.exp(-squared / 8)).round().to(torch.uint8)[:, None].repeat(1, 3, 1, 1)
    return ImageStore(
        images,
        rotations,
        intrinsics,
        torch.zeros(COUNT, dtype=torch.int64),
        torch.eye(3).repeat(COUNT, 1, 1),
        tuple(str(i) for i in range(COUNT)),
        DatasetInfo("dots", ("dot",)),
        translations=translations,
    )


def dot_error(batch, points) -> torch.Tensor:
    """Distance of each picture's dot from where the batch's label puts it, for dots well inside."""
    expected = project(points[:, None], batch.rotations, batch.translations, batch.intrinsics)[:, 0]
    size = batch.images.shape[-1]
    grid, weight = torch.arange(size), batch.images.mean(1)
    found = torch.stack([(weight * grid).sum((1, 2)), (weight * grid[:, None]).sum((1, 2))], -1)
    found = found / weight.sum((1, 2))[:, None]
    inside = ((expected > 5) & (expected < size - 6)).all(-1)
    assert inside.sum() > COUNT // 2
    return (found - expected)[inside].abs().max()


def test_an_augmented_label_puts_points_where_the_picture_shows_them(store, points, generator):
    batch = Augmentation(size=64, shift=0.15, zoom=0.3, **PLAIN)(store, generator)
    # A tenth of a pixel, as for the virtual camera itself; the bar is half a pixel.
    assert dot_error(batch, points) < 0.1


def test_the_centre_crop_label_fits_too_and_keeps_the_rotation(store, points):
    batch = centre_crop(store, 64)
    assert dot_error(batch, points) < 0.1
    assert torch.equal(batch.rotations, store.rotations)


def test_no_augmentation_is_the_centre_crop(store, generator):
    batch = Augmentation(size=64, turn=0.0, zoom=0.0, shift=0.0, **PLAIN)(store, generator)
    assert torch.allclose(batch.images, centre_crop(store, 64).images, atol=1e-5)
    assert torch.allclose(batch.rotations, store.rotations, atol=1e-6)


def test_a_turn_alone_multiplies_the_label_from_the_left_by_a_turn_about_z(store, generator):
    batch = Augmentation(turn=math.pi, zoom=0.0, shift=0.0)(store, generator)
    turn = batch.rotations @ store.rotations.mT
    angle = torch.atan2(turn[:, 1, 0], turn[:, 0, 0])
    assert torch.allclose(turn, rotation_z(angle), atol=1e-5)
    # Uniform on the circle: 32 draws leave no quadrant empty (chance 4 x 0.75^32 = 4e-4, and the seed is fixed).
    assert torch.histc(angle, 4, -math.pi, math.pi).min() > 0


def test_the_generator_alone_decides(store):
    first, again, other = (Augmentation()(store, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images) and torch.equal(first.rotations, again.rotations)
    assert not torch.equal(first.rotations, other.rotations)


def test_pictures_stay_in_range_and_the_store_stays_unchanged(store, generator):
    before = store.images.clone()
    batch = Augmentation(gain=0.9, tone=1.0, noise=0.5, blur=1.0)(store, generator)
    assert batch.images.min() >= 0 and batch.images.max() <= 1
    assert torch.equal(store.images, before)


def test_blur_keeps_a_constant_picture(store, generator):
    flat = ImageStore(**{**store.__dict__, "images": torch.full_like(store.images, 128)})
    batch = Augmentation(size=64, turn=0.0, shift=0.0, zoom=0.0, **{**PLAIN, "blur": 1.0})(flat, generator)
    assert torch.allclose(batch.images, torch.full_like(batch.images, 128 / 255), atol=1e-5)


def rendered_markers(count: int, generator: torch.Generator) -> tuple[list[Sample], torch.Tensor]:
    """Pictures of one point each of a known mesh, as a small octahedron, off the middle of a wide camera."""
    corners = torch.tensor([[x, y, z] for x in (-0.3, 0.3) for y in (-0.2, 0.2) for z in (-0.1, 0.25)])
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)])
    faces = torch.tensor([[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)])
    K = torch.tensor([[150.0, 0, 101.0], [0, 154.0, 66.0], [0, 0, 1]])
    renderer, samples, shown = Renderer(size=(140, 200), backend="torch", antialias=False), [], []
    for index in range(count):
        rotation = random_rotations(generator=generator)
        translation = torch.tensor([0.5, -0.2, 1.6]) + 0.3 * (torch.rand(3, generator=generator) - 0.5)
        # Inside the box, so that it stays in the picture.
        corner = 0.6 * corners[index % len(corners)]
        # Three pixels in radius.
        marker = Mesh(corner + 0.03 * octahedron, faces)
        frame = renderer.render(marker, rotation[None], translation[None], K)
        seen = project(corners, rotation, translation, K)
        samples.append(
            Sample(
                frame.mask.float().expand(3, -1, -1),
                rotation,
                translation,
                K,
                name=str(index),
                box=torch.cat([seen.amin(0), seen.amax(0)]),
            )
        )
        shown.append(corner)
    return samples, torch.stack(shown)


def test_true_labels_reproject_on_rendered_pictures_under_all_the_geometry_at_once(generator):
    samples, corners = rendered_markers(16, generator)
    store = ImageStore.from_samples(samples, size=144, progress=False)
    warp = Augmentation(size=96, turn=0.2, zoom=0.2, shift=0.1, up=0.4, box=0.1, flip=0.5, **PLAIN)
    for batch in (centre_crop(store, 96), warp(store, generator), warp(store, generator)):
        # A mirrored picture shows the mirrored object: the corner F x in its place.
        shown = torch.where(is_mirrored(batch, store)[:, None], corners * torch.tensor([-1.0, 1.0, 1.0]), corners)
        expected = project(shown[:, None], batch.rotations, batch.translations, batch.intrinsics)[:, 0]
        weight, grid = batch.images.mean(1), torch.arange(96.0)
        inside = ((expected > 6) & (expected < 89)).all(-1)
        assert inside.sum() >= 12 and rotation_defect(batch.rotations).max() < 1e-4
        found = torch.stack([(weight * grid).sum((1, 2)), (weight * grid[:, None]).sum((1, 2))], -1)
        found = found / weight.sum((1, 2))[:, None]
        assert (found - expected)[inside].norm(dim=-1).max() < 0.5


def is_mirrored(batch: Batch, store: ImageStore) -> torch.Tensor:
    """From the picture's centre a virtual camera keeps an object's distance; a mirror turns label and store apart."""
    assert batch.translations is not None and store.translations is not None
    turn = batch.rotations @ store.rotations.mT
    kept = (turn @ store.translations[..., None])[..., 0]
    return (kept - batch.translations).norm(dim=-1) > 1e-3


def test_a_mirrored_label_is_pascals_with_azimuth_and_in_plane_turn_negated(generator):
    azimuth, elevation, theta = 180 * (2 * torch.rand(3, 20, generator=generator, dtype=torch.float64) - 1)
    rotations = viewpoint_rotation(azimuth, elevation / 2, theta)
    batch = Batch(torch.zeros(20, 3, 4, 4), rotations, torch.zeros(20, dtype=torch.int64))
    everywhere = mirrored(batch, torch.ones(20, dtype=torch.bool))
    torch.testing.assert_close(everywhere.rotations, viewpoint_rotation(-azimuth, elevation / 2, -theta))


def test_a_mirror_twice_is_none_and_the_rest_stays(store, generator):
    batch = centre_crop(store, 64)
    chosen = torch.rand(COUNT, generator=generator) < 0.5
    once = mirrored(batch, chosen)
    twice = mirrored(once, chosen)
    assert torch.equal(twice.images, batch.images) and torch.equal(twice.rotations, batch.rotations)
    assert torch.equal(once.images[~chosen], batch.images[~chosen])
    assert torch.equal(once.images[chosen], batch.images[chosen].flip(-1))
    assert rotation_defect(once.rotations).max() < 1e-5


def test_a_mirror_and_a_turn_of_the_picture_are_a_turn_back_and_the_mirror(generator):
    rotations, turn = random_rotations(9, generator=generator), rotation_z(torch.tensor(0.7))
    everywhere = torch.ones(9, dtype=torch.bool)
    batch = Batch(torch.zeros(9, 3, 4, 4), turn @ rotations, torch.zeros(9, dtype=torch.int64))
    straight = mirrored(replace(batch, rotations=rotations), everywhere).rotations
    torch.testing.assert_close(mirrored(batch, everywhere).rotations, turn.mT @ straight, atol=1e-6, rtol=0)


def test_the_up_direction_is_normal_about_the_optical_axis(store, generator):
    many = store[torch.arange(COUNT).repeat(40)]
    batch = Augmentation(size=16, turn=0.0, zoom=0.0, shift=0.0, up=0.4, **PLAIN)(many, generator)
    turn = batch.rotations @ many.rotations.mT
    angle = torch.atan2(turn[:, 1, 0], turn[:, 0, 0])
    assert torch.allclose(turn, rotation_z(angle), atol=1e-5)
    # 1,280 draws: a standard deviation is known to 2 %, a mean to 0.011; five of either.
    assert angle.std().item() == pytest.approx(0.4, rel=0.1) and angle.mean().abs() < 0.056
    within = (angle.abs() < 0.4).float().mean().item()
    assert within == pytest.approx(0.683, abs=0.065)


def test_a_jittered_box_stays_within_its_bounds_and_without_jitter_is_the_crop(store, generator):
    plain = {"turn": 0.0, "zoom": 0.0, "shift": 0.0, **PLAIN}
    least = Augmentation(size=64, box=1e-6, **plain)(store, generator)
    assert torch.allclose(least.images, centre_crop(store, 64).images, atol=1e-3)
    jittered = Augmentation(size=64, box=0.1, **plain)(store, generator)
    # Sides move by a tenth of the width, so the side's length changes by a factor within 0.8 and 1.2.
    ratio = jittered.intrinsics[:, 0, 0] / least.intrinsics[:, 0, 0]
    assert ratio.min() > 1 / 1.21 and ratio.max() < 1 / 0.79 and ratio.std() > 0.02
    middle = project(torch.zeros(COUNT, 1, 3), jittered.rotations, jittered.translations, jittered.intrinsics)[:, 0]
    # And its centre by up to a tenth of the width, 6.4 pixels (in the largest zoom 8).
    assert (middle - 31.5).abs().max() < 8.1 and (middle - 31.5).std() > 1
