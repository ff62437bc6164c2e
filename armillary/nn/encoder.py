"""Encoders: images in [0, 1] to feature maps.

An encoder maps ``(batch, 3, height, width)`` images with values in [0, 1] to ``(batch, channels, rows, columns)``
features; normalising the pixels is its own business. The small CNN here is for CPUs; every other encoder is a
``transformers`` backbone (`armillary.nn.backbone`).
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Encoder(nn.Module, ABC):
    """Images to a feature map.

    Attributes:
        channels: Number of channels of the feature map.
    """

    channels: int

    @abstractmethod
    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Features of images with values in [0, 1]."""


def map_size(encoder: Encoder, image_size: int) -> tuple[int, int]:
    """Rows and columns of the feature map of a square image (px), found by one forward pass.

    Example:
        >>> map_size(SmallEncoder(), 48)
        (3, 3)
    """
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, image_size, image_size))
    encoder.train(was_training)
    return features.shape[-2], features.shape[-1]


def _block(channels_in: int, channels: int, kernel: int, stride: int, norm: Literal["batch", "group"]) -> nn.Sequential:
    """Convolution, normalisation, ReLU."""
    layer = nn.BatchNorm2d(channels) if norm == "batch" else nn.GroupNorm(8, channels)
    padding = (kernel - stride + 1) // 2
    convolution = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=padding, bias=False)
    return nn.Sequential(convolution, layer, nn.ReLU(inplace=True))


# (channels as a multiple of the width, kernel, stride). The first layer takes overlapping patches: nats per rotation on
# tet, cube and icosahedron after 500 steps of 64 at 48 px (lmax 6, same seed), and CPU milliseconds of a whole step:
# seven 3x3 layers from full resolution 4.24 (156); 4 x 4 patches without overlap 4.46 (117); this 4.92 (125).
_LAYERS = {
    16: [(2, 8, 4), (4, 3, 2), (4, 3, 1), (8, 3, 2), (8, 3, 1)],
    8: [(2, 8, 4), (4, 3, 2), (4, 3, 1), (4, 3, 1)],
}


class SmallEncoder(Encoder):
    """A plain CNN for CPUs, 8x8 then 3x3 convolutions; 48 px in, a 3 x 3 (stride 16) or 6 x 6 (stride 8) map out.

    Args:
        width: Multiple of 8; the first layer has twice as many channels, the map 8 times (stride 8: 4 times).
        norm: ``"batch"`` folds into the convolutions for inference; ``"group"`` does not depend on the batch.
        stride: Image pixels per map pixel. With width 32, stride 16 has 1.12 M parameters and stride 8 has 0.38 M.

    Example:
        >>> SmallEncoder()(torch.rand(2, 3, 48, 48)).shape
        torch.Size([2, 256, 3, 3])
    """

    def __init__(self, width: int = 32, norm: Literal["batch", "group"] = "batch", stride: Literal[8, 16] = 16) -> None:
        super().__init__()
        if width < 8 or width % 8:
            raise ValueError(f"expected an encoder width that is a positive multiple of 8, got {width}; use 32")
        if norm not in ("batch", "group"):
            raise ValueError(f"expected norm 'batch' or 'group', got {norm!r}; use 'batch'")
        if stride not in _LAYERS:
            raise ValueError(f"expected an encoder stride of 8 or 16, got {stride}; use 16")
        self.layers, self.channels = nn.Sequential(), 3
        for factor, kernel, step in _LAYERS[stride]:
            self.layers.append(_block(self.channels, factor * width, kernel, step, norm))
            self.channels = factor * width

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Features of images with values in [0, 1]."""
        # Centred and scaled to about unit spread, so that the first layer sees no common offset.
        return self.layers((images - 0.5) * 4)
