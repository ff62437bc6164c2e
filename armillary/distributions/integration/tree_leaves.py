"""The cells that part SO(3) for each of several densities, and what their nodes tell of the density in them."""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.peak_search import SURPRISE, Peaks
from armillary.distributions.integration.tree_nodes import cube, lagrange, line
from armillary.so3.cubes import BITS, Cells, cube_codes, cube_coordinates, cube_density, cube_home, join_cells

FINE = 6  # points an axis for the integral of the interpolated log density
MARGIN = 1.25  # a cell also looks after peaks outside of it by an eighth of its width
MOST = 20.0  # nats by which a cell may be more than it seems
EMPTY = -1e12  # nats: where a density is zero
HIDDEN = 0.5  # part of what a parent did not foretell that its children may still hide; 1/8 for smooth densities
INHERITED = 1 / 16  # part of the error of a cell that its children may have; 1/64 for smooth densities and order 3


def log_sum(
    values: Float[Tensor, " points"], owner: Int[Tensor, " points"], densities: int
) -> Float[Tensor, " {densities}"]:
    """Log of the sum of exp over the points of each density, differentiable.

    Example:
        >>> log_sum(torch.zeros(3), torch.tensor([0, 0, 1]), 2).exp()
        tensor([2., 1.])
    """
    highest = values.detach().new_full((densities,), -torch.inf).scatter_reduce(0, owner, values.detach(), "amax")
    highest = highest.clamp(min=torch.finfo(values.dtype).min)
    return values.new_zeros(densities).index_add(0, owner, (values - highest[owner]).exp()).log() + highest


@lru_cache(maxsize=8)
def _foretell(order: int, device: torch.device) -> Float[Tensor, "children nodes"]:
    """Interpolates from the nodes of a cell to those of its eight children."""
    node = line(order, device)[0]
    halves = torch.stack([lagrange(order, (node + side) / 2) for side in (-1.0, 1.0)])
    weights = torch.einsum("iax,jby,kcz->ijkabcxyz", halves, halves, halves)
    return weights.reshape(8 * order**3, order**3)


@dataclass(frozen=True)
class Leaves:
    """Cells with the log density at their nodes.

    Attributes:
        owner: Density of each cell.
        cells: The cells; those of one density part SO(3).
        height: f at the nodes.
        log_integral: Log of the integral of exp f over each.
        log_error: Log of the estimated error of that.
        unseen: Whether the nodes know nothing of a peak in or near the cell.
    """

    owner: Int[Tensor, " cells"]
    cells: Cells
    height: Float[Tensor, "cells points"]
    log_integral: Float[Tensor, " cells"]
    log_error: Float[Tensor, " cells"]
    unseen: Bool[Tensor, " cells"]

    def __len__(self) -> int:
        """How many cells."""
        return len(self.owner)

    def __getitem__(self, which: Int[Tensor, " some"] | Bool[Tensor, " cells"]) -> "Leaves":
        """Some of them."""
        return Leaves(
            self.owner[which],
            self.cells[which],
            self.height[which],
            self.log_integral[which],
            self.log_error[which],
            self.unseen[which],
        )

    @property
    def order(self) -> int:
        """Nodes along each axis of a cell."""
        return round(self.height.shape[1] ** (1 / 3))

    def split(self, which: Bool[Tensor, " cells"], children: "Leaves") -> "Leaves":
        """With some cells replaced by their eight children, which inherit doubts from them; ordered by density."""
        parents, each = self[which], children.log_integral.unflatten(0, (-1, 8))
        total = each.logsumexp(-1)
        higher = torch.maximum(total, parents.log_integral)
        change = ((total - higher).exp() - (parents.log_integral - higher).exp()).abs() * INHERITED
        inherited = (change.log() + higher - total)[:, None] + each
        # Where the children's nodes are higher than their parent foretold, there may be more between them.
        told = parents.height @ _foretell(self.order, self.height.device).T
        rise = (children.height.reshape(len(parents), -1) - told).amax(-1)
        empty = parents.height.amin(-1) < parents.height.amax(-1) + EMPTY
        rise = torch.where(empty, 0.0, rise)
        hidden = (HIDDEN * (rise - SURPRISE)).clamp(0, MOST).expm1().log()[:, None] + each
        doubt = torch.maximum(inherited, hidden).flatten()
        rest = self[~which]
        joined = Leaves(
            torch.cat([rest.owner, children.owner]),
            join_cells([rest.cells, children.cells]),
            torch.cat([rest.height, children.height]),
            torch.cat([rest.log_integral, children.log_integral]),
            torch.cat([rest.log_error, torch.maximum(children.log_error, doubt)]),
            torch.cat([rest.unseen, children.unseen]),
        )
        return joined[joined.owner.argsort(stable=True)]

    def coarse_neighbours(self, least: Float[Tensor, " densities"]) -> Bool[Tensor, " cells"]:
        """Which cells are more than twice as wide as one beside them from which the density may run into them.

        It does when the highest node of that side gives a cell of the smaller size more than ``least``.
        """
        side = self.height.unflatten(1, (self.order,) * 3)
        ends = [side.movedim(axis, 1)[:, end].amax((1, 2)) for axis in (1, 2, 3) for end in (0, -1)]
        size = 3 * self.cells.half.log() - 1  # a cell's volume is about half^3 * 8 pi / 64
        cell, face = (torch.stack(ends, 1) + (size - least[self.owner])[:, None] > 0).nonzero().T
        outward = torch.zeros(6, 3, dtype=torch.float64, device=face.device)
        outward[torch.arange(6), torch.arange(6) // 2] = torch.tensor(
            [-1.0, 1.0], dtype=torch.float64, device=face.device
        ).repeat(3)
        beside = self.cells.centre[cell] + outward[face] * (1.5 * self.cells.half[cell, None])
        # The last cell of the density that begins no later holds the point.
        keys, order = (self.owner << BITS | self.cells.codes()).sort()
        wanted = self.owner[cell] << BITS | cube_codes(*cube_home(self.cells.face[cell], beside))
        found = order[torch.searchsorted(keys, wanted, right=True) - 1]
        coarse = self.cells.half[found] > 2 * self.cells.half[cell]
        return torch.zeros_like(self.unseen).index_fill(0, found[coarse], True)


def study(owner: Int[Tensor, " cells"], cells: Cells, height: Float[Tensor, "cells points"]) -> Leaves:
    """Integral of each cell by its Gauss rule, and the error of that against the integral of an interpolation.

    Interpolating the log density is exact for Gaussian peaks, however narrow.
    """
    order = round(height.shape[1] ** (1 / 3))
    unit, weight = cube(order, height.device)
    log_density = cube_density(cells.points(unit)).log() + height
    highest = log_density.amax(-1)
    relative = (log_density - highest[:, None]).clamp(min=EMPTY)
    integral = relative.clamp(min=-80).exp() @ weight
    along = lagrange(order, line(FINE, height.device)[0])
    finer = torch.einsum("ia,jb,kc->ijkabc", along, along, along).reshape(FINE**3, -1)
    fine = (relative @ finer.T).clamp(-80, MOST).exp() @ cube(FINE, height.device)[1]
    # Half empty cells foretell nothing.
    fine = torch.where(relative.amin(-1) > EMPTY, fine, 0.0)
    size = highest + 3 * cells.half.log()
    unseen = torch.zeros_like(owner, dtype=torch.bool)
    return Leaves(owner, cells, height, integral.log() + size, (integral - fine).abs().log() + size, unseen)


def mark_unseen(leaves: Leaves, peaks: Peaks, least: Float[Tensor, " densities"]) -> Leaves:
    """Marks the cells near a peak that is higher than their nodes and could bring more than ``least``."""
    coordinates = cube_coordinates(peaks.rotation)
    best, size = leaves.height.amax(-1), 3 * leaves.cells.half.log() - 1
    unseen = torch.zeros_like(leaves.unseen)
    for column in range(peaks.height.shape[1]):
        top = peaks.height[leaves.owner, column]
        at = ((top > best + SURPRISE) & (top + size > least[leaves.owner])).nonzero()[:, 0]
        near = leaves.cells[at].near(coordinates[leaves.owner[at], column], MARGIN)
        unseen[at[near]] = True
    return replace(leaves, unseen=unseen)
