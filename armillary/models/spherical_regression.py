"""Spherical regression: a quaternion's magnitudes and signs, read as a discrete mixture of rotations.

Magnitudes by the spherical exponential and a classifier of the eight signs (kind "exp"), or a plain quaternion,
divided by its length before the loss ("flat") or after it ("direct").

The original takes the scalar part positive, so at half-turns q jumps to -q and all other signs change at once. Here
the loss is a function of the rotation: sign vectors count by how near their rotation is (`sign_closeness`), plain
quaternions by the better of q and -q. ``antipode=0`` is as published.

Reference: Spherical Regression (Liao, Gavves and Snoek, CVPR 2019), https://arxiv.org/abs/1904.05404, Section 3.3
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.models.model import PointModel, check_images
from armillary.nn import Encoder, PointNoise, SignTable, SphereHead, SpherePrediction, make_encoder
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size
from armillary.nn.sphere_prediction import SPHERE_KINDS, SphereKind
from armillary.so3 import geodesic_distance, matrix_to_quat_wxyz, quat_wxyz_to_matrix


@dataclass(frozen=True)
class SphericalRegressionConfig:
    """How to build a `SphericalRegression`."""

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small"
    # Side of the square images in pixels.
    image_size: int = 48
    # How outputs become a quaternion: magnitudes and signs, divided by the length, or as they are.
    kind: SphereKind = "exp"
    # Loss of the magnitudes: the cosine as published for rotations, or the divergence of squares as for angles.
    regression: Literal["cosine", "squares"] = "cosine"
    # Radians at which another sign vector's rotation counts as nearly right; 0: the true signs alone, as published.
    antipode: float = 0.2
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # Width of the hidden layer.
    hidden: int = 512
    # Standard deviation of the head's untrained weights, 0.005 as published; none: by the width of its layers.
    spread: float | None = None
    # Whether hidden units are normalised over their layer, without which training may kill them all; not as published.
    normalise: bool = True
    # Number of categories the model is told about, each with a last layer of its own; 0: none.
    categories: int = 0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        if self.kind not in SPHERE_KINDS or self.regression not in ("cosine", "squares"):
            raise ValueError(
                f"expected kind among {', '.join(SPHERE_KINDS)} and regression among cosine, squares, got "
                f"{self.kind!r} and {self.regression!r}; use 'exp' and 'cosine'"
            )
        if self.image_size < 16 or self.hidden < 0 or self.categories < 0 or not 0 <= self.antipode <= 2:
            raise ValueError(
                "expected image_size >= 16, hidden >= 0, categories >= 0 and antipode from 0 to 2 radians, got "
                f"{self.image_size}, {self.hidden}, {self.categories} and {self.antipode}; correct the configuration"
            )

    def build(self) -> "SphericalRegression":
        """The model, with fresh weights outside a pretrained encoder."""
        return SphericalRegression(self)


class SphericalRegression(PointModel):
    """Encoder, pooled or flattened features, one hidden layer, a quaternion's magnitudes and signs.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = SphericalRegressionConfig().build().eval()
        >>> density = model(torch.rand(2, 3, 48, 48))
        >>> density.log_prob(torch.eye(3).expand(2, 3, 3)).shape
        torch.Size([2])
    """

    kind = "spherical_regression"
    config_type = SphericalRegressionConfig

    def __init__(self, config: SphericalRegressionConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config, encoder)
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        table = SignTable.quaternions()
        widths = config.categories, config.hidden, 0.0, config.spread, config.normalise
        self.head = SphereHead(features, table, config.kind, *widths)
        self.noise = PointNoise()

    def quaternion(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> SpherePrediction:
        """What the head says about the quaternion (w, x, y, z), w >= 0, of each image's rotation."""
        check_images(images, self.config.image_size)
        features = self.encoder(images)
        with torch.autocast(images.device.type, enabled=False):
            features = features.to(self.head.last.weight.dtype)
            features = pool(features, self.config.pooling)
            return self.head(features, category if self.config.categories else None)

    def answers(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
        """Eight rotations with the logits of their signs; of plain quaternions one."""
        prediction = self.quaternion(images, category)
        points, probability = prediction.atoms()
        logits = torch.zeros_like(probability) if prediction.sign_logits is None else prediction.sign_logits
        return quat_wxyz_to_matrix(points), logits

    def task_loss(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean loss of magnitudes and signs, or of plain quaternions."""
        return self.losses(self.quaternion(images, category), rotations).mean()

    def losses(self, prediction: SpherePrediction, rotations: Float[Tensor, "batch 3 3"]) -> Float[Tensor, " batch"]:
        """The loss of each row of a prediction."""
        config = self.config
        with torch.autocast(rotations.device.type, enabled=False):
            truth = upper_quaternion(rotations.to(prediction.output))
            return prediction.loss(truth, config.regression, config.antipode, antipodal=config.antipode > 0)

    def sign_errors(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Bool[Tensor, " batch"], Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Whether the signs are right, the error of the answer and that of its magnitudes with true signs, radians."""
        point = self.quaternion(images, category).point()
        point, truth = (torch.where(q[:, :1] < 0, -q, q) for q in (point, upper_quaternion(rotations.to(point))))
        right = self.head.table.label(point) == self.head.table.label(truth)
        with_signs = point.abs() * torch.where(truth < 0, -1.0, 1.0)
        error, magnitude_error = (
            geodesic_distance(quat_wxyz_to_matrix(q), quat_wxyz_to_matrix(truth)) for q in (point, with_signs)
        )
        return right, error, magnitude_error


def upper_quaternion(rotations: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The quaternion (w, x, y, z) of each rotation with w >= 0.

    Example:
        >>> upper_quaternion(torch.eye(3))
        tensor([1., 0., 0., 0.])
    """
    q = matrix_to_quat_wxyz(rotations)
    return torch.where(q[..., :1] < 0, -q, q)
