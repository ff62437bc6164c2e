"""Adaptive cubature of any density on SO(3), on the octree of gnomonic cubes."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.ascent import climb, distinct
from armillary.distributions.integration.cloud import Cloud, Height
from armillary.distributions.integration.tree_nodes import TreeNodes, cube, lagrange, line
from armillary.so3.cubes import Cells, all_cells, cube_coordinates, cube_density, cube_rotation, join_cells

CHUNK = 65536  # nodes evaluated together: bounds the memory, not the result
FINE = 6  # points an axis for the integral of the interpolated density
APART = math.radians(20.0)  # of nodes to climb from
MARGIN = 1.25  # a cell sees a peak that lies this much outside of it
DEEPEST = 2.0**-26  # half width of the smallest cell, 1e-7 radians
INHERITED = 1 / 16  # part of a cell's error that is left to its children
SURPRISE = 0.5  # nats: a cell that foretells a peak's height to that has seen it
STAGE = 0.1  # share of the error that is left by a stage
NEGLIGIBLE = 1e-3  # share of the tolerance


@dataclass(frozen=True)
class Survey:
    """What a tree found.

    Attributes:
        cloud: The nodes that carry the mass.
        error: Estimated relative error of the integral of each density.
        peaks: Rotations the ascents ended at, highest first.
        heights: f there; ``-inf`` where there are fewer.
        evaluations: Evaluations of f, all densities together.
    """

    cloud: Cloud
    error: Float[Tensor, " densities"]
    peaks: Float[Tensor, "densities k 3 3"]
    heights: Float[Tensor, "densities k"]
    evaluations: int


@dataclass(frozen=True)
class _Leaves:
    """Cells that part SO(3) for each density, with what is known of them."""

    owner: Int[Tensor, " cells"]
    cells: Cells
    height: Float[Tensor, "cells points"]
    log_integral: Float[Tensor, " cells"]
    log_error: Float[Tensor, " cells"]
    unseen: Bool[Tensor, " cells"]  # a peak is near of which the nodes know nothing

    def __getitem__(self, which: Tensor) -> "_Leaves":
        return _Leaves(
            self.owner[which],
            self.cells[which],
            self.height[which],
            self.log_integral[which],
            self.log_error[which],
            self.unseen[which],
        )


def _join(first: _Leaves, second: _Leaves) -> _Leaves:
    return _Leaves(
        torch.cat([first.owner, second.owner]),
        join_cells([first.cells, second.cells]),
        torch.cat([first.height, second.height]),
        torch.cat([first.log_integral, second.log_integral]),
        torch.cat([first.log_error, second.log_error]),
        torch.cat([first.unseen, second.unseen]),
    )


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


@dataclass(frozen=True)
class AdaptiveTree:
    """Integrals of exp f for any f, to an estimated relative error.

    Args:
        tolerance: Wanted relative error of the integral.
        order: Gauss-Legendre nodes along each axis of a cell.
        depth: Depth of the cells to begin with.
        ascents: Nodes to climb from.
        budget: Nodes a density may have.
    """

    tolerance: float = 1e-4
    order: int = 3
    depth: int = 2
    ascents: int = 8
    budget: int = 2**20

    @torch.no_grad()
    def survey(
        self,
        evaluate: Height,
        densities: int,
        starts: Float[Tensor, "densities k 3 3"] | None = None,
        device: torch.device | str | None = None,
    ) -> Survey:
        """Finds the nodes that carry the mass of each density."""
        run = _Run(self, evaluate, densities, torch.device(device or "cpu"))
        return run.survey(starts)


class _Run:
    def __init__(self, tree: AdaptiveTree, evaluate: Height, densities: int, device: torch.device) -> None:
        self.tree, self.densities, self.device = tree, densities, device
        self.given = evaluate
        self.evaluations = 0
        self.resolution = 2.0**-52

    def evaluate(self, rows: Tensor, rotation: Tensor) -> Tensor:
        self.evaluations += len(rows)
        value = self.given(rows, rotation)
        self.resolution = max(self.resolution, torch.finfo(value.dtype).eps)
        return value

    def survey(self, starts: Tensor | None) -> Survey:
        roots = all_cells(self.tree.depth, self.device)
        number = torch.arange(len(roots), device=self.device).repeat(self.densities)
        owner = torch.arange(self.densities, device=self.device).repeat_interleave(len(roots))
        cells = roots[number]
        height = self.heights(owner, cells)
        peaks, heights, laplace = self.ascend(owner, cells, height, starts)
        coordinates = cube_coordinates(peaks)
        leaves = self.study(owner, cells, height, coordinates, heights, laplace)
        guess = laplace
        while True:
            total = log_sum(leaves.log_integral, leaves.owner, self.densities)
            split = self.select(leaves, torch.maximum(total, guess))
            if not bool(split.any()):
                if bool((guess <= total).all()):
                    break
                guess = total
                continue
            leaves = self.refine(leaves, split, coordinates, heights, torch.maximum(total, guess))
        error = (log_sum(leaves.log_error, leaves.owner, self.densities) - total).exp()
        return Survey(self.cloud(leaves, total), error, peaks, heights, self.evaluations)

    def heights(self, owner: Tensor, cells: Cells) -> Tensor:
        """f at the nodes of cells of sorted owner; each call sees about equally many nodes of every density."""
        unit = cube(self.tree.order, self.device)[0]
        first = torch.searchsorted(owner, owner)
        order = (torch.arange(len(owner), device=self.device) - first).argsort(stable=True)
        parts = []
        for part in order.split(max(1, CHUNK // len(unit))):
            some = cells[part]
            rotation = cube_rotation(some.face[:, None], some.points(unit)).flatten(0, 1)
            rows = owner[part].repeat_interleave(len(unit))
            parts.append(self.evaluate(rows, rotation).double().reshape(len(part), -1))
        height = torch.cat(parts)
        if bool(height.isnan().any()) or bool((height == torch.inf).any()):
            raise ValueError(
                "expected a finite log density (or -inf), got NaN or inf; the model or its input is broken"
            )
        return torch.empty_like(height).index_copy(0, order, height).clamp(min=-1e300)

    def ascend(self, owner: Tensor, cells: Cells, height: Tensor, starts: Tensor | None):
        best = height.max(-1)
        unit = cube(self.tree.order, self.device)[0]
        point = cells.centre + unit[best.indices] * cells.half[:, None]
        rotation = cube_rotation(cells.face, point).reshape(self.densities, -1, 3, 3)
        rotation, top = distinct(rotation, best.values.reshape(self.densities, -1), self.tree.ascents, APART)
        if starts is not None:
            rotation = torch.cat([starts.detach().double(), rotation], 1)
        count = rotation.shape[1]
        rows = torch.arange(self.densities, device=self.device).repeat_interleave(count)
        summit, value, hessian = climb(self.evaluate, rows, rotation.flatten(0, 1), self.resolution)
        summit, value = summit.reshape(-1, count, 3, 3), value.reshape(-1, count).nan_to_num(-torch.inf)
        curvature = torch.linalg.eigvalsh(hessian.nan_to_num(0.0, 0.0, 0.0)).neg().clamp(min=1.0)
        laplace = (
            value
            + (1.5 * math.log(2 * math.pi) - math.log(8 * math.pi**2))
            - curvature.log().sum(-1).reshape(-1, count) / 2
        )
        laplace = torch.where(value.isfinite(), laplace, -torch.inf).amax(-1)
        order = value.argsort(dim=-1, descending=True, stable=True)
        return summit.take_along_dim(order[..., None, None], 1), value.take_along_dim(order, 1), laplace

    def study(
        self, owner: Tensor, cells: Cells, height: Tensor, coordinates: Tensor, heights: Tensor, scale: Tensor
    ) -> _Leaves:
        """Integral and error of each cell, and whether a peak hides in it."""
        unit, weight = cube(self.tree.order, self.device)
        haar = cube_density(cells.points(unit)).log()
        log_density = haar + height
        highest = log_density.amax(-1)
        integral = ((log_density - highest[:, None]).clamp(min=-80).exp() * weight).sum(-1)
        # The same with the log density interpolated: exact for Gaussian peaks, however narrow.
        along = lagrange(self.tree.order, line(FINE, self.device)[0])
        finer = torch.einsum("ia,jb,kc->ijkabc", along, along, along).reshape(FINE**3, -1)
        fine_weight = cube(FINE, self.device)[1]
        fine = ((log_density - highest[:, None]) @ finer.T).clamp(-80, 80).exp() @ fine_weight
        volume = highest + 3 * cells.half.log()
        unseen = self.unseen(owner, cells, height, coordinates, heights, scale)
        return _Leaves(owner, cells, height, integral.log() + volume, (integral - fine).abs().log() + volume, unseen)

    def unseen(self, owner, cells: Cells, height, coordinates, heights, scale) -> Tensor:
        cell, peak = cells.near(coordinates[owner], MARGIN).nonzero().T
        near = cells[cell]
        own = coordinates[owner[cell], peak, near.face]
        basis = lagrange(self.tree.order, (own - near.centre) / near.half[:, None])
        foretold = torch.einsum("sabc,sa,sb,sc->s", height[cell].unflatten(1, (self.tree.order,) * 3), *basis.unbind(1))
        top = heights[owner[cell], peak]
        matters = top + 3 * near.half.log() - 1 > scale[owner[cell]] + math.log(NEGLIGIBLE * self.tree.tolerance)
        matters &= ~((foretold - top).abs() < SURPRISE)
        return torch.zeros_like(owner, dtype=torch.bool).index_put(
            (cell[matters],), torch.tensor(True, device=self.device)
        )

    def select(self, leaves: _Leaves, scale: Tensor) -> Tensor:
        error = (leaves.log_error - scale[leaves.owner]).clamp(-80, 80).exp()
        total = error.new_zeros(self.densities).index_add(0, leaves.owner, error)
        allowed = torch.where(
            total > self.tree.tolerance, torch.maximum(total * STAGE, total.new_tensor(self.tree.tolerance)), torch.inf
        )
        order = error.argsort(stable=True)
        order = order[leaves.owner[order].argsort(stable=True)]
        cumulative = error[order].cumsum(0)
        before = (total.cumsum(0) - total)[leaves.owner[order]]
        split = torch.empty_like(leaves.unseen).index_copy(0, order, cumulative - before > allowed[leaves.owner[order]])
        count = torch.bincount(leaves.owner, minlength=self.densities) * self.tree.order**3
        return (split | leaves.unseen) & (leaves.cells.half > DEEPEST) & (count < self.tree.budget)[leaves.owner]

    def refine(self, leaves: _Leaves, split: Tensor, coordinates, heights, scale) -> _Leaves:
        parents = leaves[split]
        owner, cells = parents.owner.repeat_interleave(8), parents.cells.children()
        children = self.study(owner, cells, self.heights(owner, cells), coordinates, heights, scale)
        each = children.log_integral.unflatten(0, (-1, 8))
        total = each.logsumexp(-1)
        high = torch.maximum(total, parents.log_integral)
        change = ((total - high).exp() - (parents.log_integral - high).exp()).abs().log() + high
        inherited = (change - total + math.log(INHERITED))[:, None] + each
        children = replace(children, log_error=torch.maximum(children.log_error, inherited.flatten()))
        joined = _join(leaves[~split], children)
        return joined[joined.owner.argsort(stable=True)]

    def cloud(self, leaves: _Leaves, total: Tensor) -> Cloud:
        unit, weight = cube(self.tree.order, self.device)
        log_mass = (
            leaves.height + (cube_density(leaves.cells.points(unit)) * weight * leaves.cells.half[:, None] ** 3).log()
        )
        count = torch.bincount(leaves.owner, minlength=self.densities) * len(unit)
        least = total + math.log(NEGLIGIBLE * self.tree.tolerance) - count.log()
        cell, place = (log_mass > least[leaves.owner, None]).nonzero().T
        nodes = TreeNodes(leaves.cells, cell, place, self.tree.order)
        rows = torch.arange(self.densities, device=self.device)
        return Cloud(rows, leaves.owner[cell], leaves.height[cell, place], nodes)
