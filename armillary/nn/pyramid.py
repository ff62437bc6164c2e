"""Pyramids: images in [0, 1] to feature maps from fine to coarse, for answers at every pixel.

Level k has one row for every 2^(k+1) rows of the image. The small CNN is for CPUs; the other pyramids are the stages of
a ``transformers`` backbone above a first level of their own, because backbones begin at a quarter of the resolution.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from armillary.nn.backbone import TransformersEncoder


class Pyramid(nn.Module, ABC):
    """Images to feature maps, each half as fine as the one before.

    Attributes:
        channels: Number of channels of each level.
    """

    channels: tuple[int, ...]

    @abstractmethod
    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Features of images with values in [0, 1], each (batch, channels, rows, columns)."""


def convolution(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; at stride 1 the map keeps its size, at stride 2 it halves."""
    padding = (kernel - stride + 1) // 2
    layer = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=padding, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class SmallPyramid(Pyramid):
    """A plain CNN of five levels.

    Args:
        width: Channels of the first level, a positive multiple of 8.

    Example:
        >>> import torch
        >>> [tuple(level.shape[1:]) for level in SmallPyramid(8)(torch.rand(1, 3, 32, 64))]
        [(8, 16, 32), (16, 8, 16), (32, 4, 8), (64, 2, 4), (64, 1, 2)]
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        if width < 8 or width % 8:
            raise ValueError(f"expected a width that is a positive multiple of 8, got {width}; use 24")
        self.channels = (width, 2 * width, 4 * width, 8 * width, 8 * width)
        self.levels = nn.ModuleList([convolution(3, width, 4, stride=2)])
        for before, after in zip(self.channels[:-1], self.channels[1:], strict=True):
            self.levels.append(nn.Sequential(convolution(before, after, 4, stride=2), convolution(after, after)))

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Features of images with values in [0, 1]."""
        # Centred and scaled to about unit spread, so that the first layer sees no common offset.
        features, maps = (images - 0.5) * 4, []
        for level in self.levels:
            features = level(features)
            maps.append(features)
        return maps


class TransformersPyramid(Pyramid):
    """The stages of a ``transformers`` backbone that works with maps (ResNet, ConvNeXt), below a level of our own.

    Args:
        encoder: Of `make_encoder`.
        width: Channels of the first level.

    Example:
        >>> import torch
        >>> from armillary.nn.backbone import make_encoder
        >>> encoder = make_encoder("resnet18:random")
        >>> [level.shape[1] for level in TransformersPyramid(encoder)(torch.rand(1, 3, 64, 64))]
        [24, 64, 128, 256, 512]
    """

    def __init__(self, encoder: TransformersEncoder, width: int = 24) -> None:
        super().__init__()
        kind = encoder.architecture["model_type"]
        if kind not in ("resnet", "convnext"):
            raise ValueError(f"expected an encoder that gives maps (resnet, convnext), got {kind}; choose one")
        self.encoder = encoder
        self.channels = (width, *encoder.architecture["hidden_sizes"])
        self.first = convolution(3, width, 4, stride=2)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Features of images with values in [0, 1]."""
        pixels = (images - self.encoder.mean) / self.encoder.std
        # The first hidden state is what enters the first stage.
        stages = self.encoder.backbone(pixels, output_hidden_states=True).hidden_states[1:]
        return [self.first(pixels), *stages]
