"""The one interface of the library: a probability distribution over rotations."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

ROTATION = torch.Size((3, 3))


class Modes(NamedTuple):
    """Distinct peaks, highest first.

    Attributes:
        rotation: The peaks.
        log_prob: Their log density (Haar probability); ``-inf`` where there are fewer peaks than asked for.
        mass: Probability of the rotations that are nearer to this peak than to the others and within
            the radius that the distribution states.
    """

    rotation: Float[Tensor, "*batch k 3 3"]
    log_prob: Float[Tensor, "*batch k"]
    mass: Float[Tensor, "*batch k"]


class CredibleRegion(NamedTuple):
    """The smallest set of rotations that carries a given probability.

    Attributes:
        threshold: A rotation belongs to the region when its ``log_prob`` is at least this.
        volume: Haar probability of the region: the fraction of all rotations it covers.
        radius: Angle in radians of the geodesic ball with that volume.
    """

    threshold: Float[Tensor, "*batch"]
    volume: Float[Tensor, "*batch"]
    radius: Float[Tensor, "*batch"]


class SO3Distribution(Distribution, ABC):
    """A batch of probability distributions over rotations, with densities for normalised Haar measure.

    The uniform distribution has ``log_prob == 0`` everywhere. Literature that takes the volume of SO(3) as pi^2 reports
    ``log_prob - log(pi**2)`` (``armillary.evaluation``).
    """

    arg_constraints = {}  # type: ignore[assignment]

    def __init__(self, batch_shape: torch.Size) -> None:
        super().__init__(batch_shape, ROTATION, validate_args=False)

    @abstractmethod
    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density at rotations whose leading axes broadcast against ``batch_shape``."""

    @abstractmethod
    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Independent draws, shape ``sample_shape + batch_shape + (3, 3)``."""

    @abstractmethod
    def modes(self, k: int) -> Modes:
        """The k highest distinct peaks."""

    @property
    def mode(self) -> Float[Tensor, "*batch 3 3"]:
        """The most probable rotation."""
        return self.modes(1).rotation[..., 0, :, :]

    @property
    @abstractmethod
    def mean(self) -> Float[Tensor, "*batch 3 3"]:
        """The chordal mean: the rotation nearest to the expected matrix."""

    @abstractmethod
    def entropy(self) -> Float[Tensor, "*batch"]:
        """Differential entropy in nats, at most 0 (that of the uniform distribution)."""

    @abstractmethod
    def credible_region(self, mass: float) -> CredibleRegion:
        """The smallest region that carries probability ``mass``."""

    @abstractmethod
    def rotate(self, rotation: Float[Tensor, "*shape 3 3"]) -> "SO3Distribution":
        """The law of ``rotation @ X``."""

    @abstractmethod
    def expand(self, batch_shape: torch.Size | tuple[int, ...]) -> "SO3Distribution":  # type: ignore[override]
        """The same distributions with a larger batch shape."""


def require_mass(mass: float) -> None:
    """Raises ValueError unless 0 < mass <= 1."""
    if not 0 < mass <= 1:
        raise ValueError(f"expected a probability mass in (0, 1], got {mass}")


def ball_radius(volume: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Angle of the geodesic ball of a given Haar probability: inverts :math:`V=(\omega-\sin\omega)/\pi`.

    Example:
        >>> ball_radius(torch.tensor(1.0))
        tensor(3.1416)
    """
    target = volume.double().clamp(0, 1) * torch.pi
    low, high = torch.zeros_like(target), torch.full_like(target, torch.pi)
    for _ in range(60):  # bisection: monotone, and 2^-60 of pi is below rounding
        middle = (low + high) / 2
        below = middle - middle.sin() < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return high.to(volume.dtype)
