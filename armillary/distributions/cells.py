"""The likelihood the literature uses: the density as a histogram over the cells of a grid.

For comparison, and to train as others do: the cross entropy of a softmax over N cells is ``log(N)`` minus the log
likelihood here. It is capped by the grid: no histogram on level L can exceed ``log(72 * 8**L)`` (Haar); ``log_prob`` is
not. The values come from ring tables (`evaluate_on_so3_grid`), never from a table of modes times cells.

Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965; Image to Sphere (Klee et al., 2023),
https://arxiv.org/abs/2302.13926
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.harmonics.healpix_grid import evaluate_on_so3_grid
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.wigner import degree_weights, wigner_rows
from armillary.so3.grid import nearest_cell, so3_grid, so3_grid_rotation, so3_grid_size


def cell_log_probs(distribution: SO3Distribution, level: int) -> Float[Tensor, "*batch cells"]:
    """Log probability of each cell of ``so3_grid(level)``: the density at the centres, normalised over the grid.

    Example:
        >>> cell_log_probs(HarmonicDistribution(torch.zeros(10)), 0).exp().sum().round(decimals=4)
        tensor(1.)
    """
    if isinstance(distribution, HarmonicDistribution):
        return evaluate_on_so3_grid(distribution.coeffs, level).log_softmax(-1)
    return _heights(distribution, so3_grid(level)).log_softmax(-1)


def cell_log_likelihood(
    distribution: SO3Distribution, rotation: Float[Tensor, "*batch 3 3"], level: int = 5
) -> Float[Tensor, "*batch"]:
    """Log density (Haar) of the cell nearest to a rotation: what Implicit-PDF and Image2Sphere report plus log(pi^2).

    Example:
        >>> cell_log_likelihood(HarmonicDistribution(torch.zeros(10)), torch.eye(3), level=1).abs() < 1e-5
        tensor(True)
    """
    return _likelihood(cell_log_probs(distribution, level), nearest_cell(rotation, level))


def random_cell_log_likelihood(
    distribution: SO3Distribution,
    rotation: Float[Tensor, "*batch 3 3"],
    level: int = 3,
    count: int = 4096,
    include_truth: bool = False,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch"]:
    """As `cell_log_likelihood`, over random cells, the same for all densities; the nearest stands for a rotation.

    Args:
        distribution: The densities.
        rotation: One for each density.
        level: Grid the cells are drawn from, with replacement.
        count: Number of cells.
        include_truth: Put all the rotations in the places of the first cells, as Image2Sphere's option does.
        generator: Source of the draw.

    Example:
        >>> uniform = HarmonicDistribution(torch.zeros(10))
        >>> random_cell_log_likelihood(uniform, torch.eye(3), level=1, count=64).abs() < 1e-5
        tensor(True)
    """
    device = rotation.device if generator is None else generator.device
    cell = torch.randint(so3_grid_size(level), (count,), generator=generator, device=device).to(rotation.device)
    points = so3_grid_rotation(cell, level, dtype=rotation.dtype)
    if isinstance(distribution, HarmonicDistribution):
        heights = evaluate_on_so3_grid(distribution.coeffs, level)[..., cell]
    else:
        heights = _heights(distribution, points)
    if include_truth:
        truths = rotation.reshape(-1, 3, 3)[:count]
        points = torch.cat([truths, points[len(truths) :]])
        heights = torch.cat([_heights(distribution, truths), heights[..., len(truths) :]], -1)
    # The largest trace of A^T B belongs to the smallest angle.
    nearest = (rotation.flatten(-2) @ points.flatten(-2).mT).argmax(-1)
    return _likelihood(heights.log_softmax(-1), nearest)


def _heights(distribution: SO3Distribution, points: Float[Tensor, "points 3 3"]) -> Float[Tensor, "*batch points"]:
    """Log densities, up to a constant each, at the same few rotations."""
    if isinstance(distribution, HarmonicDistribution):
        lmax = so3_lmax(distribution.coeffs.shape[-1])
        weights = degree_weights(lmax, distribution.coeffs)[:, None]
        return distribution.coeffs @ (wigner_rows(lmax, points.to(distribution.coeffs)) * weights)
    aligned = points.to(torch.get_default_dtype()).reshape(-1, *(1,) * len(distribution.batch_shape), 3, 3)
    return distribution.log_prob(aligned).movedim(0, -1)


def _likelihood(log_probs: Float[Tensor, "*batch cells"], cell: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Log density (Haar) in a cell of one of N equal volumes."""
    return log_probs.take_along_dim(cell[..., None], -1)[..., 0] + math.log(log_probs.shape[-1])
