r"""Loss of generated pictures: mean absolute error, and structural similarity, which keeps edges sharp.

.. math:: w\,(1 - \mathrm{SSIM}(x, y)) + (1 - w)\,\overline{|x - y|}

Reference: Loss functions for image restoration with neural networks (Zhao, Gallo, Frosio and Kautz, 2017),
    https://arxiv.org/abs/1511.08861, whose weight is w = 0.84; there SSIM is taken at five scales, here at one
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.structural_similarity import ssim

# Share of structural similarity, of the reference.
SSIM_WEIGHT = 0.84


def picture_loss(
    pictures: Float[Tensor, "batch colours height width"],
    truth: Float[Tensor, "batch colours height width"],
    ssim_weight: float = SSIM_WEIGHT,
) -> Float[Tensor, ""]:
    """Mean loss of a batch: 0 for equal pictures.

    Args:
        pictures: Values in [0, 1].
        truth: What they should show.
        ssim_weight: w; 0 leaves the absolute error alone.

    Example:
        >>> picture_loss(torch.ones(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), ssim_weight=0.0)
        tensor(1.)
    """
    if not 0 <= ssim_weight <= 1:
        raise ValueError(f"expected ssim_weight from 0 to 1, got {ssim_weight}; the default is {SSIM_WEIGHT}")
    # Variances are small differences of means, for which bfloat16 has no digits.
    with torch.autocast(pictures.device.type, enabled=False):
        pictures = pictures.to(torch.promote_types(pictures.dtype, torch.float32))
        error = (pictures - truth).abs().mean()
        unlike = 1 - ssim(pictures, truth.to(pictures)).mean() if ssim_weight > 0 else error.new_zeros(())
        return ssim_weight * unlike + (1 - ssim_weight) * error
