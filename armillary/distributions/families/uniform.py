"""The uniform distribution on SO(3)."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import CredibleRegion, Modes, SO3Distribution, ball_radius, require_mass
from armillary.so3.rotation import random_rotations


class Uniform(SO3Distribution):
    """Haar measure itself: ``log_prob == 0``.

    Every rotation is a mode; the identity is returned, with all the mass.

    Example:
        >>> Uniform().log_prob(torch.eye(3))
        tensor(0.)
    """

    def __init__(
        self,
        batch_shape: torch.Size | tuple[int, ...] = (),
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(torch.Size(batch_shape))
        self._zero = torch.zeros((), dtype=dtype, device=device)

    def _identity(self, shape: torch.Size) -> Tensor:
        return torch.eye(3, dtype=self._zero.dtype, device=self._zero.device).expand(*shape, 3, 3)

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Zero everywhere."""
        shape = torch.broadcast_shapes(value.shape[:-2], self.batch_shape)
        return torch.zeros(shape, dtype=value.dtype, device=value.device)

    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Uniform random rotations."""
        shape = (*sample_shape, *self.batch_shape)
        return random_rotations(*shape, generator=generator, dtype=self._zero.dtype, device=self._zero.device)

    def modes(self, k: int) -> Modes:
        """The identity, and nothing else."""
        rotation = self._identity(torch.Size((*self.batch_shape, k)))
        mass = torch.zeros(*self.batch_shape, k, dtype=rotation.dtype, device=rotation.device)
        mass[..., 0] = 1
        return Modes(rotation, torch.where(mass > 0, 0.0, -torch.inf).to(mass), mass)

    @property
    def mean(self) -> Float[Tensor, "*batch 3 3"]:
        """The identity, by convention: the expected matrix is zero."""
        return self._identity(self.batch_shape)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Zero: the largest entropy there is."""
        return self._zero.expand(self.batch_shape)

    def credible_region(self, mass: float) -> CredibleRegion:
        """Any region of volume ``mass``."""
        require_mass(mass)
        volume = torch.full_like(self._zero, mass).expand(self.batch_shape)
        return CredibleRegion(torch.zeros_like(volume), volume, ball_radius(volume))

    def rotate(self, rotation: Float[Tensor, "*shape 3 3"]) -> "Uniform":
        """Itself, with the batch shape broadcast."""
        return self.expand(torch.broadcast_shapes(rotation.shape[:-2], self.batch_shape))

    def expand(self, batch_shape: torch.Size | tuple[int, ...]) -> "Uniform":  # type: ignore[override]
        """The uniform distribution with another batch shape."""
        return Uniform(batch_shape, dtype=self._zero.dtype, device=self._zero.device)
