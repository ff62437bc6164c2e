"""Gauss-Legendre nodes in cells of the octree, and the parts of a cell that the nodes stand for."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.layout import so3_size
from armillary.harmonics.wigner import degree_weights, wigner_rows
from armillary.so3.cubes import Cells, cube_density, cube_rotation, slope_density
from armillary.so3.quadrature import gauss_legendre

CHUNK = 8192  # nodes handled together: bounds the memory, not the result
FINE = 5  # Gauss points an axis that know the Haar density of a cell of depth 2 to 1e-6


@lru_cache(maxsize=16)
def line(order: int, device: torch.device) -> tuple[Float[Tensor, " order"], Float[Tensor, " order"]]:
    """Gauss-Legendre nodes and weights on [-1, 1]; the weights sum to 2."""
    angle, weight = gauss_legendre(order)
    return -angle.cos().to(device), 2 * weight.to(device)


@lru_cache(maxsize=16)
def cube(order: int, device: torch.device) -> tuple[Float[Tensor, "points 3"], Float[Tensor, " points"]]:
    """Their products on [-1, 1]^3, the last axis fastest; the weights sum to 8."""
    node, weight = line(order, device)
    return torch.cartesian_prod(node, node, node), torch.cartesian_prod(weight, weight, weight).prod(-1)


def lagrange(order: int, at: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape {order}"]:
    """Weights that interpolate from the Gauss nodes to other points of the line."""
    node = line(order, at.device)[0]
    powers = torch.arange(order, device=at.device)
    return at[..., None] ** powers @ torch.linalg.inv(node[:, None] ** powers).to(at)


@dataclass(frozen=True)
class TreeNodes:
    """Some of the ``order^3`` Gauss-Legendre nodes of some cells.

    Attributes:
        cells: The cells.
        cell: Cell of each node.
        place: Number of each node in its cell.
        order: Nodes along each axis.
    """

    cells: Cells
    cell: Int[Tensor, " nodes"]
    place: Int[Tensor, " nodes"]
    order: int

    def _points(self, which: Int[Tensor, " k"] | slice) -> Float[Tensor, "k 3"]:
        unit = cube(self.order, self.cell.device)[0][self.place[which]]
        cell = self.cell[which]
        return self.cells.centre[cell] + unit * self.cells.half[cell, None]

    def log_weights(self) -> Float[Tensor, " nodes"]:
        """Log Haar probability of each, in float64: Gauss weight times volume times Haar density."""
        weight = cube(self.order, self.cell.device)[1][self.place] * self.cells.half[self.cell] ** 3
        return (weight * cube_density(self._points(slice(None)))).log()

    def rotations(self, which: Int[Tensor, " k"]) -> Float[Tensor, "k 3 3"]:
        """The rotation of chosen nodes, in float64."""
        return cube_rotation(self.cells.face[self.cell[which]], self._points(which))

    def expectation(
        self, owner: Int[Tensor, " nodes"], probability: Float[Tensor, " nodes"], densities: int, lmax: int
    ) -> Float[Tensor, "{densities} modes"]:
        """Sum of ``probability * sqrt(2l+1) D^l_mn`` over the nodes of each density."""
        total = probability.new_zeros(densities, so3_size(lmax))
        for part in torch.arange(len(self.cell), device=owner.device).split(CHUNK):
            basis = wigner_rows(lmax, self.rotations(part)).T.to(probability)
            total.index_add_(0, owner[part], basis * probability[part, None])
        return total * degree_weights(lmax, total)

    def jitter(self, which: Int[Tensor, " k"], uniform: Float[Tensor, "3 k"]) -> Float[Tensor, "k 3 3"]:
        """Points uniform in the parts of the cells that chosen nodes stand for, in float64.

        The slabs of a cell along its first axis hold the Haar probability of the nodes in them; in each slab the same
        along the second axis, then the third (the inverse Rosenblatt map of the Haar density).
        """
        parts = torch.arange(len(which), device=which.device).split(CHUNK)
        return torch.cat([self._jitter(which[part], uniform[:, part]) for part in parts])

    def _jitter(self, which: Int[Tensor, " k"], uniform: Float[Tensor, "3 k"]) -> Float[Tensor, "k 3 3"]:
        cells, k = self.cells[self.cell[which]], torch.arange(len(which), device=which.device)
        _, fine = line(FINE, which.device)
        weight = cube(self.order, which.device)[1].unflatten(0, (self.order,) * 3)
        share = _density(*_slopes(cells, self.order)) * weight
        slopes, point = _slopes(cells, FINE), cells.centre.new_zeros(len(which), 3)
        for axis, number in enumerate(torch.unravel_index(self.place[which], (self.order,) * 3)):
            # Quadrature over the axes to come gives the density along this one, at the places drawn so far.
            density = _density(*slopes)
            for _ in range(2 - axis):
                density = density @ fine
            mass = share.flatten(2).sum(-1) if axis < 2 else share
            before = mass.cumsum(-1) - mass
            target = (before[k, number] + uniform[axis] * mass[k, number]) / mass.sum(-1)
            point[:, axis] = cells.centre[:, axis] + cells.half * _invert(density.reshape(-1, FINE), target)
            slopes[axis] = (point[:, axis, None] * (math.pi / 4)).tan().square()
            share = share[k, number]
        return cube_rotation(cells.face, point)


def _slopes(cells: Cells, order: int) -> list[Float[Tensor, "k order"]]:
    """Squared slopes at the Gauss nodes of cells along each axis."""
    point = cells.centre[:, :, None] + cells.half[:, None, None] * line(order, cells.half.device)[0]
    return list((point * (math.pi / 4)).tan().square().unbind(1))


def _density(
    x: Float[Tensor, "k first"], y: Float[Tensor, "k second"], z: Float[Tensor, "k third"]
) -> Float[Tensor, "k first second third"]:
    """Haar density on the product of squared slopes."""
    return slope_density(x[:, :, None, None], y[:, None, :, None], z[:, None, None, :])


def _invert(density: Float[Tensor, "k points"], target: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Where the share of the mass from -1 on is ``target``, for a density known at the fine Gauss points."""
    node, weight = line(FINE, density.device)
    powers = torch.arange(FINE, device=density.device)
    coeffs = density / (density * weight).sum(-1, keepdim=True) @ torch.linalg.inv(node[:, None] ** powers).T
    point = 2 * target - 1
    for _ in range(4):  # Newton: the density is nearly flat
        integral = ((point[:, None] ** (powers + 1) - (-1.0) ** (powers + 1)) / (powers + 1) * coeffs).sum(-1)
        slope = (point[:, None] ** powers * coeffs).sum(-1)
        point = (point - (integral - target) / slope).clamp(-1, 1)
    return point
