"""Changes of pictures: off is nothing, values stay in range, grey stays grey, generators decide, nothing moves."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from armillary.data.spacecraft.augmentation import DomainAugmentation

EVERY = ("background", "inversion", "sun", "texture", "spectrum", "bloom", "blur", "tone", "noise", "cutout")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    """Grey squares with a ramp on nearly black, as three channels."""
    grey = torch.full((6, 1, 40, 48), 0.05)
    grey[:, :, 10:30, 12:36] = torch.linspace(0.2, 0.9, 24)
    return grey.expand(6, 3, 40, 48).clone()


@pytest.fixture
def masks() -> Tensor:
    mask = torch.zeros(6, 40, 48, dtype=torch.bool)
    mask[:, 10:30, 12:36] = True
    return mask


def only(name: str) -> DomainAugmentation:
    return replace(DomainAugmentation.off(), **{name: 1.0})


def test_off_changes_nothing(images: Tensor, masks: Tensor) -> None:
    assert DomainAugmentation.off()(images, generator(), masks) is images


@pytest.mark.parametrize("name", EVERY)
def test_each_change_changes_and_keeps_range_shape_and_the_input(name: str, images: Tensor, masks: Tensor) -> None:
    before = images.clone()
    changed = only(name)(images, generator(), masks)
    assert torch.equal(images, before)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1 and bool(changed.isfinite().all())
    # Amplitudes of equal pictures mix to the same.
    assert (name == "spectrum") == bool(torch.allclose(changed, images, atol=1e-4))


@pytest.mark.parametrize("name", EVERY)
def test_grey_stays_grey(name: str, images: Tensor, masks: Tensor) -> None:
    changed = only(name)(images, generator(), masks)
    assert torch.allclose(changed, changed[:, :1].expand_as(changed), atol=1e-6)
    one = only(name)(images[:, :1], generator(), masks)
    assert torch.allclose(one, changed[:, :1], atol=1e-5)


def test_the_generator_decides(images: Tensor, masks: Tensor) -> None:
    first, again, other = (DomainAugmentation()(images, generator(seed), masks) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_backgrounds_leave_the_object_and_need_masks(images: Tensor, masks: Tensor) -> None:
    for name in ("background", "inversion"):
        changed = only(name)(images, generator(), masks)
        where = masks[:, None].expand_as(images)
        assert torch.equal(changed[where], images[where])
        assert not torch.allclose(changed[~where], images[~where])
        assert only(name)(images, generator()) is images


def test_soft_masks_blend(images: Tensor, masks: Tensor) -> None:
    half = only("inversion")(images, generator(), 0.5 * masks.float())
    inside = masks[:, None].expand_as(images)
    assert torch.allclose(half[inside], torch.full_like(half[inside], 0.5), atol=1e-6)


def test_a_mixed_spectrum_keeps_the_place_of_a_picture(images: Tensor) -> None:
    other = images.roll((3, 5), (2, 3))
    mixed = only("spectrum")(torch.cat([images, other])[::6], generator())
    # Phases say where things are; amplitudes of a shifted picture are the same.
    assert torch.allclose(mixed, torch.cat([images, other])[::6], atol=1e-4)


def test_blur_keeps_a_constant_and_noise_its_mean() -> None:
    flat = torch.full((8, 1, 64, 64), 0.4)
    assert torch.allclose(only("blur")(flat, generator()), flat, atol=1e-5)
    noisy = only("noise")(flat, generator())
    # The largest deviation, about 0.08, over 64 x 64 pixels, five times.
    assert (noisy.mean((1, 2, 3)) - 0.4).abs().max() < 5 * 0.08 / 64


def test_probability_is_the_share_of_pictures_changed() -> None:
    flat = torch.full((2000, 1, 8, 8), 0.4)
    changed = replace(DomainAugmentation.off(), noise=0.3)(flat, generator())
    share = float((changed != flat).flatten(1).any(1).float().mean())
    # Five deviations of a share of 2000.
    assert abs(share - 0.3) < 5 * (0.21 / 2000) ** 0.5


def test_nothing_moves(images: Tensor, masks: Tensor) -> None:
    """The centre of light of a single point stays within a pixel through optics and texture, so labels stay true."""
    point = torch.zeros(64, 1, 33, 33)
    point[:, :, 16, 16] = 1
    changed = only("blur")(point, generator())
    place = torch.arange(33) - 16.0
    down, across = (changed.sum(dim)[:, 0] @ place / changed.sum((1, 2, 3)) for dim in (3, 2))
    assert float(down.abs().max()) < 1e-4 and float(across.abs().max()) < 1e-4


@pytest.mark.parametrize(("name", "value"), [("sun", 1.2), ("noise", -0.1), ("contrast", 1.5), ("gain", 9.0)])
def test_impossible_strengths_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"expected {name} from 0 to"):
        replace(DomainAugmentation(), **{name: value})
