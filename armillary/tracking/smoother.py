r"""The best estimate of each frame given the whole film: the Rauch-Tung-Striebel recursion on the branch followed.

.. math:: G=P_k F^\top (P^-_{k+1})^{-1},\qquad x^s_k=x_k\oplus G\,(x^s_{k+1}\ominus x^-_{k+1}),\qquad
    P^s_k=P_k+G\,(P^s_{k+1}-P^-_{k+1})\,G^\top

Between rotations :math:`\ominus` is the rotation vector of :math:`R_1R_2^\top`. Where the branch changes, the recursion
begins anew: a jump is not smoothed over.

Reference: Maximum likelihood estimates of linear dynamic systems (Rauch et al., 1965), https://doi.org/10.2514/3.3166
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import exp, log
from armillary.tracking.filter import Estimate


class Frame(NamedTuple):
    """What the smoother needs of a frame; None before anything was seen.

    Attributes:
        predicted: Before the frame was taken in.
        filtered: After.
        transition: What takes the error after the last frame to the error predicted.
    """

    predicted: Estimate | None
    filtered: Estimate | None
    transition: Float[Tensor, "6 6"] | None


def smoothed(frames: Sequence[Frame]) -> list[Estimate | None]:
    """Estimates given the frames before and after.

    Example:
        >>> smoothed([Frame(None, None, None)])
        [None]
    """
    result: list[Estimate | None] = [frame.filtered for frame in frames]
    for index in range(len(frames) - 2, -1, -1):
        here, ahead, after = frames[index].filtered, frames[index + 1], result[index + 1]
        if here is None or after is None or ahead.predicted is None or ahead.transition is None:
            continue
        if here.label == after.label == ahead.predicted.label:
            result[index] = _combined(here, ahead.predicted, ahead.transition, after)
    return result


def _combined(here: Estimate, predicted: Estimate, transition: Float[Tensor, "6 6"], after: Estimate) -> Estimate:
    gain = smoother_gain(here.covariance, transition, predicted.covariance)
    turn = log(after.rotation @ predicted.rotation.mT)
    change = gain @ torch.cat([turn, after.rate - predicted.rate])
    covariance = here.covariance + gain @ (after.covariance - predicted.covariance) @ gain.mT
    return Estimate(here.label, exp(change[:3]) @ here.rotation, here.rate + change[3:], covariance)


def smoother_gain(
    here: Float[Tensor, "n n"], transition: Float[Tensor, "n n"], predicted: Float[Tensor, "n n"]
) -> Float[Tensor, "n n"]:
    """G of the recursion; what is known exactly, as the rate of a known motion, stays as it is.

    Example:
        >>> smoother_gain(torch.eye(2), torch.eye(2), 2 * torch.eye(2)).diagonal()
        tensor([0.5000, 0.5000])
    """
    return here @ transition.mT @ torch.linalg.pinv(predicted, hermitian=True)
