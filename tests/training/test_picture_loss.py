"""The loss of generated pictures: its two parts, its weight, its gradient, and half precision."""

import pytest
import torch

from armillary.data.structural_similarity import ssim
from armillary.training.picture_loss import picture_loss


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two different pictures of one batch each."""
    x, y = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    return x, y


def test_it_is_zero_for_equal_pictures_and_the_weighted_sum_of_its_parts():
    x, y = pair()
    # A rounding of single precision relative to 9e-4.
    assert picture_loss(x, x) < 1e-4
    parts = (1 - ssim(x, y)).mean(), (x - y).abs().mean()
    for weight in (0.0, 0.3, 1.0):
        assert torch.isclose(picture_loss(x, y, weight), weight * parts[0] + (1 - weight) * parts[1])


def test_its_gradient_leads_to_the_truth():
    x, y = pair()
    x.requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        picture_loss(x, y).backward()
        optimizer.step()
    # From 0.33, and 60 steps of 0.02 are enough for each value.
    assert (x - y).abs().mean() < 0.05


def test_half_precision_around_it_changes_nothing():
    x, y = pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = picture_loss(x.bfloat16(), y)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, picture_loss(x.bfloat16().float(), y))
    assert picture_loss(x.double(), y.double()).dtype == torch.float64


def test_a_weight_outside_is_refused():
    with pytest.raises(ValueError, match="expected ssim_weight from 0 to 1, got 2"):
        picture_loss(*pair(), ssim_weight=2.0)
