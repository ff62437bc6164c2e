"""A decoder from a pyramid of feature maps to one map at half the image's resolution, by skip connections.

Reference: U-Net (Ronneberger, Fischer and Brox, MICCAI 2015), https://arxiv.org/abs/1505.04597
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.nn.pyramid import convolution


class PixelDecoder(nn.Module):
    """From the coarsest level up: enlarge, put the next finer level beside, convolve.

    Args:
        channels: Of the pyramid's levels, from fine to coarse.
        width: Channels of the result; coarser maps have at most those of their level.

    Example:
        >>> maps = [torch.rand(1, 8, 16, 24), torch.rand(1, 16, 8, 12), torch.rand(1, 32, 4, 6)]
        >>> PixelDecoder((8, 16, 32))(maps).shape
        torch.Size([1, 32, 16, 24])
    """

    def __init__(self, channels: Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        self.channels = channels[-1]
        for level, beside in reversed([*enumerate(channels[:-1])]):
            after = min(max(beside, width), width * 2**level)
            self.steps.append(convolution(self.channels + beside, after))
            self.channels = after

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "batch channels rows columns"]:
        """Features at the resolution of the first map."""
        features = maps[-1]
        for step, beside in zip(self.steps, maps[-2::-1], strict=True):
            features = functional.interpolate(features, beside.shape[-2:], mode="bilinear", align_corners=False)
            features = step(torch.cat([features, beside], 1))
        return features
