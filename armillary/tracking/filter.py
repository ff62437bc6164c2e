"""The recursive Bayesian filter over rotation and angular velocity, which follows one branch of a symmetric object."""

import math
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions import SO3Distribution
from armillary.so3 import SymmetryGroup, geodesic_distance
from armillary.tracking.belief import Belief, bounded
from armillary.tracking.measurement import Measurement
from armillary.tracking.motion import ConstantVelocity, Motion
from armillary.tracking.update import Updated, reduced, update

# What became of a frame: nothing believed yet; the first belief; the branch goes on; the frame is elsewhere; nothing
# was seen; another branch has become far more probable; the branch was given up for what several frames in a row
# showed.
Event = Literal["unseen", "found", "followed", "outlier", "predicted", "switched", "found again"]

EQUAL = math.radians(20.0)  # between hypotheses that the known symmetry makes one
SEEN = 0.5  # support from which a frame counts as agreeing with a hypothesis


class Estimate(NamedTuple):
    """The branch that is followed.

    Attributes:
        label: Its number.
        rotation: Its mean R_cam_obj.
        rate: Mean of its angular velocity, or of the gyroscope's bias.
        covariance: Of (xi, nu): R = exp(xi) rotation, xi in camera axes.
    """

    label: int
    rotation: Float[Tensor, "3 3"]
    rate: Float[Tensor, "3"]
    covariance: Float[Tensor, "6 6"]


class RotationFilter:
    r"""Predict by a motion, update by a network's density; the belief is a mixture over rotation and rate.

    Every hypothesis is updated by the density itself (`posterior`), so several peaks, unequal widths and shoulders
    count as they are. Equivalents of a symmetric object stay side by side. The pose that is reported follows one of
    them: it changes when another is ``margin`` nats more probable, or when ``patience`` frames in a row show the object
    elsewhere.

    Args:
        motion: How the object turns.
        group: Known symmetry: after a change the equivalent nearest to the last pose is reported.
        outlier: Probability that a frame says nothing about the object.
        birth: Probability that the object is where no hypothesis has it.
        looks: Power of the evidence between hypotheses: 1 if the errors of frames were independent.
        memory: Seconds in which log weights fade by 1/e.
        margin: Nats by which another branch must be ahead.
        patience: Frames.
        most: Hypotheses, at most.

    Example:
        >>> from armillary.distributions import MatrixFisher
        >>> follow = RotationFilter()
        >>> for _ in range(5):
        ...     transition = follow.predict(0.1)
        ...     event = follow.update(MatrixFisher.isotropic(torch.eye(3), sigma=0.1))
        >>> event, follow.estimate.rotation.diagonal().round(decimals=3)
        ('followed', tensor([1., 1., 1.], dtype=torch.float64))
    """

    def __init__(
        self,
        motion: Motion | None = None,
        group: SymmetryGroup | None = None,
        *,
        outlier: float = 0.05,
        birth: float = 0.02,
        looks: float = 0.1,
        memory: float = 5.0,
        margin: float = 5.0,
        patience: int = 4,
        most: int = 64,
    ) -> None:
        for name, value in {"outlier": outlier, "birth": birth, "looks": looks}.items():
            if not 0 < value <= 1 or (value == 1 and name != "looks"):
                raise ValueError(f"expected {name} above 0 and below 1, got {value}; it is a probability or a share")
        if not (memory > 0 and margin >= 0 and patience >= 1 and most >= 1):
            got = f"{memory}, {margin}, {patience}, {most}"
            raise ValueError(f"expected memory, patience and most above zero and a margin of zero or more, got {got}")
        self.motion = motion or ConstantVelocity()
        self.group = group
        self.outlier, self.birth, self.looks = outlier, birth, looks
        self.memory, self.margin, self.patience, self.most = memory, margin, patience, most
        self.belief = Belief.nothing()
        self.support = 0.0
        self._branch: int | None = None
        self._equivalent = torch.eye(3, dtype=torch.float64)
        self._missed, self._labels = 0, 0

    @property
    def estimate(self) -> Estimate | None:
        """The branch that is followed; None before anything was seen."""
        if self._branch is None:
            return None
        index, belief = self._index(), self.belief
        rotation = belief.rotation[index] @ self._equivalent
        return Estimate(self._branch, rotation, belief.rate[index], belief.covariance[index])

    def predict(self, seconds: float, reading: Float[Tensor, "3"] | None = None) -> Float[Tensor, "6 6"] | None:
        """Move the belief on in time.

        Args:
            seconds: Since the last frame; any, zero too.
            reading: Angular velocity, for a motion that is told it.

        Returns:
            What takes the error of the branch followed before to that after; None before anything was seen.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError(
                f"expected zero or more seconds since the last frame, got {seconds}; sort the frames by time"
            )
        belief = self.belief
        step = self.motion.step(belief.rotation, belief.rate, seconds, reading)
        covariance = step.transition @ belief.covariance @ step.transition.mT + step.noise
        faded = belief.log_weight * torch.exp(torch.tensor(-seconds / self.memory))
        self.belief = Belief(
            faded, step.rotation, belief.rate, bounded(covariance, self.motion.spread), belief.label
        ).normalised()
        return None if self._branch is None else step.transition[self._index()]

    def update(self, density: SO3Distribution | None, weight: float = 1.0) -> Event:
        """Take in what a frame showed.

        Args:
            density: The network's distribution of R_cam_obj, batch shape () or (1,); None: there is no frame.
            weight: Probability that the object is in the frame at all.
        """
        if not 0 <= weight <= 1:
            raise ValueError(f"expected a weight from 0 to 1, got {weight}; it is the probability of an object")
        if density is None or weight == 0:
            self.support = 0.0
            return "unseen" if self._branch is None else "predicted"
        updated = update(
            self.belief,
            Measurement(density),
            outlier=1 - weight * (1 - self.outlier),
            birth=self.birth,
            looks=self.looks,
            spread=self.motion.spread,
        )
        updated = reduced(self._labelled(updated), self.most, self._branch)
        self.belief = updated.belief
        return self._follow(updated.support, weight >= SEEN)

    def _labelled(self, updated: Updated) -> Updated:
        """Numbers for the hypotheses that are new."""
        label = updated.belief.label
        fresh = label < 0
        numbered = torch.where(fresh, self._labels + fresh.cumsum(0) - 1, label)
        self._labels += int(fresh.sum())
        return Updated(replace(updated.belief, label=numbered), updated.support)

    def _index(self) -> int:
        """Of the hypothesis that is followed."""
        return int((self.belief.label == self._branch).nonzero()[0])

    def _follow(self, support: Float[Tensor, " k"], counts: bool) -> Event:
        """Decide which branch is reported from here on."""
        if not len(self.belief):
            return "unseen"
        best = int(self.belief.log_weight.argmax())
        if self._branch is None:
            self._branch, self.support = int(self.belief.label[best]), float(support[best])
            return "found"
        own = self._index()
        self.support = float(support[own])
        agrees = self.support >= SEEN
        self._missed = 0 if agrees else self._missed + counts
        elsewhere = torch.where(support >= SEEN, self.belief.log_weight, -torch.inf)
        if self._missed >= self.patience and bool((elsewhere > -torch.inf).any()):
            return self._change(int(elsewhere.argmax()), support, "found again")
        if self.belief.log_weight[best] > self.belief.log_weight[own] + self.margin and not self._equal(best, own):
            return self._change(best, support, "switched")
        return "followed" if agrees else "outlier"

    def _equal(self, first: int, second: int) -> bool:
        """Whether two hypotheses are equivalents by the known symmetry: there is no reason to change then."""
        rotation = self.belief.rotation
        return self.group is not None and bool(self.group.distance(rotation[first], rotation[second]) < EQUAL)

    def _change(self, index: int, support: Float[Tensor, " k"], event: Event) -> Event:
        """Follow another branch, as the equivalent nearest to the last pose."""
        last = self.belief.rotation[self._index()] @ self._equivalent
        self._branch, self._missed, self.support = int(self.belief.label[index]), 0, float(support[index])
        if self.group is not None:
            each = self.group.equivalents(self.belief.rotation[index])
            nearest = geodesic_distance(each, last.expand_as(each)).argmin()
            self._equivalent = self.group.elements()[nearest].double()
        return event
