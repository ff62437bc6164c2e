"""The spacecraft without a detector: what is brighter than space, smoothed, its largest part.

The masking script of the SPEED+ fork of Image2Sphere blurs, takes what is above 30 of 255, closes and opens, takes the
largest contour and blackens the rest. Here the threshold may also be found (Otsu), and an empty answer is None. It
works before black space; a picture with the Earth behind needs the trained detector.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

FORK_THRESHOLD = 30 / 255
# Deviation of the blur and width of closing and opening, as part of the picture's width: 5 and 10 of 1920 pixels.
BLUR, CLOSING = 2.6e-3, 5.2e-3
# Smaller parts of a picture are stars and noise.
LEAST_SHARE = 2e-4


def contour_mask(
    image: Float[Tensor, "channels height width"], threshold: float | None = None
) -> Bool[Tensor, "height width"] | None:
    """The largest bright part with its holes, None where there is none.

    Args:
        image: with values in [0, 1].
        threshold: what is brighter belongs to it; by default Otsu's.

    Example:
        >>> picture = torch.zeros(1, 60, 96)
        >>> picture[:, 20:40, 30:60] = 0.6
        >>> picture[:, 5, 5] = 1.0
        >>> mask_box(contour_mask(picture))
        tensor([29.5000, 19.5000, 59.5000, 39.5000])
    """
    from scipy import ndimage

    width = image.shape[-1]
    smooth = ndimage.gaussian_filter(image.mean(0).cpu().numpy(), BLUR * width)
    level = otsu_threshold(torch.from_numpy(smooth)) if threshold is None else threshold
    structure = torch.ones(2 * (max(1, round(CLOSING * width)) // 2) + 1).outer(
        torch.ones(2 * (max(1, round(CLOSING * width)) // 2) + 1)
    )
    bright = ndimage.binary_closing(smooth > level, structure.numpy() > 0)
    bright = ndimage.binary_opening(bright, structure.numpy() > 0)
    labelled: Any = ndimage.label(bright)
    if labelled[1] == 0:
        return None
    regions = torch.from_numpy(labelled[0])
    sizes = torch.bincount(regions.flatten())[1:]
    if sizes.max() < LEAST_SHARE * regions.numel():
        return None
    return torch.from_numpy(ndimage.binary_fill_holes((regions == sizes.argmax() + 1).numpy()))


def otsu_threshold(values: Float[Tensor, "*shape"]) -> float:
    r"""The threshold that parts values in [0, 1] best: it maximises :math:`w_0 w_1 (\mu_0 - \mu_1)^2`.

    Reference: A threshold selection method from gray-level histograms (Otsu, 1979), equation 18.

    Example:
        >>> round(otsu_threshold(torch.tensor([0.1, 0.12, 0.8, 0.82])), 2)
        0.12
    """
    count = torch.histc(values.float().clamp(0, 1), 256, 0.0, 1.0).double()
    level = (torch.arange(256, dtype=torch.float64) + 0.5) / 256
    below, moment = count.cumsum(0), (count * level).cumsum(0)
    above = below[-1] - below
    apart = (moment / below.clamp_min(1) - (moment[-1] - moment) / above.clamp_min(1)).square() * below * above
    return (int(apart.argmax()) + 1) / 256


def mask_box(mask: Bool[Tensor, "height width"]) -> Float[Tensor, "4"]:
    """Left, top, right, bottom of what a mask marks, at the outer edges of its pixels; NaN where it marks nothing.

    Example:
        >>> mask_box(torch.eye(3).bool())
        tensor([-0.5000, -0.5000,  2.5000,  2.5000])
    """
    if not bool(mask.any()):
        return torch.full((4,), torch.nan)
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return torch.stack([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])
