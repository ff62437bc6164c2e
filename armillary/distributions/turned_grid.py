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

from armillary.harmonics.healpix_grid import RingGrid, ring_grid
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.rotate import rotate_so3
from armillary.so3.rotation import random_rotations

NODES = 2**18  # nodes of all densities handled together: two float32 copies stay in a core's cache


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
        turned = rotate_so3(coeffs, turn).reshape(-1, coeffs.shape[-1])
        grid = ring_grid(so3_lmax(coeffs.shape[-1]), self.level, coeffs.dtype, coeffs.device)
        return _LogMeanExp.apply(turned, grid).reshape(coeffs.shape[:-1])  # type: ignore[no-any-return]


class _LogMeanExp(torch.autograd.Function):
    """Log mean of exp f over a grid, and its gradient in the same pass, a few densities at a time to stay in cache."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, grid: RingGrid) -> Tensor:
        """The log mean; keeps the mean basis function, which is the gradient."""
        spectra = grid.rings.spectra(coeffs)
        nodes = grid.azimuth.shape[0] * grid.azimuth.shape[1] * grid.tilt.shape[1]
        results, means = [], []
        for part in spectra.split(max(1, NODES // nodes)):
            values = (grid.azimuth @ part) @ grid.tilt
            highest = values.amax((1, 2, 3), keepdim=True)
            # Nodes 80 nats below count for nothing, and denormal exponentials are ten times slower.
            mass = values.sub_(highest).clamp_(min=-80).exp_().mul_(grid.present)
            total = mass.sum((1, 2, 3))
            results.append(total.log() + highest[:, 0, 0, 0])
            means.append((grid.azimuth.mT @ (mass @ grid.tilt.T)) / total[:, None, None, None])
        ctx.save_for_backward(grid.rings.coeffs(torch.cat(means)))
        return torch.cat(results) - math.log(len(grid.pixel) * grid.tilt.shape[1])

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """Mean basis function times the incoming gradient."""
        (mean,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[:, None] * mean, None
