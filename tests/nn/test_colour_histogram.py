"""The histogram of colours: shares by hand, what leaves it unchanged, and black."""

import pytest
import torch

from armillary.nn.colour_histogram import colour_histogram, histogram_size


def shares(pictures: torch.Tensor, levels: int) -> torch.Tensor:
    """As shares that sum to 1."""
    return colour_histogram(pictures, levels).square() / histogram_size(levels)


def test_a_pixel_counts_for_the_colours_around_it_in_proportion():
    # A quarter of the way from black to red, half of the way from black to blue; the other pixel is black.
    picture = torch.zeros(1, 3, 1, 2, dtype=torch.float64)
    picture[0, :, 0, 0] = torch.tensor([0.25, 0.0, 0.5])
    found = shares(picture, 2)[0]
    # Weights of blue, red and violet among all that are not black; index 4 r + 2 g + b, without black.
    expected = torch.tensor([0.375, 0, 0, 0.125, 0.125, 0, 0], dtype=torch.float64) / 0.625
    assert (found - expected).abs().max() < 1e-12


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_shares_sum_to_one_whatever_the_size_of_the_object(levels):
    picture = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(picture, (5, 3, 9, 1))
    found = shares(picture, levels)
    assert found.shape == (2, histogram_size(levels))
    # Sums of two hundred numbers in single precision.
    assert (found.sum(1) - 1).abs().max() < 1e-5
    for same in (padded, picture.flip(-1), picture.rot90(1, (2, 3))):
        assert (shares(same, levels) - found).abs().max() < 1e-5


def test_a_black_picture_has_no_colours_and_one_level_is_refused():
    assert torch.equal(colour_histogram(torch.zeros(1, 3, 8, 8)), torch.zeros(1, 63))
    with pytest.raises(ValueError, match="expected at least 2 levels, got 1"):
        colour_histogram(torch.zeros(1, 3, 8, 8), 1)
