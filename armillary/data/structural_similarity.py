r"""Structural similarity of pictures: how alike they are in brightness, contrast and pattern, window by window.

.. math:: \mathrm{SSIM} = \frac{(2\mu_x\mu_y + C_1)(2\sigma_{xy} + C_2)}
    {(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)},\quad C_1 = 0.01^2,\ C_2 = 0.03^2

for values in [0, 1], moments under a Gaussian window, averaged over the windows in the picture and over colours: 1 for
equal pictures. It stands here, below both, because losses and evaluations use it.

Reference: Image quality assessment: from error visibility to structural similarity (Wang, Bovik, Sheikh and Simoncelli,
    IEEE Transactions on Image Processing 2004), equation 13
"""

import torch
from jaxtyping import Float
from torch import Tensor

# Side of the window and standard deviation of its Gaussian, pixels, and the constants: those of the reference.
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def ssim(
    pictures: Float[Tensor, "*batch colours height width"], truth: Float[Tensor, "*other others rows columns"]
) -> Float[Tensor, "*batch"]:
    """Mean structural similarity of each picture, differentiable.

    Args:
        pictures: Values in [0, 1], at least 11 pixels high and wide.
        truth: What they should show; the measure is symmetric.

    Example:
        >>> picture = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> [round(ssim(other, picture).item(), 1) for other in (picture, 1 - picture)]
        [1.0, -1.0]
    """
    return ssim_map(pictures, truth).mean((-3, -2, -1))


def ssim_map(
    pictures: Float[Tensor, "*batch colours height width"], truth: Float[Tensor, "*other others rows columns"]
) -> Float[Tensor, "*batch colours places_down places_across"]:
    """Structural similarity of each window that lies in the picture, ten rows and columns fewer than pixels.

    Example:
        >>> ssim_map(torch.zeros(1, 12, 16), torch.zeros(1, 12, 16)).shape
        torch.Size([1, 2, 6])
    """
    require_pictures(pictures, truth)
    mean, other = _windowed(pictures), _windowed(truth)
    # The two variances appear as their sum alone.
    spread = _windowed(pictures.square() + truth.square()) - mean.square() - other.square()
    covariance = _windowed(pictures * truth) - mean * other
    brightness = (2 * mean * other + C1) / (mean.square() + other.square() + C1)
    return brightness * (2 * covariance + C2) / (spread + C2)


def require_pictures(pictures: Tensor, truth: Tensor) -> None:
    """ValueError unless both have one shape, with sides of at least the window's."""
    if pictures.shape != truth.shape or min(pictures.shape[-2:]) < WINDOW:
        raise ValueError(
            f"expected two batches of pictures of one shape, of at least {WINDOW} x {WINDOW} pixels, got "
            f"{tuple(pictures.shape)} and {tuple(truth.shape)}; resize them"
        )


def _windowed(values: Tensor) -> Tensor:
    """Weighted means under the window, at all its places in the picture."""
    # One matrix for each axis: for pictures of some hundred pixels this is faster than a convolution on processors.
    rows, columns = (_window_matrix(size, values) for size in values.shape[-2:])
    return rows @ values @ columns.mT


def _window_matrix(size: int, like: Tensor) -> Float[Tensor, "places size"]:
    """Row k holds the window that begins at pixel k."""
    offset = torch.arange(size, device=like.device) - torch.arange(size - WINDOW + 1, device=like.device)[:, None]
    weights = torch.exp(-0.5 * ((offset - WINDOW // 2).to(like.dtype) / SIGMA).square())
    weights = torch.where((offset >= 0) & (offset < WINDOW), weights, 0.0)
    return weights / weights.sum(1, keepdim=True)
