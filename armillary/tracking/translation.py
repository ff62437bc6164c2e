r"""The position of a moving object: a Kalman filter over R^3 with a velocity that walks at random.

.. math:: dx=v\,dt,\qquad dv=q\,dW

Measurements have covariances; one too far off for them is left out, and several in a row begin anew where they are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.tracking.smoother import smoother_gain

GATE = 16.3  # squared Mahalanobis distance beyond which lie 0.1 % of three Gaussian coordinates


class Position(NamedTuple):
    """Where the object is, in camera axes.

    Attributes:
        mean: Position in metres, then velocity in metres/s.
        covariance: Of the two.
        origin: Number of the beginning that it goes back to.
    """

    mean: Float[Tensor, "6"]
    covariance: Float[Tensor, "6 6"]
    origin: int


class TranslationFilter:
    """Follow a position.

    Args:
        acceleration: q, random walk of the velocity in metres/s per square root of a second.
        spread: Standard deviation in metres/s of each component of a velocity of which nothing is known.
        patience: Measurements too far off, in a row, after which the filter begins anew.

    Example:
        >>> follow = TranslationFilter(acceleration=0.0)
        >>> for second in range(3):
        ...     follow.predict(1.0)
        ...     accepted = follow.update(torch.tensor([0.0, 0.0, 5.0 - second]), 1e-6 * torch.eye(3))
        >>> follow.position.mean.round(decimals=3).tolist()
        [0.0, 0.0, 3.0, 0.0, 0.0, -1.0]
    """

    def __init__(self, acceleration: float = 0.1, spread: float = 1.0, patience: int = 4) -> None:
        if not (0 <= acceleration < float("inf") and 0 < spread < float("inf") and patience >= 1):
            raise ValueError(
                f"expected acceleration >= 0, spread > 0 and patience >= 1, got {acceleration}, {spread}, {patience}; "
                "they are standard deviations and a number of frames"
            )
        self.acceleration, self.spread, self.patience = acceleration, spread, patience
        self.position: Position | None = None
        self._missed = 0

    def predict(self, seconds: float) -> None:
        """Move on in time."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"expected zero or more seconds since the last frame, got {seconds}; sort by time")
        if self.position is not None:
            transition, noise = _motion(seconds, self.acceleration)
            mean, covariance, origin = self.position
            self.position = Position(transition @ mean, transition @ covariance @ transition.mT + noise, origin)

    def update(self, measured: Float[Tensor, "3"], covariance: Float[Tensor, "3 3"]) -> bool:
        """Take in a measured position; False if it was too far off to be believed."""
        measured, covariance = measured.detach().double().cpu(), covariance.detach().double().cpu()
        if not bool(measured.isfinite().all()) or int(torch.linalg.cholesky_ex(covariance).info):
            raise ValueError(
                "expected a finite position and a positive definite covariance (3, 3); leave the frame out"
            )
        if self.position is None:
            self._begin(measured, covariance, 0)
            return True
        mean, prior, origin = self.position
        total, off = prior[:3, :3] + covariance, measured - mean[:3]
        if off @ torch.linalg.solve(total, off) > GATE:
            self._missed += 1
            if self._missed >= self.patience:
                self._begin(measured, covariance, origin + 1)
            return False
        gain = torch.linalg.solve(total, prior[:3]).mT
        self._missed = 0
        self.position = Position(mean + gain @ off, prior - gain @ total @ gain.mT, origin)
        return True

    def _begin(self, measured: Float[Tensor, "3"], covariance: Float[Tensor, "3 3"], origin: int) -> None:
        unknown = self.spread**2 * torch.eye(3, dtype=torch.float64)
        mean = torch.cat([measured, torch.zeros_like(measured)])
        self.position, self._missed = Position(mean, torch.block_diag(covariance, unknown), origin), 0

    def smoothed(self, time: Sequence[float], filtered: Sequence[Position | None]) -> list[Position | None]:
        """Positions given the whole film, from those that the filter had after each frame."""
        result = list(filtered)
        for index in range(len(filtered) - 2, -1, -1):
            here, after = filtered[index], result[index + 1]
            if here is None or after is None or here.origin != after.origin:
                continue
            transition, noise = _motion(time[index + 1] - time[index], self.acceleration)
            predicted = transition @ here.covariance @ transition.mT + noise
            gain = smoother_gain(here.covariance, transition, predicted)
            mean = here.mean + gain @ (after.mean - transition @ here.mean)
            result[index] = Position(
                mean, here.covariance + gain @ (after.covariance - predicted) @ gain.mT, here.origin
            )
        return result


def _motion(seconds: float, walk: float) -> tuple[Float[Tensor, "6 6"], Float[Tensor, "6 6"]]:
    """Transition and noise of position and velocity."""
    eye = torch.eye(3, dtype=torch.float64)
    transition = torch.tensor([[1.0, seconds], [0.0, 1.0]], dtype=torch.float64)
    noise = torch.tensor([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]], dtype=torch.float64)
    return torch.kron(transition, eye), torch.kron(walk**2 * noise, eye)
