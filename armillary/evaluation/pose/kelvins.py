r"""The score of ESA's two pose estimation challenges, for each picture: relative error of position plus angle.

.. math:: e_t = \frac{|t - \hat t|}{|t|},\qquad e_R = \theta(R, \hat R),\qquad e = e_t + e_R

in radians, then the mean over pictures. The second challenge (SPEED+) sets errors to zero that are below what its
calibration knew: :math:`e_t` below 2.173 mm/m, :math:`e_R` below 0.169 degrees, each on its own.

Reference: https://kelvins.esa.int/satellite-pose-estimation-challenge/scoring,
https://kelvins.esa.int/pose-estimation-2021/scoring
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import SymmetryGroup, geodesic_distance


@dataclass(frozen=True)
class KelvinsThresholds:
    """Errors below these count as none: of position relative to the distance, of rotation in degrees."""

    position: float
    rotation_deg: float


SPEED_2019 = KelvinsThresholds(0.0, 0.0)
SPEEDPLUS_2021 = KelvinsThresholds(2.173e-3, 0.169)
# What SPNv2 takes by default since 2023; published tables with it are not comparable to the challenge's.
SPNV2 = KelvinsThresholds(5e-3, 0.5)


@dataclass(frozen=True)
class KelvinsScore:
    """Scores of pictures: relative position, rotation (radians), thresholds applied, and their sum."""

    position: Float[Tensor, "*views"]
    rotation: Float[Tensor, "*views"]

    @property
    def pose(self) -> Float[Tensor, "*views"]:
        """The score: its mean over pictures ranks the challenge."""
        return self.position + self.rotation


def kelvins_score(
    rotation: Float[Tensor, "*views 3 3"],
    translation: Float[Tensor, "*views 3"],
    true_rotation: Float[Tensor, "*views 3 3"],
    true_translation: Float[Tensor, "*views 3"],
    thresholds: KelvinsThresholds = SPEEDPLUS_2021,
    symmetry: SymmetryGroup | None = None,
) -> KelvinsScore:
    """Score of each picture, float64.

    Args:
        rotation: answers, R_cam_obj.
        translation: metres.
        true_rotation: labels.
        true_translation: metres; its length is the unit of errors.
        thresholds: below which errors are none.
        symmetry: rotations that look alike count as right; the challenges know none.

    Example:
        >>> eye, place = torch.eye(3), torch.tensor([0.0, 0, 10])
        >>> score = kelvins_score(eye, torch.tensor([0.0, 0, 10.5]), eye, place)
        >>> score.position.item(), score.rotation.item()
        (0.05, 0.0)
        >>> kelvins_score(eye, torch.tensor([0.0, 0, 10.02]), eye, place).pose.item()
        0.0
    """
    distance = torch.linalg.vector_norm(true_translation.double(), dim=-1)
    if bool((distance == 0).any()):
        raise ValueError("expected true positions away from the camera, got one at distance zero; leave it out")
    position = torch.linalg.vector_norm((translation - true_translation).double(), dim=-1) / distance
    first, second = rotation.double(), true_rotation.double()
    angle = geodesic_distance(first, second) if symmetry is None else symmetry.distance(first, second)
    return KelvinsScore(
        torch.where(position < thresholds.position, 0.0, position),
        torch.where(angle < math.radians(thresholds.rotation_deg), 0.0, angle),
    )
