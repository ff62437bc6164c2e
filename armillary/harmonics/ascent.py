r"""Newton ascent on SO(3): from a start near a peak to the peak, for many starts of many functions at once.

A step solves :math:`(\mu-H)w=g` and goes to :math:`R\exp(w)`. The damping :math:`\mu` is 0 where that step is short and
H negative definite, and otherwise just large enough for both; so convergence is quadratic near a peak, and a ridge (the
flat direction of a continuous symmetry) is climbed across and not along.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.derivative import derivative_coeffs
from armillary.harmonics.generator import cross_matrix
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.wigner import degree_weights, plain_rows

LONGEST = 0.7  # a step, in wavelengths / 2 pi
CONVERGED = 1e-3  # a step after which the next would be of the order of its square, in the same unit
NEAR = 1.0  # squared chordal distance, in the same unit, from which there is no other peak than one already reached
ROUNDING = 8 * torch.finfo(torch.float64).eps  # of values, relative
FLATTEST = 1e-6  # curvatures are taken for at least this part of the largest
NUMBERS = 2**21  # of Wigner matrices held together: bounds the memory


class Climb(NamedTuple):
    """Where an ascent came to, the value there, and how much of it the last step brought."""

    rotation: Float[Tensor, "batch points 3 3"]
    value: Float[Tensor, "batch points"]
    gain: Float[Tensor, "batch points"]


def weighted_derivatives(coeffs: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch 13 modes"]:
    """What multiplies D, in float64: coefficients of f, of its gradient and of its Hessian row by row, weighted."""
    coeffs = coeffs.double()
    coeffs = coeffs * degree_weights(so3_lmax(coeffs.shape[-1]), coeffs)
    return derivative_coeffs(coeffs).index_select(1, _expansion_order(coeffs.device))


@constant
def _expansion_order(device: torch.device) -> Int[Tensor, "13"]:
    """Value, gradient and the rows of the Hessian among ``derivative_coeffs``."""
    return torch.tensor([0, 1, 2, 3, 4, 7, 8, 7, 5, 9, 8, 9, 6], device=device)


@constant
def _identity(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "3 3"]:
    return torch.eye(3, dtype=dtype, device=device)


def _expand(
    derivatives: Float[Tensor, "batch 13 modes"], rotation: Float[Tensor, "batch points 3 3"]
) -> Float[Tensor, "batch points 13"]:
    """Value, gradient (3) and Hessian (9) at the points of each function."""
    lmax = so3_lmax(derivatives.shape[-1])
    rows = plain_rows(lmax, rotation.flatten(0, 1)).unflatten(1, rotation.shape[:2])
    return (derivatives @ rows.movedim(0, 1)).mT


def _solve(
    downward: Float[Tensor, "*batch 3 3"], gradient: Float[Tensor, "*batch 3 1"]
) -> tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """Solution of symmetric systems, and which matrices are positive definite; for the others it means nothing."""
    factor, failed = torch.linalg.cholesky_ex(downward)
    return torch.cholesky_solve(gradient, factor)[..., 0], failed == 0


def _newton_step(
    expansion: Float[Tensor, "batch points 13"], longest: Float[Tensor, "batch points"]
) -> tuple[Float[Tensor, "batch points 3"], Float[Tensor, "batch points"]]:
    """The damped step, no longer than ``longest``, and its length."""
    gradient, hessian = expansion[..., 1:4, None], expansion[..., 4:].unflatten(-1, (3, 3))
    step, positive = _solve(-hessian, gradient)
    length = torch.linalg.vector_norm(step, dim=-1)
    if bool((positive & (length <= longest)).all()):
        return step, length
    slope, scale = torch.linalg.vector_norm(gradient, dim=(-2, -1)), torch.linalg.vector_norm(hessian, dim=(-2, -1))
    # Of three numbers none is above their mean by more than sqrt(2 / 3) of their deviation's norm.
    mean = hessian.diagonal(dim1=-2, dim2=-1).mean(-1)
    steepest = mean + ((scale.square() - 3 * mean.square()).clamp(min=0) * (2 / 3)).sqrt()
    # A flat function has neither slope nor curvature: any damping leaves it where it is.
    wanted = torch.maximum(slope / longest, FLATTEST * scale).clamp(min=torch.finfo(slope.dtype).tiny ** 0.25)
    damping = torch.where(positive & (length <= longest), 0.0, (wanted + steepest).clamp(min=0))
    step, _ = _solve(damping[..., None, None] * _identity(hessian.dtype, hessian.device) - hessian, gradient)
    return step, torch.linalg.vector_norm(step, dim=-1)


def _turn(rotation: Float[Tensor, "*batch 3 3"], step: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """``R exp(w)`` to the third power of w, and a rotation to rounding: Cayley's transform."""
    half = step / 2
    cross = cross_matrix(half)
    once = rotation @ cross
    scale = 2 / (1 + half.square().sum(-1))
    return torch.addcmul(rotation, scale[..., None, None], once + once @ cross)


def climb(
    derivatives: Float[Tensor, "batch 13 modes"],
    start: Float[Tensor, "batch points 3 3"],
    steps: int = 20,
    race: bool = False,
) -> Climb:
    """Newton ascent from each start, until every step is tiny; a step that would lead downwards is shortened.

    Args:
        derivatives: From ``weighted_derivatives``.
        start: Where to begin, in float64.
        steps: The most steps; 1 tells where the nearest peak might be, and how high.
        race: Stop when the highest of each function has arrived and the others cannot catch up with it.
    """
    unit = 1 / max(so3_lmax(derivatives.shape[-1]), 1)
    rotation, longest = start, start.new_full(start.shape[:2], LONGEST * unit)
    expansion = _expand(derivatives, rotation)
    for remaining in range(steps - 1, -1, -1):
        step, length = _newton_step(expansion, longest)
        trial = _turn(rotation, step)
        # The gain of the quadratic model, which is exact to the third power of the step.
        gain = (expansion[..., 1:4] * step).sum(-1) / 2
        done = length < CONVERGED * unit
        if race:
            top, leader = expansion[..., 0].max(-1, keepdim=True)
            apart = (rotation - rotation.take_along_dim(leader[..., None, None], 1)).square().sum((-2, -1))
            beaten = (apart < NEAR * unit**2) & done.gather(-1, leader)
            done = done | beaten | (expansion[..., 0] + 4 * gain < top)
            gain = torch.where(beaten, 0.0, gain)  # whose prediction is not to win
        if remaining == 0 or bool(done.all()):
            return Climb(trial, expansion[..., 0] + gain, gain)
        ahead = _expand(derivatives, trial)
        # At the top a good step changes the value by less than its rounding.
        better = ahead[..., 0] >= expansion[..., 0] - ROUNDING * expansion[..., 0].abs()
        rotation = torch.where(better[..., None, None], trial, rotation)
        expansion = torch.where(better[..., None], ahead, expansion)
        longest = torch.where(better, LONGEST * unit, length / 4)
    raise ValueError(f"expected at least one step, got {steps}; leave it out")
