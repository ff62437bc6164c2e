"""Pyramids and the decoder on them: sizes of any picture, and every level reaches the answer."""

import pytest
import torch

from armillary.nn.backbone import TransformersEncoder, make_encoder
from armillary.nn.pixel_decoder import PixelDecoder
from armillary.nn.pyramid import Pyramid, SmallPyramid, TransformersPyramid


def transformers_pyramid(name: str) -> TransformersPyramid:
    encoder = make_encoder(f"{name}:random")
    assert isinstance(encoder, TransformersEncoder)
    return TransformersPyramid(encoder, 8)


PYRAMIDS = {
    "small": lambda: SmallPyramid(8),
    "resnet18": lambda: transformers_pyramid("resnet18"),
    "convnext": lambda: transformers_pyramid("convnext-tiny"),
}


@pytest.mark.parametrize("name", PYRAMIDS)
def test_levels_halve_and_all_of_them_reach_the_answer(name):
    pyramid: Pyramid = PYRAMIDS[name]().eval()
    images = torch.rand(1, 3, 64, 96)
    maps = pyramid(images)
    assert [level.shape[1] for level in maps] == [*pyramid.channels]
    assert [tuple(level.shape[-2:]) for level in maps] == [(64 >> k, 96 >> k) for k in range(1, 6)]
    decoder = PixelDecoder(pyramid.channels, 8).eval()
    leaves = [level.detach().requires_grad_() for level in maps]
    answer = decoder(leaves)
    assert answer.shape == (1, decoder.channels, 32, 48)
    answer.sum().backward()
    assert all(leaf.grad is not None and bool((leaf.grad != 0).any()) for leaf in leaves)


def test_sizes_need_not_be_multiples():
    pyramid = SmallPyramid(8)
    maps = pyramid(torch.rand(2, 3, 37, 51))
    assert PixelDecoder(pyramid.channels, 8)(maps).shape[-2:] == maps[0].shape[-2:]


def test_a_wrong_width_is_said():
    with pytest.raises(ValueError, match="positive multiple of 8, got 12"):
        SmallPyramid(12)
