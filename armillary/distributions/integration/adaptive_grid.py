"""The exact normaliser: a product grid as fine as each density is sharp, visited only where it carries mass.

Bounds choose the grid (:mod:`armillary.distributions.integration.grid_plan`). A blunt density is summed over all of it,
in one pass that stays in cache; of a sharp one only the blocks are visited that the bounds cannot exclude.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.distributions.integration.block_search import worth
from armillary.distributions.integration.block_values import gather_blocks, lengthen
from armillary.distributions.integration.cloud import Cloud
from armillary.distributions.integration.grid_plan import Share, find_blocks, plan
from armillary.distributions.integration.product_grid import ProductNodes
from armillary.distributions.integration.ring_rule import log_mean_exp
from armillary.distributions.integration.torus import torus_adjoint

NODES = 2**18  # nodes of blocks handled together, to stay in cache
LENGTH = 16  # nodes along gamma for which small products are efficient
CLOUD = 2**22  # nodes of whole grids looked at for one cloud: bounds the memory


@dataclass(frozen=True)
class AdaptiveGrid:
    """Exact integrals of exp f, to a stated relative error.

    Args:
        tolerance: Bound on the relative error of the normaliser, so on the absolute error of ``log_prob``. The
            coefficients count as exact numbers, whatever their dtype.
        oversampling: How many times finer than integrals need (level sets and samples gain from it).

    Example:
        >>> AdaptiveGrid().log_integral(torch.zeros(455)).abs() < 1e-4
        tensor(True)
    """

    exact: ClassVar[bool] = True

    tolerance: float = 1e-4
    oversampling: int = 1

    def log_integral(
        self, coeffs: Float[Tensor, "*batch modes"], near: Float[Tensor, "*batch 3 3"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Log integral of exp f over Haar probability, in float64, differentiable once in the coefficients.

        Finds the peaks by itself, so rotations to look ``near`` make no difference.
        """
        flat = coeffs.reshape(-1, coeffs.shape[-1])
        return _LogIntegral.apply(flat, self).reshape(coeffs.shape[:-1])  # type: ignore[no-any-return]

    def integrate(
        self, coeffs: Float[Tensor, "batch modes"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch modes"]]:
        """Log integral, in float64, and its gradient: the moments E[sqrt(2l+1) D^l_mn]."""
        result, moments = coeffs.new_zeros(len(coeffs), dtype=torch.float64), torch.zeros_like(coeffs)
        for share in plan(coeffs, self.tolerance, self.oversampling):
            value, mean = _sum_whole(share) if share.blocks is None else _sum_blocks(share)
            result[share.rows], moments[share.rows] = value.double(), mean.to(moments)
        return result, moments

    def clouds(self, coeffs: Float[Tensor, "batch modes"]) -> Iterator[Cloud]:
        """The nodes that carry the mass of each density, some densities at a time."""
        for share in plan(coeffs, self.tolerance, self.oversampling):
            yield from _whole_clouds(share, self.tolerance) if share.blocks is None else _block_cloud(share)


class _LogIntegral(torch.autograd.Function):
    """Log integral and its gradient, which the same pass finds."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, grid: AdaptiveGrid) -> Tensor:
        """Integrates, and keeps the moments."""
        result, moments = grid.integrate(coeffs)
        ctx.save_for_backward(moments)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """Moments times the incoming gradient."""
        (moments,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return (grad[:, None] * moments).to(moments), None


def _sum_whole(share: Share) -> tuple[Float[Tensor, " densities"], Float[Tensor, "densities modes"]]:
    return log_mean_exp(share.coeffs, share.grid.rule(share.lmax, share.coeffs.dtype, share.coeffs.device))


def _sum_blocks(share: Share) -> tuple[Float[Tensor, " densities"], Float[Tensor, "densities modes"]]:
    blocks, width, series, bounds = find_blocks(share)
    times = _times(width, share.grid.azimuths // width)
    blocks = lengthen(blocks, share.grid.azimuths // width, times)
    bases = share.grid.bases(share.lmax, series.dtype, series.device)
    weights = share.grid.log_weights(series.device).exp().to(series).unflatten(0, (-1, width))
    summit, sums = bounds.summit.to(series), torch.zeros_like(series)
    for part in blocks.split(max(1, NODES // (width**3 * times))):
        inside = gather_blocks(part, bases, width, width * times)
        depth = inside.values(series).sub_(summit[part[:, 0], None, None, None])
        mass = depth.clamp_(min=-80).exp_().mul_(weights[part[:, 1], :, None, None])
        sums += inside.adjoint(mass, len(series))
    moments = torus_adjoint(sums)
    return moments[:, 0].log().double() + summit, moments / moments[:, :1]


def _times(width: int, blocks: int) -> int:
    """How many blocks to join along gamma: a power of two that divides their number."""
    times = 1
    while blocks % (2 * times) == 0 and width * 2 * times <= LENGTH:
        times *= 2
    return times


def _whole_clouds(share: Share, tolerance: float) -> Iterator[Cloud]:
    rule = share.grid.rule(share.lmax, share.coeffs.dtype, share.coeffs.device)
    for part in torch.arange(len(share.rows), device=share.rows.device).split(max(1, CLOUD // rule.nodes)):
        values = (rule.first @ rule.rings.spectra(share.coeffs[part])) @ rule.second
        log_weight = share.grid.log_weights(values.device).to(values)[:, None, None]
        top = values.amax((1, 2, 3), keepdim=True)
        mass = ((values - top).clamp_(min=-80).exp_() * log_weight.exp()).sum((1, 2, 3))
        log_budget = mass.log() + top.flatten() + math.log(tolerance / 4)
        # Nothing below can matter: the weights of all nodes sum to 1.
        lowest = log_budget[:, None, None, None]
        owner, ring, alpha, gamma = (values >= lowest).nonzero().unbind(1)
        node, height = share.grid.index(ring, alpha, gamma), values[owner, ring, alpha, gamma]
        yield _cloud(share, part, owner, node, height, torch.full_like(top.flatten(), math.log(tolerance / 4)).double())


def _block_cloud(share: Share) -> Iterator[Cloud]:
    blocks, width, series, bounds = find_blocks(share)
    log_budget = bounds.log_floor + share.log_share
    bases = share.grid.bases(share.lmax, series.dtype, series.device)
    owners, nodes, heights = [], [], []
    for part in blocks.split(max(1, NODES // width**3)):
        values = gather_blocks(part, bases, width, width).values(series)
        chosen = (values >= log_budget.to(values)[part[:, 0], None, None, None]).nonzero(as_tuple=True)
        block, *inside = chosen
        place = (axis[block] * width + offset for axis, offset in zip(part[:, 1:].unbind(1), inside, strict=True))
        owners.append(part[block, 0])
        nodes.append(share.grid.index(*place))
        heights.append(values[chosen])
    everyone = torch.arange(len(share.rows), device=share.rows.device)
    yield _cloud(share, everyone, torch.cat(owners), torch.cat(nodes), torch.cat(heights), share.log_share)


def _cloud(
    share: Share,
    part: Int[Tensor, " densities"],
    owner: Int[Tensor, " nodes"],
    node: Int[Tensor, " nodes"],
    height: Float[Tensor, " nodes"],
    log_share: Float[Tensor, " densities"],
) -> Cloud:
    """The nodes worth keeping: without those that carry the given share (a log) of what all of them do."""
    log_weight = share.grid.log_weights(node.device)[share.grid.place(node)[0]]
    summit = height.new_full((len(part),), -torch.inf).scatter_reduce(0, owner, height, "amax").double()
    mass = (height.double() + log_weight - summit[owner]).clamp(min=-80).exp()
    log_mass = torch.zeros_like(summit).index_add(0, owner, mass).log() + summit
    kept = worth(height.double(), log_weight, owner, summit, torch.minimum(log_mass + log_share, summit - 1))
    return Cloud(share.rows[part], owner[kept], height[kept], ProductNodes(share.grid, node[kept]))
