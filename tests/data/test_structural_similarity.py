"""Structural similarity: the reference's formula by hand, and what the measure promises."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from armillary.data.structural_similarity import ssim, ssim_map


def pictures(count: int = 3, height: int = 20, width: int = 27) -> torch.Tensor:
    """Smooth and rough ones, in double precision."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(count, 3, height, width, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.avg_pool2d(rough, 5, 1, 2)
    return torch.where(torch.arange(count)[:, None, None, None] % 2 == 0, smooth, rough)


def by_hand(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of one colour: equation 13 with scipy's Gaussian of 11 pixels, the border where it leaves the picture cut off."""

    def windowed(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, 1.5, truncate=3.5)[5:-5, 5:-5]

    mean_x, mean_y = windowed(x), windowed(y)
    spread_x, spread_y = windowed(x * x) - mean_x**2, windowed(y * y) - mean_y**2
    covariance = windowed(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
    return above / ((mean_x**2 + mean_y**2 + 0.01**2) * (spread_x + spread_y + 0.03**2))


def test_it_is_the_formula_of_the_reference():
    x, y = pictures(), pictures().flip(0).roll(3, -1)
    expected = np.stack(
        [[by_hand(*both) for both in zip(*pair, strict=True)] for pair in zip(x.numpy(), y.numpy(), strict=True)]
    )
    # Double precision; the quotient of variances loses three digits.
    assert np.abs(ssim_map(x, y).numpy() - expected).max() < 1e-12
    assert np.abs(ssim(x, y).numpy() - expected.mean((1, 2, 3))).max() < 1e-12
    single = ssim(x.float(), y.float())
    # Roundings of single precision, relative to the smallest divisor, 9e-4.
    assert (single - ssim(x, y)).abs().max() < 1e-4


def test_equal_pictures_score_one_and_no_pair_scores_more():
    x, y = pictures(), pictures().flip(-1)
    assert (ssim(x, x) - 1).abs().max() < 1e-12
    assert (ssim_map(x, y).abs() <= 1 + 1e-12).all()
    assert (ssim(x, y) - ssim(y, x)).abs().max() < 1e-12
    assert (ssim(x, 0.5 * x + 0.25) < 1).all()


def test_of_constant_pictures_brightness_alone_counts():
    black, grey = torch.zeros(3, 11, 11, dtype=torch.float64), torch.full((3, 11, 11), 0.5, dtype=torch.float64)
    assert abs(ssim(black, grey).item() - 1e-4 / (0.25 + 1e-4)) < 1e-12


def test_leading_axes_are_a_batch():
    x, y = pictures(4).unflatten(0, (2, 2)), pictures(4).flip(-2).unflatten(0, (2, 2))
    assert torch.allclose(ssim(x, y)[1, 0], ssim(x[1, 0], y[1, 0]), atol=1e-12)


def test_the_gradient_is_that_of_differences():
    x, y = pictures(1, 12, 12)[:, :1].requires_grad_(), pictures(1, 12, 12)[:, :1].flip(-1)
    assert torch.autograd.gradcheck(lambda x: ssim(x, y), x)


@pytest.mark.parametrize("shape", [(3, 10, 30), (3, 30, 10)])
def test_small_and_different_pictures_are_refused(shape):
    with pytest.raises(ValueError, match="of at least 11 x 11 pixels"):
        ssim(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(ValueError, match="of one shape"):
        ssim(torch.zeros(3, 12, 12), torch.zeros(3, 12, 13))
