r"""What is believed about a moving object: weighted hypotheses, each a Gaussian over rotation and rate.

Hypothesis k says :math:`R=\exp(\xi)\hat R_k`, rate :math:`=\hat u_k+\nu`, :math:`(\xi,\nu)\sim N(0,P_k)`. Equivalents
of a symmetric object are hypotheses of their own, side by side for as long as nothing tells them apart.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.distributions import MatrixFisher, Mixture
from armillary.so3 import SymmetryGroup, exp, geodesic_distance

# Variance of each component of the rotation vector of a uniform rotation, (pi^2 + 6) / 9: nothing is less certain.
UNIFORM_VARIANCE = (torch.pi**2 + 6) / 9
DRAWS = 256  # behind a probability: its standard error is at most 0.03


@dataclass(frozen=True, eq=False)
class Belief:
    """Hypotheses about rotation and rate; float64.

    Attributes:
        log_weight: Log probability of each; they sum to one unless there is none.
        rotation: Means R_cam_obj.
        rate: Means of the angular velocity, or of the gyroscope's bias (`motion`).
        covariance: Of (xi, nu).
        label: A number that a hypothesis keeps from frame to frame: its branch.

    Example:
        >>> nothing = Belief.nothing()
        >>> nothing.label
        tensor([], dtype=torch.int64)
    """

    log_weight: Float[Tensor, " k"]
    rotation: Float[Tensor, "k 3 3"]
    rate: Float[Tensor, "k 3"]
    covariance: Float[Tensor, "k 6 6"]
    label: Int64[Tensor, " k"]

    @classmethod
    def nothing(cls) -> "Belief":
        """No hypothesis: the object has not been seen."""
        none = torch.zeros(0, dtype=torch.float64)
        label = torch.zeros(0, dtype=torch.int64)
        return cls(none, none.reshape(0, 3, 3), none.reshape(0, 3), none.reshape(0, 6, 6), label)

    @classmethod
    def joined(cls, first: "Belief", second: "Belief") -> "Belief":
        """The hypotheses of both."""
        return cls(*(torch.cat([a, b]) for a, b in zip(first._parts, second._parts, strict=True)))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.log_weight, self.rotation, self.rate, self.covariance, self.label

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: Tensor) -> "Belief":
        """Chosen hypotheses, by number or by mask, their weights as they were."""
        return Belief(*(part[index] for part in self._parts))

    def normalised(self) -> "Belief":
        """The same with weights that sum to one."""
        return replace(self, log_weight=self.log_weight - self.log_weight.logsumexp(0)) if len(self) else self

    def density(self) -> Mixture:
        r"""The law of the rotation, as a mixture of matrix Fishers.

        :math:`\mathrm{tr}(F^\top\exp(\xi)\hat R)` falls by :math:`\xi^\top\Lambda\xi/2` from its maximum when
        :math:`F=(\mathrm{tr}(\Lambda)I/2-\Lambda)\hat R`.
        """
        if not len(self):
            raise ValueError("expected a hypothesis, got none; update the filter by a density first")
        precision = torch.linalg.inv(self.covariance[:, :3, :3])
        half = precision.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None] / 2
        eye = torch.eye(3, dtype=torch.float64)
        return Mixture(self.log_weight.exp(), MatrixFisher((half * eye - precision) @ self.rotation))

    def mass_near(self, rotation: Float[Tensor, "3 3"], angle: float, group: SymmetryGroup | None = None) -> float:
        """Probability that the truth is within an angle (radians) of a rotation, or of one of its equivalents.

        By 256 draws that are always the same, so that it does not jitter from frame to frame.
        """
        if not len(self):
            return 0.0
        factor = torch.linalg.cholesky(self.covariance[:, :3, :3])
        drawn = exp(_draws() @ factor.mT) @ self.rotation[:, None]
        near = (group.distance if group else geodesic_distance)(drawn, rotation.to(drawn)) < angle
        return float((near.double().mean(-1) * self.log_weight.exp()).sum())


def _draws() -> Float[Tensor, "draws 3"]:
    """Standard normal vectors."""
    return torch.randn(DRAWS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bounded(covariance: Float[Tensor, "k 6 6"], spread: float) -> Float[Tensor, "k 6 6"]:
    """No more uncertain than a uniform rotation and than a rate of which nothing is known.

    Example:
        >>> bounded(100 * torch.eye(6).double()[None], 0.5)[0].diagonal()[[0, 5]]
        tensor([1.7633, 0.2500], dtype=torch.float64)
    """
    factor = torch.zeros_like(covariance)
    for part, most in ((slice(0, 3), UNIFORM_VARIANCE), (slice(3, 6), spread**2)):
        value, vector = torch.linalg.eigh(covariance[:, part, part])
        shrink = (most / value.clamp(min=1e-30)).clamp(max=1).sqrt()
        factor[:, part, part] = vector @ (shrink[..., None] * vector.mT)
    bound = factor @ covariance @ factor.mT
    return (bound + bound.mT) / 2
