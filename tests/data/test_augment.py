"""Laws of augmentation: whatever is drawn, the label fits the picture."""

import math

import pytest
import torch

from armillary.data import Augmentation, DatasetInfo, ImageStore, centre_crop, project
from armillary.so3 import random_rotations, rotation_z

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
