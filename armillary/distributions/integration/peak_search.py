"""Peaks of a black box: ascents from the local maxima of a grid, as many as keep finding peaks.

A narrow peak carries mass that no node of a coarse grid sees, but its log density is wide: the nodes about it are
higher than those further away.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.integration.ascent import choose_distinct, climb
from armillary.distributions.integration.cloud import Height
from armillary.distributions.integration.tree_nodes import cube, line
from armillary.so3.cubes import (
    DEEPEST,
    all_cells,
    cube_codes,
    cube_coordinates,
    cube_home,
    cube_rotation,
)

ROUNDS = (8, 16, 32, 64)  # ascents in each round
SURPRISE = 0.5  # nats that a peak of interest rises above the nodes of its cell
CUSP = 1e300  # stands for a density that is infinite at its peak
SAME = math.radians(0.2)  # peaks nearer to each other are one


@dataclass(frozen=True)
class Peaks:
    """Distinct ends of ascents, highest first.

    Attributes:
        rotation: The peaks.
        height: f there; ``-inf`` where there are fewer than k.
        log_mass: Log of the integral of exp f about each by Laplace's approximation.
    """

    rotation: Float[Tensor, "densities k 3 3"]
    height: Float[Tensor, "densities k"]
    log_mass: Float[Tensor, "densities k"]


@lru_cache(maxsize=8)
def _beside(depth: int, order: int, device: torch.device) -> Int[Tensor, "nodes 26"]:
    """The nodes about each node of the grid of one depth."""
    cells, node = all_cells(depth, device), line(order, device)[0]
    unit = cube(order, device)[0]
    sign = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64, device=device)
    offset = torch.cartesian_prod(sign, sign, sign)[torch.arange(27, device=device) != 13] * (2 / order)
    probes = cells.points((unit[:, None] + offset).flatten(0, 1)).flatten(0, 1)
    face, point = cube_home(cells.face.repeat_interleave(len(unit) * 26), probes)
    cell = cube_codes(face, point) >> 3 * (DEEPEST - depth)
    local = (point - cells.centre[cell]) / cells.half[cell, None]
    x, y, z = (local[..., None] - node).abs().argmin(-1).unbind(-1)
    return (cell * len(unit) + (x * order + y) * order + z).unflatten(0, (-1, 26))


def search_peaks(
    evaluate: Height,
    height: Float[Tensor, "densities nodes"],
    order: int,
    depth: int,
    starts: Float[Tensor, "densities k 3 3"] | None,
    resolution: float,
) -> Peaks:
    """Climbs from given starts and from local maxima of the grid, highest first, until a round finds nothing new.

    Args:
        evaluate: f of some rows at one rotation each.
        height: f at the nodes of all cells of one depth.
        order: Nodes along each axis of a cell.
        depth: Of the cells.
        starts: Rotations to climb from in any case.
        resolution: Relative rounding of f.
    """
    densities, device = len(height), height.device
    cells, unit = all_cells(depth, device), cube(order, device)[0]
    best = height.new_full(height.shape, -torch.inf)
    for beside in _beside(depth, order, device).T:
        best = torch.maximum(best, height[:, beside])
    local = torch.where(height >= best, height, -torch.inf)
    value, node = local.topk(min(sum(ROUNDS), local.shape[1]), -1)
    point = cells.centre[node // len(unit)] + unit[node % len(unit)] * cells.half[node // len(unit), None]
    candidate = cube_rotation(cells.face[node // len(unit)], point)
    rows = torch.arange(densities, device=device)
    found = Peaks(candidate[:, :0], value[:, :0], value[:, :0])
    if starts is not None:
        found = _climb_from(evaluate, found, rows, starts.detach().double(), resolution)
    first = 0
    for count in ROUNDS:
        part = slice(first, first + count)
        rows = rows[value[rows, min(first, value.shape[1] - 1)].isfinite()]
        if not len(rows):
            break
        before = found
        found = _climb_from(evaluate, found, rows, candidate[rows, part], resolution)
        rows = rows[_surprising(found, height, order, depth)[rows] > _surprising(before, height, order, depth)[rows]]
        first += count
    return found


def _climb_from(
    evaluate: Height,
    found: Peaks,
    rows: Int[Tensor, " some"],
    start: Float[Tensor, "some k 3 3"],
    resolution: float,
) -> Peaks:
    """Peaks found before and from more starts of some densities."""
    count, densities = start.shape[1], len(found.rotation)
    summit, value, hessian = climb(evaluate, rows.repeat_interleave(count), start.flatten(0, 1), resolution)
    precision = torch.linalg.eigvalsh(hessian.nan_to_num(0.0, 0.0, 0.0)).neg().clamp(min=1.0)
    log_mass = value - precision.log().sum(-1) / 2 + (1.5 * math.log(2 * math.pi) - math.log(8 * math.pi**2))
    fresh = torch.eye(3, dtype=torch.float64, device=start.device).repeat(densities, count, 1, 1)
    fresh[rows] = summit.unflatten(0, (-1, count))
    none = value.new_full((densities, count), -torch.inf)
    height = none.index_copy(0, rows, value.nan_to_num(-torch.inf, CUSP, -torch.inf).unflatten(0, (-1, count)))
    log_mass = none.index_copy(
        0, rows, log_mass.nan_to_num(-torch.inf, -torch.inf, -torch.inf).unflatten(0, (-1, count))
    )
    rotation = torch.cat([found.rotation, fresh], 1)
    height, log_mass = torch.cat([found.height, height], 1), torch.cat([found.log_mass, log_mass], 1)
    chosen, top = choose_distinct(rotation, height, height.shape[1], SAME)
    most = max(1, int(top.isfinite().sum(-1).max()))
    chosen, top = chosen[:, :most], top[:, :most]
    return Peaks(rotation.take_along_dim(chosen[..., None, None], 1), top, log_mass.take_along_dim(chosen, 1))


def _surprising(
    found: Peaks, height: Float[Tensor, "densities nodes"], order: int, depth: int
) -> Int[Tensor, " densities"]:
    """How many peaks of each density are higher than the nodes of their cells and hold much of its mass."""
    if not found.height.shape[1]:
        return torch.zeros(len(height), dtype=torch.long, device=height.device)
    coordinates = cube_coordinates(found.rotation).flatten(0, 1)
    face = coordinates.abs().amax(-1).argmin(-1)
    point = coordinates[torch.arange(len(face), device=face.device), face]
    cell = (cube_codes(face, point) >> 3 * (DEEPEST - depth)).reshape(found.height.shape)
    seen = height.unflatten(1, (-1, order**3)).amax(-1).gather(1, cell)
    heavy = found.log_mass > found.log_mass.amax(-1, keepdim=True) - math.log(1e5)
    return ((found.height > seen + SURPRISE) & heavy).sum(-1)
