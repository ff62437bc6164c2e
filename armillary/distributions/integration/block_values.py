"""Values of many densities on blocks of a product grid, by small products, and the adjoint.

A block is a row (density, ring, alpha, gamma) of integers; blocks are sorted. Those of one (density, ring, alpha) are a
column, the columns of one (density, ring) a slab: the sum over the orders of beta is done once for a slab, that over
the orders of alpha once for a column.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Blocks = Int[Tensor, "_ 4"]
Series = Float[Tensor, "densities orders orders orders"]  # of torus_series


class Bases(NamedTuple):
    """Fourier bases at the polar angles and at the azimuths of a grid."""

    polar: Float[Tensor, "rings orders"]
    azimuth: Float[Tensor, "azimuths orders"]


class BlockValues(NamedTuple):
    """The bases of the nodes of blocks, ``width`` along beta and alpha and ``length`` along gamma."""

    owner: Int[Tensor, " slabs"]
    slab: Int[Tensor, " columns"]
    column: Int[Tensor, " blocks"]
    beta: Float[Tensor, "slabs width orders"]
    alpha: Float[Tensor, "columns 1 width orders"]
    gamma: Float[Tensor, "blocks length orders"]

    def values(self, series: Series) -> Float[Tensor, "blocks width width length"]:
        """Values of torus series, axes (ring, alpha, gamma)."""
        width, orders = self.beta.shape[1:]
        slabs = self.beta @ series.flatten(2)[self.owner]
        columns = self.alpha @ slabs.unflatten(2, (orders, orders))[self.slab]
        return (columns.flatten(1, 2)[self.column] @ self.gamma.mT).unflatten(1, (width, width))

    def adjoint(self, mass: Float[Tensor, "blocks width width length"], densities: int) -> Series:
        """Adjoint of ``values``."""
        width, orders = self.beta.shape[1:]
        columns = mass.new_zeros(len(self.slab), width * width, orders)
        columns.index_add_(0, self.column, mass.flatten(1, 2) @ self.gamma)
        slabs = mass.new_zeros(len(self.owner), width, orders, orders)
        slabs.index_add_(0, self.slab, self.alpha.mT @ columns.unflatten(1, (width, width)))
        series = mass.new_zeros(densities, orders, orders * orders)
        return series.index_add_(0, self.owner, self.beta.mT @ slabs.flatten(2)).unflatten(2, (orders, orders))


def gather_blocks(blocks: Blocks, bases: Bases, width: int, length: int) -> BlockValues:
    """What the values on some blocks need."""
    polar, azimuth = (basis.unflatten(0, (-1, width)) for basis in bases)
    count = len(azimuth)
    columns, column = torch.unique_consecutive(_key(blocks[:, :3], count), return_inverse=True)
    slabs, slab = torch.unique_consecutive(columns // count, return_inverse=True)
    gamma = bases.azimuth.unflatten(0, (-1, length))[blocks[:, 3]]
    return BlockValues(slabs // count, slab, column, polar[slabs % count], azimuth[columns % count][:, None], gamma)


def sort_blocks(blocks: Blocks, azimuths: int) -> Blocks:
    """In the order of their numbers."""
    return blocks[_key(blocks, azimuths).argsort()]


def lengthen(blocks: Blocks, azimuths: int, times: int) -> Blocks:
    """Blocks ``times`` longer along gamma that cover the given ones: small products cost by their number."""
    blocks = torch.cat([blocks[:, :3], blocks[:, 3:] // times], 1)
    key, place = torch.unique_consecutive(_key(blocks, azimuths), return_inverse=True)
    return blocks.new_empty(len(key), 4).index_copy_(0, place, blocks)


def _key(blocks: Int[Tensor, "blocks axes"], azimuths: int) -> Int[Tensor, " blocks"]:
    key = blocks[:, 0]
    for axis in blocks.unbind(1)[1:]:
        key = key * azimuths + axis
    return key
