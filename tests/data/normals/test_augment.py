"""Random views of normals: a mirror twice is nothing, a cut of everything is nothing, and both are true of a scene."""

import math

import torch

from armillary.data import Renderer
from armillary.data.camera import intrinsics_from_fov
from armillary.data.normals import NormalAugmentation, NormalBatch, NormalSample, NormalStore
from armillary.data.normals.augment import cut, mirrored
from armillary.data.shapes.primitive import ball


def batch(count: int = 5) -> NormalBatch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 12, 16, generator=generator)
    normals = torch.nn.functional.normalize(torch.randn(count, 3, 12, 16, generator=generator), dim=1)
    mask = torch.rand(count, 12, 16, generator=generator) < 0.8
    return NormalBatch(images, normals * mask[:, None], mask)


def same(a: NormalBatch, b: NormalBatch) -> bool:
    return all(torch.equal(x, y) for x, y in ((a.images, b.images), (a.normals, b.normals), (a.mask, b.mask)))


def test_a_mirror_twice_is_nothing_and_moves_only_the_chosen():
    chosen = torch.tensor([True, False, True, True, False])
    once = mirrored(batch(), chosen)
    assert same(mirrored(once, chosen), batch())
    assert not same(once, batch())
    assert torch.equal(once.images[1], batch().images[1])


def test_a_mirrored_picture_has_the_normals_of_the_mirrored_scene():
    intrinsics, renderer = intrinsics_from_fov(math.radians(50), 64, 48), Renderer((48, 64))
    views = [
        renderer.render(ball(1.0), torch.eye(3)[None], torch.tensor([[x, 0.3, 4.0]]), intrinsics) for x in (-1.0, 1.0)
    ]
    left, right = (
        NormalBatch(view.rgb.permute(0, 3, 1, 2) / 255, view.normals.permute(0, 3, 1, 2), view.mask) for view in views
    )
    turned = mirrored(left, torch.tensor([True]))
    both = turned.mask & right.mask
    # Outlines may differ by a pixel.
    assert (turned.mask != right.mask).float().mean() < 0.01
    # The ball is of facets of 5.6 degrees, cut alike on both sides but for their edges' direction.
    assert (turned.normals - right.normals).abs().amax(1)[both].max() < 0.05


def test_a_cut_of_the_whole_is_nothing_and_of_a_part_that_part():
    whole = cut(batch(), torch.ones(5), torch.zeros(5, 2))
    assert torch.equal(whole.normals, batch().normals) and torch.equal(whole.mask, batch().mask)
    assert (whole.images - batch().images).abs().max() < 1e-5
    # The lower right quarter: each of its pixels four times.
    quarter = cut(batch(), torch.full((5,), 0.5), torch.full((5, 2), 0.5))
    assert torch.equal(quarter.normals[..., ::2, ::2], batch().normals[..., 6:, 8:])
    assert torch.equal(quarter.mask[..., 1::2, 1::2], batch().mask[..., 6:, 8:])


def test_augmented_normals_stay_unit_and_known_where_the_mask_says():
    random = NormalAugmentation()
    once, again = (random(batch(), torch.Generator().manual_seed(7)) for _ in range(2))
    assert same(once, again)
    length = torch.linalg.vector_norm(once.normals, dim=1)
    assert ((length - 1).abs() < 1e-5)[once.mask].all() and (length[~once.mask] == 0).all()
    assert once.images.min() >= 0 and once.images.max() <= 1


def test_a_store_cuts_to_the_shape_and_keeps_normals_of_pixels():
    normals = batch(1).normals[0]
    sample = NormalSample(batch(1).images[0], normals, batch(1).mask[0], "a")
    store = NormalStore.from_samples([sample], (12, 12), progress=False)
    assert store.names == ("a",) and store.size == (12, 12)
    # Halves of floats, made unit again.
    assert (store[[0]].normals[0] - normals[:, :, 2:14]).abs().max() < 1e-3
    assert torch.equal(store.mask[0], batch(1).mask[0, :, 2:14])
    assert len(store.part(torch.tensor([0]))) == 1
