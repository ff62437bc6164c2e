"""Spherical embedding: a picture to the feature map that a spherical CNN makes of the shape it shows.

The student of `SphericalTeacher`. Its target is the teacher's map of the shape, turned as the shape is in the picture:
axes are the camera's (the sphere's z is the optical axis), channels have mean 0 and variance 1 over the training set.
So the answer turns with the object, and two of them tell the relative rotation. Through one vector there is no path
from a pixel to a direction: pictures and spheres are not aligned.

Encoder, fewer channels where its map is large, linear to the latent vector, each with batch norm and ReLU; then,
"sphere": residual stages to a map whose convolutions go on across the poles, and its coefficients; or, the cheap rival,
"spectral": linear straight to coefficients.

Reference: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import S2Transform, s2_size
from armillary.models.model import check_images
from armillary.models.saved import SavedNetwork
from armillary.nn.backbone import make_encoder
from armillary.nn.encoder import Encoder
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size
from armillary.nn.sphere_decoder import SphereDecoder, check_side

KIND = "spherical_embedding"
Decoder = Literal["sphere", "spectral"]


@dataclass(frozen=True)
class SphericalEmbeddingConfig:
    """How to build a `SphericalEmbedding`.

    Example:
        >>> SphericalEmbeddingConfig(lmax=7).coeffs
        64
    """

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small-fine"
    # Side of the square images in pixels.
    image_size: int = 64
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # A flattened feature map that is longer is first mixed to fewer channels.
    features: int = 2048
    # Channels of the map on the sphere: the teacher's.
    channels: int = 64
    # Largest degree of the map, inclusive: the teacher's.
    lmax: int = 7
    # Length of the latent vector.
    latent: int = 1024
    # From the latent vector to the map: residual stages on the grid, or one linear layer to coefficients.
    decoder: Decoder = "sphere"
    # Rings and azimuths of the map's grid: 4, 8, 16, ..., at least 2 lmax + 2.
    side: int = 16
    # Channels of the finest stage of the decoder; coarser ones have twice as many.
    width: int = 24
    # Residual blocks of each stage.
    blocks: int = 1

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        check_side(self.side)
        if self.decoder not in get_args(Decoder):
            raise ValueError(f"expected a decoder 'sphere' or 'spectral', got {self.decoder!r}; use 'sphere'")
        sizes = (self.features, self.channels, self.latent, self.width, self.blocks)
        if self.image_size < 16 or min(sizes) < 1:
            raise ValueError(
                "expected image_size >= 16, and features, channels, latent, width and blocks of at least 1, got "
                f"{self.image_size}, and {', '.join(map(str, sizes))}; correct the configuration"
            )
        if not 0 <= self.lmax < self.side // 2:
            raise ValueError(
                f"expected lmax from 0 to {self.side // 2 - 1} on a grid of side {self.side}, got {self.lmax}; "
                "choose a finer grid or fewer degrees"
            )

    @property
    def coeffs(self) -> int:
        """Coefficients of each channel."""
        return s2_size(self.lmax)

    def build(self) -> "SphericalEmbedding":
        """The model, with fresh weights outside a pretrained encoder."""
        return SphericalEmbedding(self)


class SphericalEmbedding(SavedNetwork):
    """Pictures to functions on the sphere, given by coefficients.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = SphericalEmbeddingConfig(image_size=48, channels=5, latent=64, width=8).build()
        >>> model(torch.rand(2, 3, 48, 48)).shape
        torch.Size([2, 5, 64])
    """

    kind = KIND
    config_type = SphericalEmbeddingConfig
    what = "a spherical embedding"

    def __init__(self, config: SphericalEmbeddingConfig, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        self.mixing: nn.Module = nn.Identity()
        if config.pooling == "flatten" and features > config.features:
            cells = features // self.encoder.channels
            channels = max(1, config.features // cells)
            self.mixing = _normalised(nn.Conv2d(self.encoder.channels, channels, 1, bias=False))
            features = cells * channels
        self.bottleneck = _normalised(nn.Linear(features, config.latent, bias=False))
        self.decoder = _decoder(config)
        self.transform = S2Transform(config.lmax, config.side, config.side, "equiangular")

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels coeffs"]:
        """Coefficients of pictures with values in [0, 1] and the configuration's size."""
        check_images(images, self.config.image_size)
        features = pool(self.mixing(self.encoder(images)), self.config.pooling)
        decoded = self.decoder(self.bottleneck(features))
        if self.config.decoder == "spectral":
            return decoded.float()
        # Integrals in full precision.
        with torch.autocast(images.device.type, enabled=False):
            return self.transform.analysis(decoded.float())

    def map(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rings azimuths"]:
        """Values on the grid (axes polar angle, azimuth) of the functions whose coefficients `forward` gives."""
        return self.transform.synthesis(self(images))


def _normalised(layer: nn.Conv2d | nn.Linear) -> nn.Sequential:
    """A linear layer, then batch norm and ReLU: encoders differ in whether their maps are normalised and rectified."""
    if isinstance(layer, nn.Linear):
        norm: nn.Module = nn.BatchNorm1d(layer.out_features)
    else:
        norm = nn.BatchNorm2d(layer.out_channels)
    return nn.Sequential(layer, norm, nn.ReLU(inplace=True))


def _decoder(config: SphericalEmbeddingConfig) -> nn.Module:
    if config.decoder == "sphere":
        return SphereDecoder(config.latent, config.channels, config.side, config.width, 2 * config.width, config.blocks)
    return nn.Sequential(
        nn.Linear(config.latent, config.channels * config.coeffs), nn.Unflatten(1, (config.channels, config.coeffs))
    )
