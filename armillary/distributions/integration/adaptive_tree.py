r"""Adaptive cubature: the integral of any density on SO(3), from its values alone.

The octree of ``so3.cubes`` is refined where the mass is. Each cell has a tensor Gauss-Legendre rule of a few nodes; its
error is taken to be the largest of

* the difference to the integral of exp of the *interpolated* log density, which is exact for Gaussian peaks however
  narrow, so that a cell knows from a few nodes that it is too coarse for what it sees;
* its share of what its parent's integral changed by when that was split, over 16; and
* what may hide between its nodes if they rose above what the parent's interpolation foretold.

The cells with the largest errors are split until the errors add up to the tolerance. Three things make the nodes see
narrow peaks and ridges: ascents (``peak_search``) whose ends are refined until the nodes near them are as high, hints
that are climbed from, and a rule that a cell is no more than twice as wide as one beside it from which mass may run
into it, so that a ridge, once found, is followed to its end.

Evaluations for a tolerance of 1e-2, 1e-3 and 1e-4: isotropic peaks of 20 degrees 8,800, 9,100 and 13,400, of 2 degrees
11,400, 14,600 and 23,400, of 0.1 degrees 13,200, 16,200 and 24,600; cusps :math:`e^{-\theta/s}`, s = 0.5 degrees,
15,000, 20,000 and 33,000, because cells are graded towards them. Cells are cubes, so a needle (deviations of 1, 5 and
20 degrees) takes 320,000. The level-5 grid of Implicit-PDF has 2,359,296 rotations.

What no node, no ascent and no hint sees is not integrated: f is a black box, the error is an estimate and not a bound.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.cloud import Cloud, Height
from armillary.distributions.integration.peak_search import Peaks, search_peaks
from armillary.distributions.integration.tree_leaves import Leaves, log_sum, mark_unseen, study
from armillary.distributions.integration.tree_nodes import TreeNodes, cube
from armillary.so3.cubes import DEEPEST, Cells, all_cells, cube_density, cube_rotation

CHUNK = 65536  # nodes evaluated together: bounds the memory, not the result
STAGE = 0.1  # part of the error that a stage leaves: cells are judged again when the mass is better known
BORDER = 0.1  # part of the tolerance that may run over a border unseen
NOISY = 16.0  # times the rounding of f: cells whose nodes differ by less know no more
NEGLIGIBLE = 1e-3  # part of the tolerance that is nothing


@dataclass(frozen=True)
class Survey:
    """What a tree found.

    Attributes:
        cloud: The nodes that carry the mass.
        error: Estimated relative error of the integral of each density.
        peaks: Where ascents ended.
        evaluations: Of f, all densities together.
    """

    cloud: Cloud
    error: Float[Tensor, " densities"]
    peaks: Peaks
    evaluations: int


class _Counted:
    """f with its evaluations counted and its rounding noted."""

    def __init__(self, evaluate: Height) -> None:
        self.evaluate, self.evaluations, self.resolution = evaluate, 0, torch.finfo(torch.float64).eps

    def __call__(self, rows: Int[Tensor, " k"], rotation: Float[Tensor, "k 3 3"]) -> Float[Tensor, " k"]:
        value = self.evaluate(rows, rotation)
        self.evaluations += len(rows)
        self.resolution = max(self.resolution, torch.finfo(value.dtype).eps)
        return value.double()


@dataclass(frozen=True)
class AdaptiveTree:
    """Integrals of exp f for any f on SO(3), to an estimated relative error.

    Args:
        tolerance: Wanted relative error of the integral; ``Survey.error`` says what was reached.
        order: Gauss-Legendre nodes along each axis of a cell.
        depth: Of the cells to begin with; 2 has 256 cells, with 27 nodes each 15 degrees apart.
        budget: Nodes a density may take.

    Example:
        >>> survey = AdaptiveTree().survey(lambda rows, R: 100 * R[:, 2, 2], densities=1)
        >>> survey.cloud.log_integral() - 100  # -log(200), for the integral is (e^100 - e^-100) / 200
        tensor([-5.2983], dtype=torch.float64)
    """

    tolerance: float = 1e-4
    order: int = 3
    depth: int = 2
    budget: int = 2**21

    @torch.no_grad()
    def survey(
        self,
        evaluate: Height,
        densities: int,
        starts: Float[Tensor, "{densities} k 3 3"] | None = None,
        device: torch.device | str | None = None,
    ) -> Survey:
        """Finds the nodes that carry the mass of each density, all densities together.

        Args:
            evaluate: f of some densities (numbers below ``densities``) at one rotation each, float64 in, any float
                out; ``-inf`` is allowed. A call has about equally many rotations of each density as long as they last.
            densities: How many.
            starts: Rotations where narrow peaks may be.
            device: Where the rotations are made.
        """
        counted, device = _Counted(evaluate), torch.device(device or "cpu")
        roots = all_cells(1, device)
        owner = torch.arange(densities, device=device).repeat_interleave(len(roots))
        cells = roots[torch.arange(len(roots), device=device).repeat(densities)]
        leaves = study(owner, cells, self._evaluate(counted, owner, cells))
        for _ in range(1, self.depth):
            leaves = self._split(counted, leaves, torch.ones_like(leaves.unseen))
        grid = leaves.height.reshape(densities, -1)
        peaks = search_peaks(counted, grid, self.order, self.depth, starts, counted.resolution)
        noise = torch.where(grid > -1e290, grid.abs(), 0.0).amax(-1) * counted.resolution
        leaves = self._refine(counted, leaves, peaks, noise)
        total = log_sum(leaves.log_integral, leaves.owner, densities)
        error = (log_sum(leaves.log_error, leaves.owner, densities) - total).exp()
        return Survey(self._cloud(leaves, total), error, peaks, counted.evaluations)

    def _refine(self, evaluate: _Counted, leaves: Leaves, peaks: Peaks, noise: Float[Tensor, " densities"]) -> Leaves:
        # The mass is taken to be no less than that of the best peak, until the cells have seen that peak.
        expected, densities = peaks.log_mass.amax(-1), len(peaks.height)
        while True:
            total = log_sum(leaves.log_integral, leaves.owner, densities)
            scale = torch.maximum(total, expected)
            leaves = mark_unseen(leaves, peaks, scale + math.log(NEGLIGIBLE * self.tolerance))
            which = self._choose(leaves, scale)
            # Splitting does not make rounding errors smaller.
            spread = leaves.height.amax(-1) - leaves.height.amin(-1)
            which &= leaves.unseen | (spread >= NOISY * noise[leaves.owner])
            if bool(which.any()):
                leaves = self._split(evaluate, leaves, which)
            elif bool((expected > total).any()):
                expected = torch.full_like(total, -torch.inf)
            else:
                return leaves

    def _choose(self, leaves: Leaves, scale: Float[Tensor, " densities"]) -> Bool[Tensor, " cells"]:
        """Cells to split: those with the largest errors, unseen peaks, or much smaller neighbours with mass."""
        densities, owner = len(scale), leaves.owner
        error = (leaves.log_error - scale[owner]).clamp(-80, 80).exp()
        total = error.new_zeros(densities).index_add(0, owner, error)
        allowed = torch.where(total > self.tolerance, (total * STAGE).clamp(min=self.tolerance), torch.inf)
        order = error.argsort(stable=True)
        order = order[owner[order].argsort(stable=True)]
        before = (total.cumsum(0) - total)[owner[order]]
        large = error[order].cumsum(0) - before > allowed[owner[order]]
        which = torch.empty_like(large).index_copy(0, order, large) | leaves.unseen
        which |= leaves.coarse_neighbours(scale + math.log(BORDER * self.tolerance))
        afford = torch.bincount(owner, minlength=densities) * self.order**3 < self.budget
        return which & (leaves.cells.half > 2.0**-DEEPEST) & afford[owner]

    def _split(self, evaluate: _Counted, leaves: Leaves, which: Bool[Tensor, " cells"]) -> Leaves:
        owner, cells = leaves.owner[which].repeat_interleave(8), leaves.cells[which].children()
        return leaves.split(which, study(owner, cells, self._evaluate(evaluate, owner, cells)))

    def _evaluate(self, evaluate: _Counted, owner: Int[Tensor, " cells"], cells: Cells) -> Float[Tensor, "cells nodes"]:
        """f at the nodes of cells that are sorted by density, a chunk of all densities at a time."""
        unit = cube(self.order, owner.device)[0]
        rank = torch.arange(len(owner), device=owner.device) - torch.searchsorted(owner, owner)
        order = rank.argsort(stable=True)
        heights = []
        for part in order.split(CHUNK // len(unit)):
            rotation = cube_rotation(cells.face[part, None], cells[part].points(unit)).flatten(0, 1)
            heights.append(evaluate(owner[part].repeat_interleave(len(unit)), rotation))
        height = torch.cat(heights).unflatten(0, (-1, len(unit)))
        if bool(height.isnan().any()) or bool((height == torch.inf).any()):
            raise ValueError("expected log densities below infinity, got NaN or inf; the model or its input is broken")
        return torch.empty_like(height).index_copy(0, order, height.clamp(min=-1e300))

    def _cloud(self, leaves: Leaves, total: Float[Tensor, " densities"]) -> Cloud:
        unit, weight = cube(self.order, total.device)
        size = (cube_density(leaves.cells.points(unit)) * weight * leaves.cells.half[:, None] ** 3).log()
        count = torch.bincount(leaves.owner, minlength=len(total)) * len(unit)
        least = total + math.log(NEGLIGIBLE * self.tolerance) - count.log()
        cell, place = (leaves.height + size > least[leaves.owner, None]).nonzero().T
        nodes = TreeNodes(leaves.cells, cell, place, self.order)
        rows = torch.arange(len(total), device=total.device)
        return Cloud(rows, leaves.owner[cell], leaves.height[cell, place], nodes)
