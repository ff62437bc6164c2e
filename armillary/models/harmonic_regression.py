"""Harmonic regression: a plain encoder straight to the coefficients of a density on SO(3).

No sphere and no equivariance, hence very fast; with an exact likelihood it is the strongest model per CPU second.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import HarmonicDistribution
from armillary.harmonics import so3_size
from armillary.models.model import HarmonicModel, check_images, one_hot
from armillary.nn import Encoder, HarmonicHead, make_encoder
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size


@dataclass(frozen=True)
class HarmonicRegressionConfig:
    """How to build a `HarmonicRegression`."""

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small"
    # Side of the square images in pixels.
    image_size: int = 48
    # Largest degree of the density's coefficients, inclusive.
    lmax: int = 6
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # Width of a hidden layer before the coefficients; 0: none.
    hidden: int = 0
    # Number of categories the model is told about; 0: none.
    categories: int = 0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        if self.lmax < 1 or self.image_size < 16 or self.hidden < 0 or self.categories < 0:
            raise ValueError(
                "expected lmax >= 1, image_size >= 16, hidden >= 0 and categories >= 0, got "
                f"{self.lmax}, {self.image_size}, {self.hidden} and {self.categories}; correct the configuration"
            )
        if self.categories and not self.hidden:
            raise ValueError(
                f"expected a hidden layer with {self.categories} categories, got hidden=0; set hidden to 512"
            )

    def build(self) -> "HarmonicRegression":
        """The model, with fresh weights outside a pretrained encoder."""
        return HarmonicRegression(self)


class HarmonicRegression(HarmonicModel):
    """Encoder, pooled or flattened features, one or two linear layers, coefficients on SO(3).

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = HarmonicRegressionConfig().build()
        >>> density = model(torch.rand(2, 3, 48, 48))
        >>> density.log_prob(torch.eye(3).expand(2, 3, 3)).shape
        torch.Size([2])
    """

    kind = "harmonic_regression"
    config_type = HarmonicRegressionConfig

    def __init__(self, config: HarmonicRegressionConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config, encoder)
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        last = nn.Linear(config.hidden or features, so3_size(config.lmax))
        nn.init.normal_(last.weight, std=last.in_features**-0.5)
        nn.init.zeros_(last.bias)
        layers = [nn.Linear(features + config.categories, config.hidden), nn.ReLU(), last] if config.hidden else [last]
        self.regression = nn.Sequential(*layers)
        # A small scale, not small weights: a step of the optimiser then changes the coefficients as little as they are.
        self.head = HarmonicHead(scale=0.1)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> HarmonicDistribution:
        """Distribution of each image's rotation."""
        check_images(images, self.config.image_size)
        features = self.encoder(images)
        # Coefficients in full precision: log-densities reach tens of nats, where bfloat16 is off by tenths.
        with torch.autocast(images.device.type, enabled=False):
            features = features.float()
            features = pool(features, self.config.pooling)
            if self.config.categories:
                features = torch.cat([features, one_hot(category, self.config.categories)], -1)
            return self.head(self.regression(features))
