"""A distribution known only by its values: its mass is found by adaptive cubature."""

import math
from abc import abstractmethod
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.base import Modes
from armillary.distributions.families.clouded import CloudedDistribution
from armillary.distributions.integration.adaptive_tree import AdaptiveTree, Survey
from armillary.distributions.integration.ascent import climb, distinct
from armillary.distributions.integration.cloud import Cloud

CHUNK = 65536  # rotations evaluated together: bounds the memory, not the result
APART = math.radians(2.0)  # peaks nearer to each other than this are one
RADIUS = math.radians(15.0)  # of the ball whose probability is the mass of a peak


class SurveyedDistribution(CloudedDistribution):
    """Answers every question from an `AdaptiveTree`'s survey of the log density.

    A family gives f for rotations that broadcast against the batch (``_height``), hints where peaks may be, the tree,
    and an empty tensor of the dtype and device of its answers.
    """

    def __init__(self, batch_shape: torch.Size, tree: AdaptiveTree, like: Tensor) -> None:
        super().__init__(batch_shape)
        self.tree = tree
        self._like = like

    @abstractmethod
    def _height(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density, perhaps without its normaliser, at rotations whose leading axes broadcast with the batch."""

    @abstractmethod
    def _hints(self) -> Float[Tensor, "densities k 3 3"] | None:
        """Rotations where narrow peaks may be."""

    def _evaluate(self, rows: Int[Tensor, " k"], rotation: Float[Tensor, "k 3 3"]) -> Float[Tensor, " k"]:
        """f of chosen densities at one rotation each: laid out as (n, batch), the shorter columns padded."""
        densities = self.batch_shape.numel()
        ordered, order = rows.sort(stable=True)
        number = torch.arange(len(rows), device=rows.device)
        rank = torch.empty_like(order).index_copy(0, order, number - torch.searchsorted(ordered, ordered))
        longest = int(rank.max()) + 1 if len(rank) else 0
        columns = torch.eye(3, dtype=self._like.dtype, device=rows.device).repeat(longest, densities, 1, 1)
        columns = columns.index_put((rank, rows), rotation.to(columns))
        parts = columns.reshape(longest, *self.batch_shape, 3, 3).split(max(1, CHUNK // max(densities, 1)))
        heights = [self._height(part).reshape(len(part), densities) for part in parts]
        return torch.cat(heights)[rank, rows]

    @cached_property
    def survey(self) -> Survey:
        """The nodes that carry the mass and the peaks; found once, when first asked for."""
        with torch.no_grad():
            hints = self._hints()
        return self.tree.survey(self._evaluate, self.batch_shape.numel(), hints, self._like.device)

    def _find_clouds(self) -> tuple[Cloud, ...]:
        return (self.survey.cloud,)

    def _find_fine_clouds(self) -> tuple[Cloud, ...]:
        return self._clouds

    def _dtype(self) -> torch.dtype:
        return self._like.dtype

    def modes(self, k: int) -> Modes:
        """The k highest distinct peaks, climbed by Newton steps; peaks nearer than 2 degrees are one.

        The mass of a peak is the probability within 15 degrees of it and nearer to it than to the other peaks.
        """
        (cloud,) = self._clouds
        rotation, height = self._summits(k)
        present = height.isfinite()
        # A missing peak attracts no mass: the highest one stands in for it.
        rotation = torch.where(present[..., None, None], rotation, rotation[:, :1])
        mass = torch.where(present, cloud.nearest_mass(rotation, RADIUS), 0.0)
        rotation, mass = (x.to(self._like).reshape(*self.batch_shape, *x.shape[1:]) for x in (rotation, mass))
        with torch.no_grad():
            log_prob = self.log_prob(rotation.movedim(-3, 0)).movedim(0, -1)
        log_prob = torch.where(present.reshape(log_prob.shape), log_prob, -torch.inf)
        return Modes(rotation, log_prob, mass)

    @torch.no_grad()
    def _summits(self, k: int) -> tuple[Float[Tensor, "densities {k} 3 3"], Float[Tensor, "densities {k}"]]:
        """Where the ascents of the survey and those from the highest nodes ended, distinct."""
        survey, densities = self.survey, self.batch_shape.numel()
        nodes = _highest_nodes(survey.cloud, k + 2)
        rows = torch.arange(densities, device=nodes.device).repeat_interleave(nodes.shape[1])
        summit, value, _ = climb(self._evaluate, rows, nodes.flatten(0, 1), torch.finfo(self._like.dtype).eps)
        rotation = torch.cat([survey.peaks.rotation, summit.unflatten(0, (densities, -1))], 1)
        height = torch.cat([survey.peaks.height, value.nan_to_num(-torch.inf).unflatten(0, (densities, -1))], 1)
        return distinct(rotation, height, k, APART)


def _highest_nodes(cloud: Cloud, k: int) -> Float[Tensor, "densities {k} 3 3"]:
    """For each density the highest node, the highest of those outside its ball, and so on."""
    rotation = cloud.nodes.rotations(torch.arange(len(cloud.owner), device=cloud.owner.device))
    height, number = cloud.height.clone(), torch.arange(len(cloud.owner), device=cloud.owner.device)
    lowest = height.new_full((len(cloud.rows),), -torch.inf)
    chosen = []
    for _ in range(k):
        best = lowest.scatter_reduce(0, cloud.owner, height, "amax")
        at = torch.where(height == best[cloud.owner], number, len(number))
        at = at.new_full((len(cloud.rows),), len(number)).scatter_reduce(0, cloud.owner, at, "amin")
        chosen.append(rotation[at])
        trace = (rotation * chosen[-1][cloud.owner]).sum((-2, -1))
        height = torch.where(trace > 1 + 2 * math.cos(RADIUS), -torch.inf, height)
    return torch.stack(chosen, 1)
