r"""The normaliser of training: one HEALPix grid, turned at random for each call.

:math:`Z=\int e^f` is estimated by the mean over a grid. A fixed grid can be fooled (the density learns to hide its mass
between the nodes); a grid that a fresh random rotation turns at every step cannot, and its estimate of Z is unbiased.
The turn costs one small matrix product, because it is the coefficients that turn.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.healpix_grid import evaluate_on_so3_grid
from armillary.harmonics.rotate import rotate_so3
from armillary.so3.rotation import random_rotations


@dataclass(frozen=True)
class TurnedGrid:
    """Unbiased estimate of Z on a randomly turned HEALPix x tilt grid.

    Args:
        level: Grid level; 3 has 36,864 rotations, 7.5 degrees apart.
        generator: Source of the turns; torch's global one when None.
    """

    level: int = 3
    generator: torch.Generator | None = None

    def log_integral(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch"]:
        """Estimate of the log integral of exp f, differentiable in the coefficients."""
        turn = random_rotations(generator=self.generator, dtype=coeffs.dtype, device=coeffs.device)
        values = evaluate_on_so3_grid(rotate_so3(coeffs, turn), self.level)
        return values.logsumexp(-1) - math.log(values.shape[-1])
