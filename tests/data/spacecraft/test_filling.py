"""Filling parts of pictures from what is around them."""

import torch
from torch.nn import functional

from armillary.data.spacecraft.filling import filled


def test_what_is_not_covered_stays_and_what_is_stays_between_its_surroundings() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, 37, 50, generator=generator)
    cover = (torch.rand(3, 1, 37, 50, generator=generator) < 0.4).float()
    out = filled(images, cover)
    kept = cover.expand_as(images) == 0
    assert torch.equal(out[kept], images[kept])
    assert out.min() >= images.min() - 1e-6 and out.max() <= images.max() + 1e-6


def test_a_constant_comes_back_whatever_was_there() -> None:
    images = torch.full((1, 1, 31, 45), 0.3)
    cover = functional.pad(torch.ones(1, 1, 9, 20), (10, 15, 4, 18))
    images[cover > 0] = 5.0
    assert (filled(images, cover) - 0.3).abs().max() < 1e-5


def test_no_edge_tells_where_it_was() -> None:
    """The largest step from pixel to pixel is that of the surroundings, not of a border."""
    wave = (torch.arange(96) / 15).sin()
    images = (wave[:64, None] + wave)[None, None]
    cover = functional.pad(torch.ones(1, 1, 16, 24), (30, 42, 20, 28))
    out = filled(images, cover)
    step = lambda x: max(float(x.diff(dim=axis).abs().max()) for axis in (-1, -2))  # noqa: E731
    assert step(out) < 4 * step(images)


def test_a_picture_covered_everywhere_becomes_black_and_half_a_cover_blends() -> None:
    images = torch.ones(1, 1, 8, 12)
    assert filled(images, torch.ones(1, 1, 8, 12)).abs().max() == 0
    images[..., 4:8] = 0.0
    cover = torch.zeros(1, 1, 8, 12)
    cover[..., 4:8] = 0.5
    inside = filled(images, cover)[..., 4:8]
    assert 0 < inside[..., 0].min() and inside.max() < 0.5
