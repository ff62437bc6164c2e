"""What a head says about points of a sphere: raw outputs, and how they are read and trained."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.nn.signs import SignTable, atoms, decode, expected_decode
from armillary.nn.sphere_loss import (
    COSINE_WEIGHT,
    SQUARES_WEIGHT,
    cosine_loss,
    near_sign_loss,
    sign_closeness,
    sign_cross_entropy,
    smooth_l1_loss,
    squares_divergence,
)
from armillary.nn.spherical_exponential import log_spherical_exponential, spherical_exponential, spherical_flat

# How outputs become points: see `armillary.nn.spherical_exponential`.
SphereKind = Literal["exp", "flat", "direct"]
SPHERE_KINDS: tuple[str, ...] = get_args(SphereKind)


@dataclass(frozen=True)
class SpherePrediction:
    """Raw outputs of a head for points of a sphere.

    Attributes:
        output: One number for each coordinate.
        sign_logits: Of each sign vector of the table, along the same axis; None unless ``kind`` is "exp".
        kind: How outputs become points.
        table: The sign vectors.
        dim: The axis of the coordinates, 1 for maps with channels first.

    Example:
        >>> outputs = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0, 5.0, 0.0]])
        >>> SpherePrediction(*outputs, "exp", SignTable.angles()).point()
        tensor([[-0.7071, -0.7071]])
    """

    output: Float[Tensor, "*shape"]
    sign_logits: Float[Tensor, "*logits"] | None
    kind: SphereKind
    table: SignTable
    dim: int = -1

    def __post_init__(self) -> None:
        if self.kind not in SPHERE_KINDS or (self.sign_logits is None) == (self.kind == "exp"):
            signs = "without" if self.sign_logits is None else "with"
            raise ValueError(f"expected kind exp with sign logits, or flat or direct without, got {self.kind} {signs}")

    def point(self) -> Float[Tensor, "*shape"]:
        """The answer: unit vectors, with the most probable signs."""
        if self.sign_logits is None:
            return spherical_flat(self.output, self.dim)
        return decode(spherical_exponential(self.output, self.dim), self.sign_logits, self.table, self.dim)

    def expected_point(self) -> Float[Tensor, "*shape"]:
        """The answer with expected signs, differentiable for all outputs."""
        if self.sign_logits is None:
            return spherical_flat(self.output, self.dim)
        return expected_decode(spherical_exponential(self.output, self.dim), self.sign_logits, self.table, self.dim)

    def atoms(self) -> tuple[Float[Tensor, "*batch classes coordinates"], Float[Tensor, "*batch classes"]]:
        """All answers and their probabilities: one for each sign vector, coordinates last; the only one if no signs."""
        if self.sign_logits is None:
            point = spherical_flat(self.output, self.dim).movedim(self.dim, -1)[..., None, :]
            return point, torch.ones_like(point[..., 0])
        return atoms(spherical_exponential(self.output, self.dim), self.sign_logits, self.table, self.dim)

    def loss(
        self,
        truth: Float[Tensor, "*shape"],
        regression: Literal["cosine", "squares"] = "cosine",
        width: float = 0.0,
        antipodal: bool = False,
    ) -> Float[Tensor, "*batch"]:
        """Loss of each point, the original's unless ``width`` or ``antipodal`` is given.

        Args:
            truth: Unit vectors, along the same axis.
            regression: Loss of the magnitudes; flat and direct answers have losses of their own.
            width: Radians at which other signs count as nearly right (`sign_closeness`); 0: only the true ones count.
            antipodal: Points are quaternions, y and -y the same rotation.
        """
        if self.sign_logits is not None:
            return self._regression_loss(truth.abs(), regression) + self._sign_loss(truth, width, antipodal)
        loss = self._plain_loss(truth)
        return torch.minimum(loss, self._plain_loss(-truth)) if antipodal else loss

    def _regression_loss(
        self, magnitude: Float[Tensor, "*shape"], regression: Literal["cosine", "squares"]
    ) -> Float[Tensor, "*batch"]:
        if regression == "squares":
            log_magnitude = log_spherical_exponential(self.output, self.dim)
            return SQUARES_WEIGHT * squares_divergence(log_magnitude, magnitude, self.dim)
        return COSINE_WEIGHT * cosine_loss(spherical_exponential(self.output, self.dim), magnitude, self.dim)

    def _sign_loss(self, truth: Float[Tensor, "*shape"], width: float, antipodal: bool) -> Float[Tensor, "*batch"]:
        assert self.sign_logits is not None
        if width == 0.0:
            return sign_cross_entropy(self.sign_logits, self.table.label(truth, self.dim), self.dim)
        closeness = sign_closeness(truth.movedim(self.dim, -1), self.table, width, antipodal)
        return near_sign_loss(self.sign_logits.movedim(self.dim, -1), closeness)

    def _plain_loss(self, truth: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch"]:
        if self.kind == "direct":
            return smooth_l1_loss(self.output, truth, self.dim)
        return cosine_loss(spherical_flat(self.output, self.dim), truth, self.dim)
