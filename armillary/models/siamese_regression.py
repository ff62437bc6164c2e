r"""Two pictures straight to the rotation between them: one encoder for both, six numbers, Gram and Schmidt.

The rival of relative rotation by correlation, trained with poses. Six numbers are two columns, made orthonormal: a
continuous way to write a rotation, which angles and quaternions are not. The loss is to the nearest right answer,

.. math:: \min_{g\in G}\lVert\hat R-Q_1\,g\,Q_2^\top\rVert_F^2,

so symmetric objects do not ask for one of many equal answers.

Reference: On the Continuity of Rotation Representations in Neural Networks (Zhou et al., CVPR 2019),
    https://arxiv.org/abs/1812.07035, equations 15 and 16
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.models.model import check_images
from armillary.models.saved import SavedNetwork
from armillary.nn import Encoder, make_encoder
from armillary.nn.pooling import Pooling, check_pooling, pool, pooled_size
from armillary.so3 import SymmetryGroup, exp, geodesic_distance


@dataclass(frozen=True)
class SiameseRegressionConfig:
    """How to build a `SiameseRegression`."""

    # Encoder: a name of the table (small, resnet18, ...; `:random` for random weights), a folder, or a hub id.
    encoder: str = "small"
    # Side of the square images in pixels.
    image_size: int = 64
    # Width of the hidden layer.
    hidden: int = 512
    # Whether the feature map is flattened (keeps where things are) or averaged.
    pooling: Pooling = "flatten"
    # Squared Frobenius distance of the matrices, or the angle in radians.
    loss: Literal["frobenius", "geodesic"] = "frobenius"

    def __post_init__(self) -> None:
        """Reject impossible values."""
        check_pooling(self.pooling)
        if self.image_size < 16 or self.hidden < 1 or self.loss not in ("frobenius", "geodesic"):
            raise ValueError(
                "expected image_size >= 16, hidden >= 1 and loss frobenius or geodesic, got "
                f"{self.image_size}, {self.hidden} and {self.loss!r}; correct the configuration"
            )

    def build(self) -> "SiameseRegression":
        """The model, with fresh weights outside a pretrained encoder."""
        return SiameseRegression(self)


class SiameseRegression(SavedNetwork):
    """Encoder, features of both pictures side by side, one hidden layer, six numbers, a rotation.

    Args:
        config: How to build it.
        encoder: Used instead of the one the configuration names.

    Example:
        >>> model = SiameseRegressionConfig(image_size=32).build().eval()
        >>> model(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 3])
    """

    kind = "siamese_regression"
    config_type = SiameseRegressionConfig
    what = "a siamese regression"

    def __init__(self, config: SiameseRegressionConfig, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder if encoder is not None else make_encoder(config.encoder)
        features = pooled_size(self.encoder, config.image_size, config.pooling)
        # Normalised over the layer: early steps of Adam on thousands of positive features kill units else.
        self.hidden = nn.Sequential(nn.Linear(2 * features, config.hidden), nn.LayerNorm(config.hidden), nn.ReLU())
        self.last = nn.Linear(config.hidden, 6)

    def forward(
        self, first: Float[Tensor, "batch 3 height width"], second: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 3"]:
        """R with R Q_2 = Q_1, of pictures with values in [0, 1] and the configuration's size."""
        # One pass for both: batch norm then sees them alike.
        features = self.features(torch.cat([first, second]))
        return self.rotation(*features.chunk(2))

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch features"]:
        """What is kept of a picture: enough for all pairs it is part of."""
        check_images(images, self.config.image_size)
        return pool(self.encoder(images), self.config.pooling)

    def rotation(
        self, first: Float[Tensor, "batch features"], second: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch 3 3"]:
        """R of the features of two pictures."""
        with torch.autocast(first.device.type, enabled=False):
            both = torch.cat([first, second], -1).to(self.last.weight.dtype)
            return gram_schmidt(self.last(self.hidden(both)))

    def task_loss(
        self,
        images: tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch 3 height width"]],
        rotations: tuple[Float[Tensor, "batch 3 3"], Float[Tensor, "batch 3 3"]],
        groups: Sequence[SymmetryGroup] = (),
        group: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean loss to the nearest right answers.

        Args:
            images: First and second pictures.
            rotations: Their poses Q_1 and Q_2, object to camera.
            groups: Symmetries that occur; empty where there are none.
            group: Which of them each pair has; by default the first.
        """
        answer = self(*images)
        with torch.autocast(answer.device.type, enabled=False):
            first, second = (part.to(answer) for part in rotations)
            truth = nearest_right(answer.detach(), first, second, groups, group)
            if self.config.loss == "geodesic":
                return geodesic_distance(answer, truth).mean()
            return (answer - truth).square().sum((-2, -1)).mean()


def gram_schmidt(numbers: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    r"""The rotation whose first column is along the first three numbers, its second in their plane with the others.

    Example:
        >>> gram_schmidt(torch.tensor([2.0, 0, 0, 5, 3, 0])).diagonal()
        tensor([1., 1., 1.])
    """
    x = nn.functional.normalize(numbers[..., :3], dim=-1)
    other = numbers[..., 3:]
    y = nn.functional.normalize(other - (x * other).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


@torch.no_grad()
def nearest_right(
    answer: Float[Tensor, "batch 3 3"],
    first: Float[Tensor, "batch 3 3"],
    second: Float[Tensor, "batch 3 3"],
    groups: Sequence[SymmetryGroup] = (),
    group: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, "batch 3 3"]:
    r"""Of the right answers :math:`Q_1\,g\,Q_2^\top` the one nearest to a given answer; exact for continuous axes too.

    Example:
        >>> quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
        >>> nearest_right(quarter, torch.eye(3)[None], torch.eye(3)[None], [SymmetryGroup.axial()])[0]
        tensor([[ 0., -1.,  0.],
                [ 1.,  0.,  0.],
                [ 0.,  0.,  1.]])
    """
    if not groups:
        return first @ second.mT
    index = torch.zeros(len(answer), dtype=torch.long, device=answer.device) if group is None else group
    # Q_1^T R Q_2 is what g should be near to.
    wanted, element = first.mT @ answer @ second, torch.empty_like(answer)
    for which in index.unique().tolist():
        rows = index == which
        element[rows] = _nearest_element(wanted[rows], groups[which])
    return first @ element @ second.mT


def _nearest_element(wanted: Float[Tensor, "batch 3 3"], group: SymmetryGroup) -> Float[Tensor, "batch 3 3"]:
    """The element with the largest trace of its product with the wanted rotation's transpose."""
    elements = group.discrete.to(wanted)[None]
    if group.axis is not None:
        elements = _best_turn(wanted[:, None] @ elements.mT, group.axis.to(wanted)) @ elements
    trace = (wanted[:, None] * elements).sum((-2, -1))
    return elements.expand(len(wanted), -1, -1, -1)[torch.arange(len(wanted)), trace.argmax(1)]


def _best_turn(wanted: Float[Tensor, "*batch 3 3"], axis: Float[Tensor, "3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""The turn about a unit axis u nearest to a rotation W, its angle :math:`atan2(u\cdot v, \mathrm{tr}W-u^\top Wu)`.

    v is the vector of W's antisymmetric part, :math:`W_{32}-W_{23}, \dots`
    """
    vector = torch.stack(
        [
            wanted[..., 2, 1] - wanted[..., 1, 2],
            wanted[..., 0, 2] - wanted[..., 2, 0],
            wanted[..., 1, 0] - wanted[..., 0, 1],
        ],
        -1,
    )
    along = ((wanted @ axis) * axis).sum(-1)
    cosine = wanted.diagonal(dim1=-2, dim2=-1).sum(-1) - along
    return exp(torch.atan2((vector * axis).sum(-1), cosine)[..., None] * axis)
