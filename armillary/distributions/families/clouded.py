"""A distribution whose questions are answered by sums over the nodes that carry its mass."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import CredibleRegion, SO3Distribution, ball_radius, require_mass
from armillary.distributions.integration.cloud import Cloud
from armillary.so3.rotation import nearest_rotation

NOTHING = 1e-6  # an expected matrix whose entries are below this is rounding


class CloudedDistribution(SO3Distribution):
    """Answers mean, entropy, credible regions and moments from a cloud of nodes.

    A family says where its mass lies (``_clouds``) and how high f is there; the normaliser of the cloud is its own, so
    f need not be normalised. Clouds are found once, when first asked for, and carry no gradient.
    """

    @abstractmethod
    def _find_clouds(self) -> tuple[Cloud, ...]:
        """The nodes that carry the mass, for all densities of the batch in some order."""

    @abstractmethod
    def _find_fine_clouds(self) -> tuple[Cloud, ...]:
        """Clouds in which no node carries much: a handful of nodes to a peak, for samples and level sets."""

    @abstractmethod
    def _dtype(self) -> torch.dtype:
        """Of the answers."""

    @cached_property
    def _clouds(self) -> tuple[Cloud, ...]:
        return self._find_clouds()

    @cached_property
    def _fine_clouds(self) -> tuple[Cloud, ...]:
        return self._find_fine_clouds()

    def _gather(self, ask: Callable[[Cloud], Tensor], fine: bool = False) -> Float[Tensor, "*batch_and_answer"]:
        """One answer a density, asked of each cloud and put back in batch order and shape."""
        clouds = self._fine_clouds if fine else self._clouds
        answers = torch.cat([ask(cloud) for cloud in clouds])
        rows = torch.cat([cloud.rows for cloud in clouds])
        ordered = torch.empty_like(answers).index_copy(0, rows, answers).to(self._dtype())
        return ordered.reshape((*self.batch_shape, *answers.shape[1:]))

    def moments(self, lmax: int) -> Float[Tensor, "*batch modes"]:
        r"""Expectation of :math:`\sqrt{2l+1}\,D^l_{mn}`: the coefficients of the density itself."""
        return self._gather(lambda cloud: cloud.moments(lmax))

    @property
    def mean(self) -> Float[Tensor, "*batch 3 3"]:
        """The rotation nearest to the expected matrix; the identity where that is zero."""
        # Degree 1 is the matrix in the order (y, z, x).
        first = self.moments(1)[..., 1:].unflatten(-1, (3, 3))[..., [2, 0, 1], :][..., [2, 0, 1]]
        nothing = first.abs().amax((-2, -1), keepdim=True) < NOTHING
        return nearest_rotation(torch.where(nothing, torch.eye(3).to(first), first))

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Differential entropy in nats, log Z - E[f], to the accuracy of the cloud."""
        # Subtracted in float64: a small difference of large numbers.
        return self._gather(lambda cloud: cloud.log_integral() - cloud.mean_height())

    def credible_region(self, mass: float) -> CredibleRegion:
        """The smallest region of probability ``mass``: all rotations above a level of the density."""
        require_mass(mass)
        level = self._gather(lambda cloud: cloud.level_set(mass)[0] - cloud.log_integral(), fine=True)
        volume = self._gather(lambda cloud: cloud.level_set(mass)[1], fine=True)
        return CredibleRegion(level, volume, ball_radius(volume))
