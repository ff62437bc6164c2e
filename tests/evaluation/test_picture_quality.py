"""Figures of pictures: closed forms, bytes, parts of a batch, and what is refused."""

import math

import pytest
import torch

from armillary.data.structural_similarity import ssim
from armillary.evaluation.picture_quality import AT_ONCE, picture_quality, psnr


def test_figures_of_a_constant_difference_are_known():
    truth = torch.full((2, 3, 12, 12), 0.5, dtype=torch.float64)
    quality = picture_quality(truth + torch.tensor([0.1, -0.25])[:, None, None, None], truth)
    assert (quality.l1 - torch.tensor([0.1, 0.25])).abs().max() < 1e-7
    assert (quality.psnr - torch.tensor([20.0, 20 * math.log10(4)])).abs().max() < 1e-5


def test_equal_pictures_have_a_hundred_decibels_and_the_gradient_is_finite():
    picture = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = psnr(picture, picture.detach())
    assert found.item() == pytest.approx(100.0)
    found.sum().backward()
    assert picture.grad is not None and bool(picture.grad.isfinite().all())


def test_bytes_are_values_and_batches_are_cut_without_a_seam():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randint(0, 256, (AT_ONCE + 3, 3, 12, 12), dtype=torch.uint8, generator=generator) for _ in range(2))
    quality, plain = picture_quality(x, y), picture_quality(x.float() / 255, y.float() / 255)
    for one, other in ((quality.l1, plain.l1), (quality.psnr, plain.psnr), (quality.ssim, plain.ssim)):
        assert torch.equal(one, other) and one.shape == (AT_ONCE + 3,)
    # Sums in another order.
    assert torch.allclose(quality.ssim, ssim(x.float() / 255, y.float() / 255), atol=1e-6)
    whole = quality.mean(torch.ones(AT_ONCE + 3, dtype=torch.bool))
    assert whole is not None and whole.to_json().keys() == {"l1", "psnr", "ssim"}
    assert whole.psnr == pytest.approx(quality.psnr.mean().item())
    assert quality.mean(torch.zeros(AT_ONCE + 3, dtype=torch.bool)) is None
