"""Spacecraft pose: one encoder, a density over rotations and a law of the object's place, from a crop.

The crop is the picture of a virtual camera aimed at the object; rotation and position are in that camera. The place is
said in the crop's own units (crop_place.py), so a model is as good at other distances and behind other lenses. The
head of the SPEED+ fork of Image2Sphere, which answers in metres normalised by the training set's mean and deviation
and is trained by their squared error, is `translation="metres"`: it holds for crops of one camera alone.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.distributions import HarmonicDistribution
from armillary.distributions.pose import PoseDistribution
from armillary.harmonics import so3_size
from armillary.models.crop_place import place_in_crop, place_jacobian, translation_of_place
from armillary.models.model import HarmonicModel, check_images
from armillary.nn import Encoder, HarmonicHead, make_encoder
from armillary.nn.place_head import Place, PlaceHead
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size

TRANSLATIONS = ("place", "metres")


@dataclass(frozen=True)
class SpacecraftPoseConfig:
    """How to build a `SpacecraftPose`.

    Example:
        >>> SpacecraftPoseConfig(lmax=8).image_size
        96
    """

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small"
    # Side of the crops, pixels.
    image_size: int = 96
    # Largest degree of the density's coefficients, inclusive.
    lmax: int = 6
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # Width of a hidden layer before the coefficients; 0: none.
    hidden: int = 512
    # Width of the hidden layer before the place.
    place_hidden: int = 256
    # place: where in the crop and how large; metres: normalised metres and squared errors, as the SPEED+ fork.
    translation: Literal["place", "metres"] = "place"
    # Degrees of freedom of the law of errors of the place; 0: normal.
    freedom: float = 4.0
    # Radius of the object's bounding sphere, metres; the unit of its distance.
    radius: float = 1.0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        if self.translation not in TRANSLATIONS:
            raise ValueError(f"expected translation 'place' or 'metres', got {self.translation!r}; use 'place'")
        if min(self.lmax, self.place_hidden) < 1 or self.image_size < 16 or self.hidden < 0:
            raise ValueError(
                "expected lmax and place_hidden >= 1, image_size >= 16 and hidden >= 0, got "
                f"{self.lmax}, {self.place_hidden}, {self.image_size} and {self.hidden}; correct the configuration"
            )
        if self.radius <= 0 or (self.freedom != 0 and self.freedom <= 2):
            raise ValueError(
                "expected radius above 0 and freedom above 2, or 0 for a normal law, got "
                f"{self.radius} and {self.freedom}; correct the configuration"
            )

    def build(self) -> "SpacecraftPose":
        """The model, with fresh weights outside a pretrained encoder."""
        return SpacecraftPose(self)


@dataclass(frozen=True, eq=False)
class CropPose:
    """What a model says of crops: a density over rotations, and a law of the place in the model's own numbers."""

    rotation: HarmonicDistribution
    place: Place


class SpacecraftPose(HarmonicModel):
    """Encoder, linear layers to the coefficients of a density on SO(3), and a head for the place.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = SpacecraftPoseConfig(image_size=32, lmax=3).build().eval()
        >>> K = torch.tensor([[90.0, 0, 15.5], [0, 90, 15.5], [0, 0, 1]]).expand(2, 3, 3)
        >>> model.pose(torch.rand(2, 3, 32, 32), K).translation.shape
        torch.Size([2, 3])
    """

    kind = "spacecraft_pose"
    config_type = SpacecraftPoseConfig
    mean: Tensor
    deviation: Tensor
    squared_error: Tensor

    def __init__(self, config: SpacecraftPoseConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config, encoder)
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        last = nn.Linear(config.hidden or features, so3_size(config.lmax))
        nn.init.normal_(last.weight, std=last.in_features**-0.5)
        nn.init.zeros_(last.bias)
        # Normalised: unnormalised hidden units die in training.
        hidden = [nn.Linear(features, config.hidden), nn.LayerNorm(config.hidden), nn.ReLU()] if config.hidden else []
        self.regression = nn.Sequential(*hidden, last)
        self.head = HarmonicHead(scale=0.1)
        self.place_head = PlaceHead(features, config.place_hidden, config.freedom)
        # Of the training set's positions, metres, and the mean squared error in their units; of "metres" alone.
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("deviation", torch.ones(3))
        self.register_buffer("squared_error", torch.tensor(0.5))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> HarmonicDistribution:
        """Distribution of each crop's rotation."""
        return self.answer(images).rotation

    def answer(self, images: Float[Tensor, "batch 3 height width"]) -> CropPose:
        """Rotation and place of the object in each crop, by one pass through the encoder."""
        check_images(images, self.config.image_size)
        features = pool(self.encoder(images).float(), self.config.pooling)
        values = self.regression[:-1](features)
        # In full precision: log-densities reach tens of nats, where bfloat16 is off by tenths.
        with torch.autocast(images.device.type, enabled=False):
            rotation = self.head(self.regression[-1](values.float()))
        return CropPose(rotation, self.place_head(features))

    def losses(
        self,
        answer: CropPose,
        rotations: Float[Tensor, "batch 3 3"],
        translations: Float[Tensor, "batch 3"],
        intrinsics: Float[Tensor, "batch 3 3"],
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Of rotation and of translation: negative log densities, or with "metres" the fork's squared error.

        Args:
            answer: of `answer`.
            rotations: true, in the crop's camera.
            translations: true, in the crop's camera, metres.
            intrinsics: of the crops.
        """
        rotation = -answer.rotation.log_prob(rotations)
        if self.config.translation == "metres":
            wanted = (translations - self.mean) / self.deviation
            return rotation, (answer.place.mean - wanted).square().mean(-1)
        wanted = place_in_crop(translations, intrinsics, self.config.image_size, self.config.radius)
        return rotation, -answer.place.log_prob(wanted)

    def pose(
        self, images: Float[Tensor, "batch 3 height width"], intrinsics: Float[Tensor, "batch 3 3"]
    ) -> PoseDistribution:
        """Poses in the crops' cameras; `PoseDistribution.turned` leads to the camera they were cut from.

        Args:
            images: crops with values in [0, 1].
            intrinsics: of the crops.
        """
        return self.to_metres(self.answer(images), intrinsics)

    def to_metres(self, answer: CropPose, intrinsics: Float[Tensor, "batch 3 3"]) -> PoseDistribution:
        """Poses of answers: metres by the camera matrix, covariances to first order."""
        place = answer.place
        if self.config.translation == "metres":
            covariance = torch.diag_embed((self.deviation.square() * self.squared_error).expand_as(place.mean))
            return PoseDistribution(answer.rotation, place.mean * self.deviation + self.mean, covariance)
        where = intrinsics, self.config.image_size, self.config.radius
        jacobian = place_jacobian(place.mean, *where)
        covariance = jacobian @ place.covariance() @ jacobian.mT
        return PoseDistribution(answer.rotation, translation_of_place(place.mean, *where), covariance)

    def set_scale(self, translations: Float[Tensor, "views 3"]) -> None:
        """Take mean and deviation of "metres" from the positions of a training set."""
        self.mean.copy_(translations.mean(0))
        self.deviation.copy_(translations.std(0).clamp_min(1e-6))
