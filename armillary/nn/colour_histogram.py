r"""Which colours an object has, told by a picture: what hardly changes when it is turned, and shape does not know.

A histogram over a lattice of k x k x k colours; a pixel counts for the eight around its own in proportion (trilinear).
Black, the background, is left out, and the shares p of the others are given as :math:`\sqrt{(k^3 - 1)\,p}`, whose mean
square is 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def histogram_size(levels: int) -> int:
    """How many numbers `colour_histogram` gives.

    Example:
        >>> histogram_size(4)
        63
    """
    return levels**3 - 1


def colour_histogram(
    pictures: Float[Tensor, "batch 3 height width"], levels: int = 4
) -> Float[Tensor, "batch {levels**3-1}"]:
    """Roots of the shares of colours that are not black; zeros for a black picture.

    Args:
        pictures: Values in [0, 1].
        levels: Of red, green and blue each, at least 2.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 8, 8)
        >>> colour_histogram(red, 2).square().round()
        tensor([[0., 0., 0., 7., 0., 0., 0.]])
    """
    if levels < 2:
        raise ValueError(f"expected at least 2 levels, got {levels}; use 4")
    steps = torch.arange(levels, device=pictures.device).to(pictures.dtype)
    near = 1 - (pictures.flatten(2)[:, :, None] * (levels - 1) - steps[:, None]).abs()
    red, green, blue = near.clamp_min(0).unbind(1)
    both = (red[:, :, None] * green[:, None]).flatten(1, 2)
    counts = (both @ blue.mT).flatten(1)[:, 1:]
    # Less than a hundredth of a pixel is nothing.
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1e-2)
    return (histogram_size(levels) * shares).sqrt()
