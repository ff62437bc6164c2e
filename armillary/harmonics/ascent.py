r"""Newton ascent on SO(3): from a start near a peak to the peak, for many starts of many functions at once.

A step solves :math:`(\mu-H)w=g` and goes to :math:`R\exp(w)`. The damping :math:`\mu` is 0 where that step is short and
H negative definite, and otherwise just large enough for both; so convergence is quadratic near a peak, and a ridge (the
flat direction of a continuous symmetry) is climbed across and not along.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.harmonics.derivative import derivative_coeffs
from armillary.harmonics.generator import cross_matrix
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.wigner import degree_weights, plain_rows

LONGEST = 0.9  # a step, in wavelengths / 2 pi
CONVERGED = 3e-4  # a step after which the next would be of the order of its square, in the same unit
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
    return derivative_coeffs(coeffs)[:, [0, 1, 2, 3, 4, 7, 8, 7, 5, 9, 8, 9, 6]]


def _expand(
    derivatives: Float[Tensor, "batch 13 modes"], rotation: Float[Tensor, "batch points 3 3"]
) -> Float[Tensor, "batch points 13"]:
    """Value, gradient (3) and Hessian (9) at the points of each function."""
    lmax = so3_lmax(derivatives.shape[-1])
    rows = plain_rows(lmax, rotation.flatten(0, 1)).unflatten(1, rotation.shape[:2])
    return (derivatives @ rows.movedim(0, 1)).mT


def _largest_eigenvalue(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Of symmetric matrices, by Cardano's formula."""
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    beside = torch.stack([matrix[..., 1, 2], matrix[..., 0, 2], matrix[..., 0, 1]], -1)  # opposite to a, b, c
    centre = diagonal.mean(-1)
    a, squares = diagonal - centre[..., None], beside.square()
    spread = ((a * a).sum(-1) / 6 + squares.sum(-1) / 3).sqrt()
    half_determinant = a.prod(-1) / 2 + beside.prod(-1) - (a * squares).sum(-1) / 2
    cosine = half_determinant / spread.pow(3).clamp(min=torch.finfo(spread.dtype).tiny)
    return centre + 2 * spread * torch.cos(cosine.clamp(-1, 1).acos() / 3)


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
    # A flat function has neither slope nor curvature: any damping leaves it where it is.
    wanted = torch.maximum(slope / longest, FLATTEST * scale).clamp(min=torch.finfo(slope.dtype).tiny ** 0.25)
    damping = (wanted + _largest_eigenvalue(hessian)).clamp(min=0)
    step, _ = _solve(damping[..., None, None] * torch.eye(3).to(hessian) - hessian, gradient)
    return step, torch.linalg.vector_norm(step, dim=-1)


def _turn(rotation: Float[Tensor, "*batch 3 3"], step: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """``R exp(w)`` by Rodrigues' formula."""
    angle = torch.linalg.vector_norm(step, dim=-1)[..., None, None] / torch.pi
    cross = cross_matrix(step)
    once = rotation @ cross
    return rotation + torch.sinc(angle) * once + (torch.sinc(angle / 2).square() / 2) * (once @ cross)


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
            done = done | (expansion[..., 0] + 4 * gain < expansion[..., 0].amax(-1, keepdim=True))
        if remaining == 0 or bool(done.all()):
            return Climb(trial, expansion[..., 0] + gain, gain)
        ahead = _expand(derivatives, trial)
        # At the top a good step changes the value by less than its rounding.
        slack = 8 * torch.finfo(length.dtype).eps * expansion[..., 0].abs()
        better = ahead[..., 0] >= expansion[..., 0] - slack
        rotation = torch.where(better[..., None, None], trial, rotation)
        expansion = torch.where(better[..., None], ahead, expansion)
        longest = torch.where(better, LONGEST * unit, length / 4)
    raise ValueError(f"expected at least one step, got {steps}; leave it out")
