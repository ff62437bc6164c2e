r"""Viewpoint regression: azimuth, elevation and tilt as three points (cos, sin) of circles, by magnitudes and signs.

Quadrants are counted counter-clockwise; the azimuth is read an eighth of a turn further on, so that views from the
front and the sides stand in the middle of their classes:

| class | angle (cos, sin) | azimuth, degrees |
|---|---|---|
| 0 | (+, +) | -45 to 45 |
| 1 | (-, +) | 45 to 135 |
| 2 | (-, -) | 135 to 225 |
| 3 | (+, -) | 225 to 315 |

The 64 combinations of signs are 32 rotations, for :math:`(a, e, t)` and :math:`(a + \pi, \pi - e, t + \pi)` are one:
the answer is a discrete mixture of those, with noise. Every rotation is a viewpoint, but from straight above and below
only the difference or sum of azimuth and tilt is determined: where such views are frequent, their labels leap and
`spherical_regression` suits better.

Reference: Spherical Regression (Liao, Gavves and Snoek, CVPR 2019), https://arxiv.org/abs/1904.05404, Section 3.1
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from armillary.models.model import PointModel, check_images
from armillary.nn import Encoder, PointNoise, SignTable, SphereHead, SpherePrediction, make_encoder
from armillary.nn.eighth_turn import angle_to_circle, circle_to_angle
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size
from armillary.nn.sphere_prediction import SPHERE_KINDS, SphereKind
from armillary.so3 import geodesic_distance, matrix_to_viewpoint, viewpoint_to_matrix

ANGLES = ("azimuth", "elevation", "tilt")


@dataclass(frozen=True)
class ViewpointRegressionConfig:
    """How to build a `ViewpointRegression`."""

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small"
    # Side of the square images in pixels.
    image_size: int = 48
    # How outputs become angles: magnitudes and signs, points divided by their length, or points as they are.
    kind: SphereKind = "exp"
    # Loss of the magnitudes: the divergence of squares as published for angles, or the cosine as for rotations.
    regression: Literal["squares", "cosine"] = "squares"
    # Radians at which other signs count as nearly right; 0: the true signs alone, as published.
    near: float = 0.0
    # Whether the tilt too is read an eighth of a turn further on, away from the border of its classes at 0.
    turned_tilt: bool = False
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # Width of the hidden layer of each angle.
    hidden: int = 512
    # Part of it that is dropped in training.
    dropout: float = 0.0
    # Whether hidden units are normalised over their layer, without which training may kill them all; not as published.
    normalise: bool = True
    # Number of categories the model is told about, each with last layers of its own; 0: none.
    categories: int = 0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        if self.kind not in SPHERE_KINDS or self.regression not in ("squares", "cosine"):
            raise ValueError(
                f"expected kind among {', '.join(SPHERE_KINDS)} and regression among squares, cosine, got "
                f"{self.kind!r} and {self.regression!r}; use 'exp' and 'squares'"
            )
        if self.image_size < 16 or self.hidden < 0 or self.categories < 0:
            raise ValueError(
                "expected image_size >= 16, hidden >= 0 and categories >= 0, got "
                f"{self.image_size}, {self.hidden} and {self.categories}; correct the configuration"
            )
        if not 0 <= self.near <= 2 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"expected near from 0 to 2 radians and dropout in [0, 1), got {self.near} and {self.dropout}; "
                "0 switches them off"
            )

    def build(self) -> "ViewpointRegression":
        """The model, with fresh weights outside a pretrained encoder."""
        return ViewpointRegression(self)


class ViewpointRegression(PointModel):
    """Encoder, pooled or flattened features, for each angle a hidden layer, magnitudes and signs.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = ViewpointRegressionConfig().build().eval()
        >>> density = model(torch.rand(2, 3, 48, 48))
        >>> density.log_prob(torch.eye(3).expand(2, 3, 3)).shape
        torch.Size([2])
    """

    kind = "viewpoint_regression"
    config_type = ViewpointRegressionConfig

    def __init__(self, config: ViewpointRegressionConfig, encoder: Encoder | None = None) -> None:
        super().__init__(config, encoder)
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        table = SignTable.angles()
        widths = config.categories, config.hidden, config.dropout, None, config.normalise
        self.heads = nn.ModuleDict({name: SphereHead(features, table, config.kind, *widths) for name in ANGLES})
        self.turned = (True, False, config.turned_tilt)
        self.noise = PointNoise()

    def circles(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> tuple[SpherePrediction, SpherePrediction, SpherePrediction]:
        """What the heads say about (cos, sin) of azimuth, elevation and tilt."""
        check_images(images, self.config.image_size)
        features = self.encoder(images)
        with torch.autocast(images.device.type, enabled=False):
            features = features.float()
            features = pool(features, self.config.pooling)
            told = category if self.config.categories else None
            azimuth, elevation, tilt = (head(features, told) for head in self.heads.values())
            return azimuth, elevation, tilt

    def answers(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
        """32 rotations with the logits of their signs; of plain points one."""
        predictions = self.circles(images, category)
        with torch.autocast(images.device.type, enabled=False):
            return viewpoint_atoms(*predictions, turned=self.turned)

    def task_loss(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Sum over the three angles of the mean loss of magnitudes and signs, or of plain points."""
        predictions = self.circles(images, category)
        with torch.autocast(images.device.type, enabled=False):
            truth = matrix_to_viewpoint(rotations.to(predictions[0].output))
            losses = [
                prediction.loss(angle_to_circle(angle, turned), self.config.regression, self.config.near).mean()
                for prediction, angle, turned in zip(predictions, truth, self.turned, strict=True)
            ]
            return torch.stack(losses).sum()

    def sign_errors(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> tuple[Bool[Tensor, "batch 3"], Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Whether each angle's signs are right, the error of the answer and that with true signs, radians."""
        points = [prediction.point() for prediction in self.circles(images, category)]
        truth = matrix_to_viewpoint(rotations.to(points[0]))
        circles = [angle_to_circle(angle, turned) for angle, turned in zip(truth, self.turned, strict=True)]
        table = SignTable.angles()
        right = torch.stack([table.label(p) == table.label(y) for p, y in zip(points, circles, strict=True)], -1)
        signed = [p.abs() * torch.where(y < 0, -1.0, 1.0) for p, y in zip(points, circles, strict=True)]
        error, magnitude_error = (
            geodesic_distance(
                viewpoint_to_matrix(*(circle_to_angle(p, turn) for p, turn in zip(each, self.turned, strict=True))),
                rotations.to(points[0]),
            )
            for each in (points, signed)
        )
        return right, error, magnitude_error


def viewpoint_atoms(
    azimuth: SpherePrediction,
    elevation: SpherePrediction,
    tilt: SpherePrediction,
    turned: tuple[bool, bool, bool] = (True, False, False),
) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
    """All rotations that three answers allow, and their logits: 32 of four quadrants each, or the one of plain points.

    Args:
        azimuth: Of (cos, sin).
        elevation: Of (cos, sin).
        tilt: Of (cos, sin).
        turned: Whether each angle was read an eighth of a turn further on; not the elevation's.

    Example:
        >>> zero = SpherePrediction(torch.zeros(1, 2), torch.zeros(1, 4), "exp", SignTable.angles())
        >>> rotations, logits = viewpoint_atoms(zero, zero, zero)
        >>> rotations.shape, logits.exp().sum().round()
        (torch.Size([1, 32, 3, 3]), tensor(1.))
    """
    predictions = (azimuth, elevation, tilt)
    points = [prediction.atoms()[0] for prediction in predictions]
    angles = [circle_to_angle(point, turn) for point, turn in zip(points, turned, strict=True)]
    log_weights = [
        torch.zeros_like(angle) if prediction.sign_logits is None else prediction.sign_logits.log_softmax(-1)
        for prediction, angle in zip(predictions, angles, strict=True)
    ]
    joint = log_weights[0][:, :, None, None] + log_weights[1][:, None, :, None] + log_weights[2][:, None, None, :]
    if joint.shape[-1] > 1:
        # Beyond the pole lies the same viewpoint seen from the other side: both signs of azimuth and tilt are opposite
        # there (two classes on), the elevation's cosine is (classes 0 and 1, 3 and 2).
        other_side = joint.roll((2, 2), (1, 3))[:, :, [1, 2]]
        joint = torch.logaddexp(joint[:, :, [0, 3]], other_side)
        angles[1] = angles[1][:, [0, 3]]
    shape = joint.shape
    grid = angles[0][:, :, None, None], angles[1][:, None, :, None], angles[2][:, None, None, :]
    rotations = viewpoint_to_matrix(*(angle.expand(shape) for angle in grid))
    return rotations.flatten(1, 3), joint.flatten(1)
