r"""The normaliser of training: one HEALPix grid, turned at random for each call, finer near the label.

:math:`Z=\int e^f` is estimated by the mean over a grid. A fixed grid can be fooled (the density learns to hide its mass
between the nodes); a grid that a fresh random rotation turns at every step cannot, and its estimate of Z is unbiased.
The turn costs one small matrix product, because it is the coefficients that turn.

Where a peak is narrower than the grid, the estimate stays unbiased but its logarithm does not: most turns miss the
peak. The likelihood raises f at the label, so that is where peaks are; the ball about the label is taken out of the
grid and integrated by a star of random points that lie the denser the nearer they are.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.distributions.integration.ring_rule import Excluded, RingRule, log_mean_exp
from armillary.harmonics.constant import constant
from armillary.harmonics.healpix_grid import ring_grid
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.rotate import rotate_so3
from armillary.harmonics.wigner import degree_weights, wigner_rows
from armillary.so3.rotation import random_rotations

BALL = math.radians(15.0)  # radius of the ball about the label, two cells of a level-3 grid
CORE = math.radians(0.5)  # inside it the star's density no longer grows
RAYS = 512  # points of the star


@dataclass(frozen=True)
class TurnedGrid:
    """Unbiased estimate of Z on a randomly turned HEALPix x tilt grid.

    Args:
        level: Grid level; 3 has 36,864 rotations, 7.5 degrees apart.
        generator: Source of the turns; torch's global one when None.
    """

    exact: ClassVar[bool] = False

    level: int = 3
    generator: torch.Generator | None = None

    def log_integral(
        self, coeffs: Float[Tensor, "*batch modes"], near: Float[Tensor, "*batch 3 3"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Estimate of the log integral of exp f, differentiable in the coefficients.

        Args:
            coeffs: SO(3) coefficients.
            near: Rotations about which the densities may be sharper than the grid: the labels.
        """
        turn = random_rotations(generator=self.generator, dtype=coeffs.dtype, device=coeffs.device)
        turned = rotate_so3(coeffs, turn).reshape(-1, coeffs.shape[-1])
        rule = _rule(so3_lmax(coeffs.shape[-1]), self.level, coeffs.dtype, coeffs.device)
        if near is None:
            return _LogMeanExp.apply(turned, rule, None).reshape(coeffs.shape[:-1])  # type: ignore[no-any-return]
        labels = near.to(coeffs).reshape(-1, 3, 3)
        outside = _LogMeanExp.apply(turned, rule, _balls(turn @ labels, self.level))
        inside = self._star(coeffs.reshape(-1, coeffs.shape[-1]), labels)
        return torch.logaddexp(outside, inside).reshape(coeffs.shape[:-1])

    def _star(
        self, coeffs: Float[Tensor, "batch modes"], labels: Float[Tensor, "batch 3 3"]
    ) -> Float[Tensor, " batch"]:
        r"""Log integral over the balls: radii r with density :math:`\propto1/(r+r_0)`, one in each of equal strata."""
        draw = torch.rand(RAYS, generator=self.generator, dtype=coeffs.dtype, device=coeffs.device)
        strata = (torch.arange(RAYS, dtype=coeffs.dtype, device=coeffs.device) + draw) / RAYS
        span = math.log1p(BALL / CORE)
        radius = CORE * torch.expm1(strata * span)
        direction = torch.randn(RAYS, 3, generator=self.generator, dtype=coeffs.dtype, device=coeffs.device)
        ray = torch.nn.functional.normalize(direction, dim=-1) * radius[:, None]
        # Haar measure of a shell, (2 / pi) sin^2(r / 2) dr, over the density of the radii.
        log_weight = (2 / math.pi * (radius / 2).sin().square() * (radius + CORE) * span / RAYS).log()
        lmax = so3_lmax(coeffs.shape[-1])
        basis = wigner_rows(lmax, roma.rotvec_to_rotmat(ray)) * degree_weights(lmax, coeffs)[:, None]
        return (rotate_so3(coeffs, labels.mT) @ basis + log_weight).logsumexp(-1)


@constant
def _rule(lmax: int, level: int, dtype: torch.dtype, device: torch.device) -> RingRule:
    grid = ring_grid(lmax, level, dtype, device)
    weight = grid.present / (len(grid.pixel) * grid.tilt.shape[1])
    return RingRule(grid.rings, grid.azimuth, grid.tilt, (grid.azimuth * weight).mT.contiguous())


def _balls(labels: Float[Tensor, "batch 3 3"], level: int) -> Excluded:
    """Nodes within the balls about the labels: the trace of label^T x, of degree 1, a series for each pixel."""
    grid = ring_grid(1, level, labels.dtype, labels.device)
    order = [1, 2, 0]  # degree 1 is the matrix in the order (y, z, x)
    first = labels[:, order][:, :, order].flatten(1) / 3**0.5
    coeffs = torch.cat([torch.zeros_like(first[:, :1]), first], 1)
    rows = grid.azimuth @ grid.rings.spectra(coeffs)
    return lambda part: rows[part] @ grid.tilt > 1 + 2 * math.cos(BALL)


class _LogMeanExp(torch.autograd.Function):
    """Log mean of exp f over a grid, without the balls, and its gradient, which the same pass finds."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, coeffs: Tensor, rule: RingRule, balls: Excluded | None
    ) -> Tensor:
        """The log mean; keeps the mean basis function."""
        result, mean = log_mean_exp(coeffs, rule, balls)
        ctx.save_for_backward(mean)
        return result

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, None, None]:
        """Mean basis function times the incoming gradient."""
        (mean,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[:, None] * mean, None, None
