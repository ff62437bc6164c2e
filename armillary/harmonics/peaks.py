r"""Peaks of band-limited functions on SO(3): found on a coarse grid, polished by Newton steps on the manifold.

The grid has four to five nodes a wavelength in every direction. A node is a candidate when it is no lower than its
neighbours; the first Newton steps from it tell how high its peak will be, and only those that can matter are climbed.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.harmonics.ascent import NUMBERS, Climb, climb, weighted_derivatives
from armillary.harmonics.constant import constant
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.so3_transform import SO3Transform

TOGETHER = 2**17  # nodes of several functions searched together: they stay in the cache
FUNCTIONS = 2**20  # coefficients of functions handled together: bounds the memory
FEWEST = 12  # candidates climbed for one peak: in trials none of 5,700 random functions lost its highest
STEPS = 40  # the most Newton steps; few need more than five
# A peak is at most this part of the range of f above its nearest node, which is 1.5 radians of the shortest wave away:
# a trigonometric polynomial falls no faster from its top than a cosine (Bernstein and Szego).
LARGEST_RISE = (1 - math.cos(1.5)) / 2
FORETOLD = 3  # steps after which the height of a peak is told to
UNCERTAINTY = 8.0  # times the gain of the last one


class _SearchGrid(NamedTuple):
    """Nodes, and for the first and the last ring the class of nodes that are one turn about z apart."""

    transform: SO3Transform
    nodes: Float[Tensor, "nodes 3 3"]
    turn: Int[Tensor, "2 azimuths azimuths"]


@constant
def _search_grid(lmax: int, fine: bool, dtype: torch.dtype, device: torch.device) -> _SearchGrid:
    count = max(5 * lmax // 2 * 2 + 6 if fine else 4 * lmax + 4, 8)
    transform = SO3Transform(lmax, rings=count // 2, azimuths=count, dtype=dtype).to(device)
    alpha, gamma = torch.arange(count)[:, None], torch.arange(count)[None, :]
    turn = torch.stack([alpha + gamma, alpha - gamma]) % count
    return _SearchGrid(transform, transform.points.flatten(0, 2).to(device), turn.to(device))


def _beside(values: Tensor, axis: int) -> Tensor:
    """The larger of each value's two neighbours on a circle."""
    return torch.maximum(values.roll(1, axis), values.roll(-1, axis))


def _neighbourhood(values: Tensor, axis: int) -> Tensor:
    """The largest of each value and its two neighbours on a circle."""
    return torch.maximum(_beside(values, axis), values)


def _up_and_down(values: Tensor) -> Tensor:
    """The largest of each value and its neighbours on the next rings."""
    highest = values.clone()
    highest[:, 1:] = torch.maximum(highest[:, 1:], values[:, :-1])
    highest[:, :-1] = torch.maximum(highest[:, :-1], values[:, 1:])
    return highest


def _crests(
    values: Float[Tensor, "batch rings azimuths azimuths"],
) -> Bool[Tensor, "batch rings azimuths azimuths"]:
    """Nodes no lower than their six neighbours: where alpha and gamma are skew, several on the way to one peak."""
    around = torch.maximum(_beside(values, -1), _beside(values, -2))
    return (values >= around) & (values >= _up_and_down(values))


def _summits(
    values: Float[Tensor, "batch rings azimuths azimuths"], turn: Int[Tensor, "2 azimuths azimuths"]
) -> Bool[Tensor, "batch rings azimuths azimuths"]:
    """Nodes no lower than their 26 neighbours: one or two for each peak, of low peaks beside higher ones perhaps none.

    On the first and the last ring, where alpha and gamma turn about nearly the same axis, neighbours are all nodes of
    about the same sum or difference of the two.
    """
    highest = _up_and_down(_neighbourhood(_neighbourhood(values, -1), -2))
    for ring, own in zip((0, -1), turn, strict=True):
        classes = values.new_full((len(values), values.shape[-1]), -torch.inf)
        place = own.flatten().expand(len(values), -1)
        classes = classes.scatter_reduce(1, place, values[:, ring].flatten(1), "amax")
        highest[:, ring] = torch.maximum(highest[:, ring], _neighbourhood(classes, -1)[:, own])
    return values >= highest


def _heights(
    coeffs: Float[Tensor, "batch modes"], grid: _SearchGrid, every: bool
) -> tuple[Float[Tensor, "batch nodes"], Float[Tensor, " batch"]]:
    """Values at the crests or at the summits of the grid, ``-inf`` elsewhere; and the lowest value of all."""
    values = grid.transform.synthesis(coeffs)
    chosen = _crests(values) if every else _summits(values, grid.turn)
    return torch.where(chosen, values, -torch.inf).flatten(1), values.flatten(1).amin(-1)


def _candidates(
    coeffs: Float[Tensor, "batch modes"], k: int, threshold: float | None
) -> tuple[Float[Tensor, "batch candidates 3 3"], Bool[Tensor, "batch candidates"]]:
    """The highest local maxima of the grid, highest first, and which of them exist."""
    fine = threshold is not None
    grid = _search_grid(so3_lmax(coeffs.shape[-1]), fine, coeffs.dtype, coeffs.device)
    parts = [_heights(part, grid, fine or k == 1) for part in coeffs.split(max(1, TOGETHER // len(grid.nodes)))]
    heights, lowest = _joined(parts)
    count = max(FEWEST, 3 * k)
    if threshold is not None:
        highest = heights.amax(-1)
        floor = highest - (highest - lowest) * LARGEST_RISE - threshold
        count = max(1, int((heights >= floor[:, None]).sum(-1).max()))
    height, chosen = heights.topk(min(count, heights.shape[1]), -1)
    return grid.nodes[chosen], height > -torch.inf


def _finalists(first: Climb, present: Tensor, threshold: float) -> Int[Tensor, "batch finalists"]:
    """Candidates whose peak may be above the threshold."""
    possible = torch.where(present, first.value + UNCERTAINTY * first.gain, -torch.inf)
    reached = torch.where(present, first.value - first.gain, -torch.inf)
    top = reached.amax(-1, keepdim=True)
    return possible.topk(int((possible >= top - threshold).sum(-1).max()), -1).indices


def _joined(parts: list[tuple[Tensor, ...]] | list[Climb], axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of several tensors in one; a lone part without a copy."""
    return parts[0] if len(parts) == 1 else tuple(torch.cat(part, axis) for part in zip(*parts, strict=True))


def _climb_parts(
    derivatives: Tensor, start: Float[Tensor, "batch points 3 3"], steps: int, race: bool = False
) -> Climb:
    """``climb`` with bounded memory."""
    width = max(1, NUMBERS // (derivatives.shape[0] * derivatives.shape[-1]))
    parts = [climb(derivatives, part, steps, race) for part in start.split(width, 1)]
    return Climb(*_joined(parts, 1))


def _distinct(rotation: Tensor, value: Tensor, k: int, apart: float) -> tuple[Tensor, Tensor]:
    """The k highest candidates that lie ``apart`` from every higher one taken; ``-inf`` where there are fewer."""
    rotations, values = [], []
    for _ in range(k):
        if rotations:
            cosine = ((rotation * rotations[-1]).sum((-2, -1)) - 1) / 2
            value = torch.where(cosine > math.cos(apart), -torch.inf, value)
        top, best = value.max(-1, keepdim=True)
        rotations.append(rotation.take_along_dim(best[..., None, None], 1))
        values.append(top)
    return torch.cat(rotations, 1), torch.cat(values, 1)


def _peaks(
    coeffs: Float[Tensor, "batch modes"], k: int, threshold: float | None
) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
    """``find_peaks`` of some functions together, in float64."""
    start, present = _candidates(coeffs, k, threshold)
    # Double precision: the peak of a sharp function is a small difference of large numbers.
    derivatives = weighted_derivatives(coeffs)
    if threshold is not None:
        first = _climb_parts(derivatives, start, FORETOLD)
        chosen = _finalists(first, present, threshold)
        start = first.rotation.take_along_dim(chosen[..., None, None], 1)
        present = present.take_along_dim(chosen, 1)
    summit = _climb_parts(derivatives, start, STEPS, race=k == 1)
    value = torch.where(present, summit.value, -torch.inf)
    return _distinct(summit.rotation, value, k, torch.pi / (4 * max(so3_lmax(coeffs.shape[-1]), 1)))


def find_peaks(
    coeffs: Float[Tensor, "*batch modes"], k: int = 1, threshold: float | None = None
) -> tuple[Float[Tensor, "*batch k 3 3"], Float[Tensor, "*batch k"]]:
    """The k highest distinct local maxima of a function on SO(3), highest first, with their values.

    Two maxima are distinct when they are an eighth of the shortest wavelength apart. Where a function has fewer than k,
    the values of the missing ones are ``-inf``. Newton steps take every peak to 1e-6 rad and better. Deterministic and
    batched.

    Args:
        coeffs: SO(3) coefficients.
        k: How many, at most.
        threshold: Return only maxima at most this much below the highest, in the units of the function (nats for a log
            density), and look at every node that may lead to one. None looks only where the k highest may be.

    Example:
        >>> from armillary.harmonics import wigner_D
        >>> rotation, value = find_peaks(wigner_D(2, torch.eye(3)))
        >>> rotation.diagonal(dim1=-2, dim2=-1).round(decimals=4)
        tensor([[1., 1., 1.]])
    """
    if k < 1:
        raise ValueError(f"expected k >= 1 peaks, got {k}; ask for one or more")
    with torch.inference_mode():  # a fifth faster than without gradients alone
        flat = coeffs.reshape(-1, coeffs.shape[-1])
        parts = [_peaks(part, k, threshold) for part in flat.split(max(1, FUNCTIONS // flat.shape[1]))]
        rotation, value = _joined(parts)
        if threshold is not None:
            value = torch.where(value >= value[:, :1] - threshold, value, -torch.inf)
        shape = coeffs.shape[:-1]
        rotation, value = rotation.reshape(*shape, k, 3, 3), value.reshape(*shape, k)
    # Copies made outside of inference mode are ordinary tensors.
    return rotation.to(coeffs.dtype, copy=True), value.to(coeffs.dtype, copy=True)
