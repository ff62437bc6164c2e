"""BOP's recalls: of each answer the share of thresholds that its error stays below; their mean is the average recall.

MSSD counts as right below 0.05, 0.1, ... 0.5 of the object's diameter, VSD below the same numbers (averaged over as
many misalignments), MSPD below 5, 10, ... 50 pixels in a picture of width 640.

Reference: https://bop.felk.cvut.cz/challenges/bop-challenge-2019, section 2.4
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.evaluation.pose.model import ObjectModel
from armillary.evaluation.pose.surface_distance import mspd, mssd
from armillary.evaluation.pose.visible_surface import DELTA, vsd

FRACTIONS = tuple(0.05 * step for step in range(1, 11))
PIXELS = tuple(5.0 * step for step in range(1, 11))
# The width of picture that `PIXELS` are stated for.
BOP_WIDTH = 640


@dataclass(frozen=True)
class Pictures:
    """Cameras of the views: intrinsics (pixels), height and width, and depth (metres, 0 where nothing) if measured."""

    intrinsics: Float[Tensor, "views 3 3"]
    size: tuple[int, int]
    depth: Float[Tensor, "views height width"] | None = None
    # Tolerance of visibility, metres.
    delta: float = DELTA

    def of(self, chosen: Int[Tensor, " few"]) -> "Pictures":
        """The cameras of some views."""
        depth = None if self.depth is None else self.depth[chosen]
        return Pictures(self.intrinsics[chosen], self.size, depth, self.delta)


def recall_shares(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    true_rotation: Float[Tensor, "views 3 3"],
    true_translation: Float[Tensor, "views 3"],
    model: ObjectModel,
    pictures: Pictures,
) -> dict[str, Float[Tensor, " views"]]:
    """Of each answer, by the name of the error: mssd, mspd and vsd."""
    pixels = [limit * pictures.size[1] / BOP_WIDTH for limit in PIXELS]
    camera, size, depth, delta = pictures.intrinsics, pictures.size, pictures.depth, pictures.delta
    in_space = mssd(rotation, translation, true_rotation, true_translation, model)
    in_picture = mspd(rotation, translation, true_rotation, true_translation, camera, model)
    visible = vsd(rotation, translation, true_rotation, true_translation, camera, size, model, depth, delta)
    return {
        "mssd": hits(in_space / model.diameter, FRACTIONS),
        "mspd": hits(in_picture, pixels),
        "vsd": hits(visible, FRACTIONS).mean(-1),
    }


def hits(error: Float[Tensor, "*views"], limits: Sequence[float]) -> Float[Tensor, "*views"]:
    """Share of the limits that an error is below.

    Example:
        >>> hits(torch.tensor([0.0, 0.12, 0.9]), FRACTIONS)
        tensor([1.0000, 0.8000, 0.0000], dtype=torch.float64)
    """
    return (error.double()[..., None] < torch.tensor(limits, dtype=torch.float64).to(error.device)).double().mean(-1)
