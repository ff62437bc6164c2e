"""The blocks of a product grid that matter, for many densities at once: from coarse to fine, eight children to a block.

At each level the blocks of lowest ceiling are dropped as long as the ceilings of all that a density drops sum to less
than the level's budget.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.distributions.integration.block_values import Bases, Blocks, Series, gather_blocks, sort_blocks
from armillary.distributions.integration.sharpness import Sharpness, block_geometry
from armillary.harmonics.fourier import fourier_basis

CUTS = 64  # tried depths of the cut, equal parts of the depth that is always enough
CHUNK = 8192  # blocks evaluated together: bounds the memory, not the result


def least_heights(
    bounds: Sharpness, radius: Float[Tensor, " rings"], log_budget: Float[Tensor, " densities"]
) -> Float[Tensor, "densities rings"]:
    """The f at the centre of a block from which its ceiling reaches the budget.

    Lower blocks can all be dropped: their volumes sum to at most 1, so their masses to less than the budget.
    """
    reach = radius * (bounds.curvature[:, None] / 2).sqrt()
    return bounds.ceiling[:, None] - (reach + (bounds.ceiling - log_budget).clamp(min=0).sqrt()[:, None]).square()


def worth(
    ceiling: Float[Tensor, " points"],
    log_volume: Float[Tensor, " points"],
    owner: Int[Tensor, " points"],
    summit: Float[Tensor, " densities"],
    log_budget: Float[Tensor, " densities"],
) -> Bool[Tensor, " points"]:
    """Which points to keep, so that the ceilings of all others of a density sum to less than its budget."""
    enough = summit - log_budget
    depth = (summit[owner] - ceiling).clamp(min=0) / enough[owner]
    mass = (log_volume - depth * enough[owner]).clamp(min=-80).exp()
    # What each cut would lose, in one pass.
    place = owner * (CUTS + 1) + (depth * CUTS).clamp(max=CUTS).long()
    lost = torch.bincount(place, mass, len(summit) * (CUTS + 1)).reshape(len(summit), -1).flip(1).cumsum(1).flip(1)
    kept = (lost > (-enough).exp()[:, None]).sum(1).clamp(min=1)
    return depth * CUTS < kept[owner]


def halve_blocks(
    blocks: Blocks, series: Series, bounds: Sharpness, azimuths: int, log_share: Float[Tensor, " densities"]
) -> tuple[Blocks, Sharpness]:
    """The children that matter of blocks with ``azimuths`` along each angle, and bounds as much closer as they tell.

    ``log_share`` is the log of the part of the mass that may be dropped.
    """
    azimuths *= 2
    angle = (torch.arange(azimuths, dtype=series.dtype, device=series.device) + 0.5) * (2 * math.pi / azimuths)
    basis = fourier_basis(series.shape[-1] // 2, angle)
    bases = Bases(basis[: azimuths // 2], basis)
    radius, log_volume = block_geometry(azimuths, series.device)
    least = (
        least_heights(bounds, radius, bounds.log_floor + log_share)
        .to(series)
        .unflatten(1, (-1, 2))[blocks[:, 0], blocks[:, 1]]
    )
    height = torch.cat([gather_blocks(part, bases, 2, 2).values(series) for part in blocks.split(CHUNK)])
    chosen = (height >= least[:, :, None, None]).nonzero(as_tuple=True)
    height, children = height[chosen], 2 * blocks[chosen[0]]
    children = torch.stack([children[:, 0] // 2, *(children[:, axis] + chosen[axis] for axis in (1, 2, 3))], 1)
    owner, ring = children[:, 0], children[:, 1]
    bounds = bounds.with_values(height, radius[ring], owner)
    # The children have shown higher ground, hence more mass: the budget has grown.
    log_budget = bounds.log_floor + log_share
    kept = worth(bounds.ceilings(height, radius[ring], owner), log_volume[ring], owner, bounds.summit, log_budget)
    return sort_blocks(children[kept], azimuths), bounds
