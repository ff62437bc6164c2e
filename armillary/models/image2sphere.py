"""Image2Sphere: picture features lifted to the sphere, spherical convolutions, a density on SO(3).

Reference: Image to Sphere: learning equivariant features for efficient pose prediction (Klee et al., ICLR 2023),
https://arxiv.org/abs/2302.13926
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import HarmonicDistribution
from armillary.harmonics import S2Transform, SO3Transform, s2_size, so3_size
from armillary.models.model import HarmonicModel, check_images, one_hot
from armillary.nn import (
    Encoder,
    Filter,
    HarmonicFilter,
    HarmonicHead,
    HarmonicLift,
    Lift,
    PointFilter,
    S2Activation,
    S2Convolution,
    SO3Activation,
    SO3Convolution,
    SpatialLift,
    make_encoder,
)
from armillary.nn.encoder import map_size
from armillary.nn.filter import near_identity_rotations, rotation_basis, sphere_basis
from armillary.nn.original_frame import Y_TO_POLE, OriginalFrame


@dataclass(frozen=True)
class Image2SphereConfig:
    """How to build an `Image2Sphere`."""

    # Encoder: a name of the table (small, resnet50, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small-fine"
    # Side of the square images in pixels.
    image_size: int = 64
    # Largest degree of all coefficients, inclusive.
    lmax: int = 6
    # From the picture to the sphere: by projection (keeps the picture's geometry) or by a small network.
    lift: Literal["spatial", "harmonic"] = "spatial"
    # Pole of the projected hemisphere: z is the optical axis, y is where the original has it.
    axis: Literal["z", "y"] = "z"
    # Random sphere points used in a training step; None: all of them (the original: 20).
    training_points: int | None = None
    # Signals on the sphere.
    sphere_channels: int = 128
    # Functions on SO(3) between the convolutions.
    so3_channels: int = 8
    # Convolutions on SO(3), the last one included.
    so3_layers: int = 1
    # What the parameters of the global filter on the sphere are: values at points or coefficients.
    sphere_filter: Literal["spatial", "harmonic"] = "spatial"
    # The same of the filters on SO(3), which points near the identity make local.
    so3_filter: Literal["spatial", "harmonic"] = "spatial"
    # Grid points per axis in the activations, relative to the fewest that represent degree lmax.
    oversampling: float = 1.5
    # Number of categories the model is told about; 0: none.
    categories: int = 0
    # Number for number as the original computes: its frame, local filter and activation grids (needs axis y).
    original: bool = False

    def __post_init__(self) -> None:
        """Reject impossible values."""
        for name in ("lift", "sphere_filter", "so3_filter"):
            value = getattr(self, name)
            if value not in ("spatial", "harmonic"):
                raise ValueError(f"expected {name} 'spatial' or 'harmonic', got {value!r}; use 'spatial'")
        if self.axis not in ("z", "y"):
            raise ValueError(f"expected axis 'z' or 'y', got {self.axis!r}; use 'z'")
        if self.original and self.axis != "y":
            raise ValueError(f"expected axis 'y' with original=True, got {self.axis!r}; pass axis='y'")
        sizes = (self.lmax, self.sphere_channels, self.so3_channels, self.so3_layers)
        if min(sizes) < 1 or self.image_size < 16 or self.categories < 0:
            raise ValueError(
                "expected lmax, sphere_channels, so3_channels, so3_layers >= 1, image_size >= 16, categories >= 0, "
                f"got {sizes}, {self.image_size} and {self.categories}; correct the configuration"
            )

    def build(self) -> "Image2Sphere":
        """The model, with fresh weights outside a pretrained encoder."""
        return Image2Sphere(self)


def _sphere_filter(config: Image2SphereConfig) -> Filter:
    channels = (config.sphere_channels, config.so3_channels)
    if config.sphere_filter == "spatial":
        return PointFilter(*channels, sphere_basis(config.lmax))
    return HarmonicFilter(*channels, s2_size(config.lmax))


def _so3_filter(config: Image2SphereConfig, channels_out: int) -> Filter:
    if config.so3_filter == "spatial":
        points = near_identity_rotations(legacy=config.original)
        return PointFilter(config.so3_channels, channels_out, rotation_basis(config.lmax, points))
    return HarmonicFilter(config.so3_channels, channels_out, so3_size(config.lmax))


def _so3_activation(config: Image2SphereConfig) -> SO3Activation:
    if config.original:  # e3nn's grid of "resolution 10"
        return SO3Activation(config.lmax, transform=SO3Transform(config.lmax, 20, 40, "equiangular"))
    return SO3Activation(config.lmax, config.oversampling)


def _lift(config: Image2SphereConfig, channels: int, rows: int, columns: int) -> Lift:
    if config.lift == "harmonic":
        # e3nn's grid of "resolution 20", which has an odd number of azimuths.
        grid = S2Transform(config.lmax, 20, max(19, 2 * config.lmax + 1), "equiangular") if config.original else None
        activation = S2Activation(config.lmax, transform=grid)
        return HarmonicLift(channels, config.sphere_channels, config.lmax, activation=activation)
    return SpatialLift(
        channels,
        config.sphere_channels,
        config.lmax,
        (rows, columns),
        axis=config.axis,
        training_points=config.training_points,
        frame=torch.tensor(Y_TO_POLE, dtype=torch.float64) if config.original else None,
    )


class Image2Sphere(HarmonicModel):
    """Encoder, lift to the sphere, convolution to SO(3), activations and convolutions on SO(3), coefficients.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = Image2SphereConfig(lmax=3).build().eval()
        >>> model(torch.rand(2, 3, 64, 64)).mode.shape
        torch.Size([2, 3, 3])
    """

    kind = "image2sphere"
    config_type = Image2SphereConfig

    def __init__(self, config: Image2SphereConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config, encoder)
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        rows, columns = map_size(self.encoder, config.image_size)
        self.lift = _lift(config, self.encoder.channels + config.categories, rows, columns)
        self.sphere_convolution = S2Convolution(_sphere_filter(config))
        widths = [config.so3_channels] * (config.so3_layers - 1) + [1]
        self.so3_layers = nn.Sequential()
        for width in widths:
            self.so3_layers.append(_so3_activation(config))
            self.so3_layers.append(SO3Convolution(_so3_filter(config, width)))
        self.frame = OriginalFrame(config.lmax) if config.original else nn.Identity()
        # Untrained coefficients are about 1, so the log-density would spread over sqrt(their number) nats.
        self.head = HarmonicHead(scale=so3_size(config.lmax) ** -0.5)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> HarmonicDistribution:
        """Distribution of each image's rotation."""
        check_images(images, self.config.image_size)
        features = self.encoder(images)
        # Coefficients in full precision: log-densities reach tens of nats, where bfloat16 is off by tenths.
        with torch.autocast(images.device.type, enabled=False):
            features = features.float()
            if self.config.categories:
                label = one_hot(category, self.config.categories)[:, :, None, None]
                features = torch.cat([features, label.expand(-1, -1, *features.shape[-2:])], 1)
            signal = self.sphere_convolution(self.lift(features))
            return self.head(self.frame(self.so3_layers(signal).squeeze(-2)))
