"""The weighted nodes that carry the mass of some densities.

Everything a distribution is asked is a sum over them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 65536  # nodes or draws handled together: bounds the memory, not the result
SCOUTS = 64  # points of each density that only teach the sampler its bound

Height = Callable[[Tensor, Tensor], Tensor]  # (rows, rotations) -> unnormalised log density


@runtime_checkable
class Nodes(Protocol):
    """Where the nodes of a cloud lie, and how much of SO(3) each stands for."""

    def log_weights(self) -> Float[Tensor, " nodes"]:
        """Log of the Haar probability each node stands for, in float64."""
        ...

    def rotations(self, which: Int[Tensor, " k"]) -> Float[Tensor, "k 3 3"]:
        """The rotation of chosen nodes, in float64."""
        ...

    def jitter(self, which: Int[Tensor, " k"], uniform: Float[Tensor, "3 k"]) -> Float[Tensor, "k 3 3"]:
        """Points uniform in the cells of chosen nodes, in float64; a cell has the volume of its node's weight."""
        ...

    def expectation(
        self, owner: Int[Tensor, " nodes"], probability: Float[Tensor, " nodes"], densities: int, lmax: int
    ) -> Float[Tensor, "{densities} modes"]:
        """Sum of ``probability * sqrt(2l+1) D^l_mn`` over the nodes of each density."""
        ...


@dataclass(frozen=True)
class Cloud:
    """Nodes for several densities, sorted by density.

    Attributes:
        rows: Which rows of the batch the densities are.
        owner: Density of each node, as an index into ``rows``.
        height: f at each node, the log density without its normaliser.
        nodes: Where they lie.
    """

    rows: Int[Tensor, " densities"]
    owner: Int[Tensor, " nodes"]
    height: Float[Tensor, " nodes"]
    nodes: Nodes

    def _sum(self, values: Float[Tensor, " nodes"]) -> Float[Tensor, " densities"]:
        return values.new_zeros(len(self.rows)).index_add(0, self.owner, values)

    def highest(self) -> Float[Tensor, " densities"]:
        """Largest f among each density's nodes."""
        lowest = self.height.new_full((len(self.rows),), -torch.inf)
        return lowest.scatter_reduce(0, self.owner, self.height, "amax")

    def log_masses(self) -> Float[Tensor, " nodes"]:
        """log(weight) + f - max f, in float64."""
        return self.nodes.log_weights() + (self.height - self.highest()[self.owner]).double()

    def log_integral(self) -> Float[Tensor, " densities"]:
        """Log integral of exp f over Haar probability, in float64."""
        return self._sum(self.log_masses().exp()).log() + self.highest()

    def probabilities(self) -> Float[Tensor, " nodes"]:
        """Probability of each node; sums to 1 for each density."""
        mass = self.log_masses().exp()
        return mass / self._sum(mass)[self.owner]

    def mean_height(self) -> Float[Tensor, " densities"]:
        """Expectation of f under each density."""
        highest = self.highest()
        return self._sum(self.probabilities() * (self.height - highest[self.owner]).double()) + highest

    def moments(self, lmax: int) -> Float[Tensor, "densities modes"]:
        """Expectation of ``sqrt(2l+1) D^l_mn`` under each density: the gradient of the log integral."""
        return self.nodes.expectation(self.owner, self.probabilities().to(self.height), len(self.rows), lmax)

    def level_set(self, mass: float) -> tuple[Float[Tensor, " densities"], Float[Tensor, " densities"]]:
        """Lowest f and Haar volume of the highest nodes that together carry ``mass`` of each density."""
        order = self.height.argsort(descending=True, stable=True)
        order = order[self.owner[order].argsort(stable=True)]
        probability, owner = self.probabilities()[order], self.owner[order]
        before = probability.cumsum(0) - probability - owner  # each earlier density contributes exactly 1
        inside = before + probability / 2 < mass
        height = torch.where(inside, self.height[order], torch.inf)
        threshold = height.new_full((len(self.rows),), torch.inf).scatter_reduce(0, owner, height, "amin")
        weight = self.nodes.log_weights()[order].exp() * inside
        volume = weight.new_zeros(len(self.rows)).index_add(0, owner, weight)
        return threshold, volume

    def nearest_mass(self, peaks: Float[Tensor, "densities k 3 3"], radius: float) -> Float[Tensor, "densities k"]:
        """Probability within ``radius`` of each peak and nearer to it than to any other."""
        mass = torch.zeros(len(self.rows) * peaks.shape[1], dtype=torch.float64, device=peaks.device)
        probability, flat = self.probabilities(), peaks.flatten(2)
        for part in self._parts():
            owner = self.owner[part]
            rotation = self.nodes.rotations(part).to(peaks.dtype).flatten(1)
            # The trace of P^T R is 1 + 2 cos(angle): the largest is the nearest.
            trace, nearest = (flat[owner] @ rotation[:, :, None])[..., 0].max(-1)
            inside = trace >= 1 + 2 * math.cos(radius)
            mass.index_add_(0, owner * peaks.shape[1] + nearest, probability[part] * inside)
        return mass.reshape(len(self.rows), -1).to(peaks.dtype)

    def draw(
        self, evaluate: Height, count: int, generator: torch.Generator | None
    ) -> Float[Tensor, "densities count 3 3"]:
        """Independent samples: a node by its probability, a point of its cell, kept or rejected by its density.

        The bound in the rejection is the largest ratio met so far for the density, over all draws of the first round.

        Args:
            evaluate: f of chosen densities (indices into ``rows``) at one rotation each.
            count: Samples of each density.
            generator: Source of randomness.

        Reference: Empirical supremum rejection sampling (Caffo, Booth and Davis, 2002),
            https://doi.org/10.1093/biomet/89.4.745
        """
        result = self.height.new_empty(len(self.rows) * count, 3, 3)
        cumulative = self.probabilities().cumsum(0)
        densities = torch.arange(len(self.rows), device=self.owner.device)
        first, last = (
            torch.searchsorted(self.owner, densities),
            torch.searchsorted(self.owner, densities, right=True) - 1,
        )
        bound = self.height.new_zeros(len(self.rows))
        waiting = torch.arange(len(result), device=result.device)
        while len(waiting):
            # Few draws would know the bound badly: always look at some more points than are asked for.
            owner = torch.cat([waiting // count, densities.repeat_interleave(SCOUTS)])
            uniform = torch.rand(5, len(owner), generator=generator, dtype=torch.float64, device=result.device)
            chosen = torch.searchsorted(cumulative, owner + uniform[0]).clamp(first[owner], last[owner])
            rotation = self.nodes.jitter(chosen, uniform[1:4]).to(result)
            parts = zip(owner.split(CHUNK), rotation.split(CHUNK), strict=True)
            gain = torch.cat([evaluate(rows, part) for rows, part in parts]) - self.height[chosen]
            bound = bound.scatter_reduce(0, owner, gain, "amax")
            accepted = (uniform[4].log() <= (gain - bound[owner]).double())[: len(waiting)]
            result[waiting[accepted]] = rotation[: len(waiting)][accepted]
            waiting = waiting[~accepted]
        return result.reshape(len(self.rows), count, 3, 3)

    def _parts(self) -> tuple[Int[Tensor, " k"], ...]:
        return torch.arange(len(self.owner), device=self.owner.device).split(CHUNK)
