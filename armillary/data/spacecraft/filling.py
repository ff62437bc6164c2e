"""Pictures with parts filled from what is around them, without an edge that tells where."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def filled(
    images: Float[Tensor, "batch channels height width"], cover: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch channels height width"]:
    """Pictures whose covered pixels continue the others smoothly; the others stay as they are.

    Means of what is not covered are taken over ever larger cells ("pull") and brought back to where nothing finer is
    known ("push"). A picture that is covered everywhere becomes black.

    Args:
        images: of any values.
        cover: from 0 (kept) to 1 (filled); what is between blends the two.

    Example:
        >>> ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
        >>> cover = functional.pad(torch.ones(1, 1, 8, 8), (12, 12, 12, 12))
        >>> bool((filled(ramp, cover) - ramp).abs().max() < 0.1)
        True

    Reference: Gortler et al., The Lumigraph (1996), section 3.5
    """
    return _filled(images, 1 - cover)


def _filled(images: Tensor, known: Tensor) -> Tensor:
    if min(images.shape[-2:]) > 1:
        weight = functional.avg_pool2d(known, 2, ceil_mode=True)
        total = functional.avg_pool2d(images * known, 2, ceil_mode=True)
        # A cell of which a quarter is known is known: what is around it need not help.
        coarse = _filled(total / weight.clamp_min(1e-6), (4 * weight).clamp_max(1))
        around = functional.interpolate(coarse, images.shape[-2:], mode="bilinear", align_corners=False)
    else:
        around = torch.zeros_like(images)
    return torch.lerp(around, images, known)
