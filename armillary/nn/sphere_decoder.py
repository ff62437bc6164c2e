"""From a latent vector to a map on the half-offset equiangular grid: residual stages on maps of side 4, 8, 16, ...

The published family of decoders, with these departures: every convolution and enlargement continues the map across
the poles and around the axis (`armillary.nn.sphere_padding`), where plain reflection has a seam; maps are enlarged
bilinearly on the grid instead of by transposed convolutions; channels are halved by 1 x 1 convolutions before a map is
enlarged, at a quarter of the cost; the output is linear, for targets of mean 0 and variance 1, instead of a sigmoid.

References: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716;
    residual blocks: Identity Mappings in Deep Residual Networks (He et al., 2016), https://arxiv.org/abs/1603.05027
"""

from jaxtyping import Float
from torch import Tensor, nn

from armillary.nn.sphere_padding import SphereConvolution, enlarge_sphere

# Side of the first map.
COARSEST = 4


def check_side(side: int) -> None:
    """ValueError unless a decoder ends at this side: 4, 8, 16, ..."""
    if side < COARSEST or side & (side - 1):
        raise ValueError(f"expected a side of the map among 4, 8, 16, 32, ..., got {side}; use 16")


class SphereResidual(nn.Module):
    """Pre-activation residual block: twice batch norm, ReLU, 3 x 3 convolution on the sphere.

    Example:
        >>> import torch
        >>> SphereResidual(8)(torch.rand(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_activated(channels, channels), *_activated(channels, channels))

    def forward(
        self, values: Float[Tensor, "batch channels rings azimuths"]
    ) -> Float[Tensor, "batch channels rings azimuths"]:
        """The input and what the block adds."""
        return values + self.layers(values)


class SphereEnlargement(nn.Module):
    """Fewer channels on twice the side: 1 x 1 convolution, then `enlarge_sphere`.

    Example:
        >>> import torch
        >>> SphereEnlargement(8, 4)(torch.rand(2, 8, 4, 4)).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.mixing = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(
        self, values: Float[Tensor, "batch channels_in rings azimuths"]
    ) -> Float[Tensor, "batch channels_out 2*rings 2*azimuths"]:
        """Values on the finer grid."""
        return enlarge_sphere(self.mixing(values))


class SphereDecoder(nn.Module):
    """Latent vector to a map: linear to 4 x 4, then residual stages, each but the last followed by an enlargement.

    From the 4 x 4 map on, the decoder commutes with turns about the axis by a whole coarse cell, a quarter turn.

    Args:
        latent: Length of the vector.
        channels: Of the map.
        side: Rings and azimuths of the map: 4, 8, 16, ...
        width: Channels of the finest stage; each coarser one has twice as many.
        widest: But at most these.
        blocks: Residual blocks of each stage.

    Example:
        >>> import torch
        >>> SphereDecoder(latent=32, channels=5, width=8)(torch.rand(2, 32)).shape
        torch.Size([2, 5, 16, 16])
    """

    def __init__(
        self, latent: int, channels: int, side: int = 16, width: int = 32, widest: int = 64, blocks: int = 1
    ) -> None:
        super().__init__()
        check_side(side)
        if min(latent, channels, width, widest, blocks) < 1:
            raise ValueError(
                "expected latent, channels, width, widest and blocks of at least 1, got "
                f"{latent}, {channels}, {width}, {widest} and {blocks}; correct the configuration"
            )
        stages = (side // COARSEST).bit_length()
        widths = [min(width * 2**stage, widest) for stage in reversed(range(stages))]
        self.first = nn.Sequential(
            nn.Linear(latent, widths[0] * COARSEST**2), nn.Unflatten(1, (widths[0], COARSEST, COARSEST))
        )
        self.stages = nn.Sequential()
        for before, after in zip(widths, [*widths[1:], None], strict=True):
            self.stages.extend(SphereResidual(before) for _ in range(blocks))
            if after is not None:
                self.stages.append(SphereEnlargement(before, after))
        self.last = nn.Sequential(*_activated(widths[-1], channels, bias=True))

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch channels rings azimuths"]:
        """Values on the grid, axes (polar angle, azimuth)."""
        return self.from_coarsest(self.first(latent))

    def from_coarsest(
        self, values: Float[Tensor, "batch width rows columns"]
    ) -> Float[Tensor, "batch channels rings azimuths"]:
        """Values on the grid from the 4 x 4 map."""
        return self.last(self.stages(values))


def _activated(channels_in: int, channels_out: int, bias: bool = False) -> list[nn.Module]:
    """Batch norm, ReLU, convolution."""
    return [nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True), SphereConvolution(channels_in, channels_out, bias=bias)]
