"""The likelihood the literature uses: the density as a histogram over the cells of a grid, for comparison.

It is capped by the grid: no histogram on level L can exceed ``log(72 * 8**L)`` (Haar). ``log_prob`` is not.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.harmonics.healpix_grid import evaluate_on_so3_grid
from armillary.so3.grid import nearest_cell, so3_grid, so3_grid_size


def cell_log_probs(distribution: SO3Distribution, level: int) -> Float[Tensor, "*batch cells"]:
    """Log probability of each cell of ``so3_grid(level)``: the density at the centres, normalised over the grid.

    Example:
        >>> cell_log_probs(HarmonicDistribution(torch.zeros(10)), 0).exp().sum().round(decimals=4)
        tensor(1.)
    """
    if isinstance(distribution, HarmonicDistribution):
        return evaluate_on_so3_grid(distribution.coeffs, level).log_softmax(-1)
    grid = so3_grid(level).to(torch.get_default_dtype())
    aligned = grid.reshape(-1, *(1,) * len(distribution.batch_shape), 3, 3)
    return distribution.log_prob(aligned).movedim(0, -1).log_softmax(-1)


def cell_log_likelihood(
    distribution: SO3Distribution, rotation: Float[Tensor, "*batch 3 3"], level: int = 5
) -> Float[Tensor, "*batch"]:
    """Log density (Haar) of the cell nearest to a rotation: what Implicit-PDF and Image2Sphere report plus log(pi^2).

    Example:
        >>> cell_log_likelihood(HarmonicDistribution(torch.zeros(10)), torch.eye(3), level=1).abs() < 1e-5
        tensor(True)
    """
    cell = nearest_cell(rotation, level)
    log_probs = cell_log_probs(distribution, level)
    return log_probs.take_along_dim(cell[..., None], -1)[..., 0] + math.log(so3_grid_size(level))
