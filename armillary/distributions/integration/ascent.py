"""Newton ascent of a black box on SO(3): derivatives from differences of its values.

Reference: harmonics/peaks.py does the same for band-limited functions, whose derivatives are known.
"""

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.integration.cloud import Height
from armillary.so3.rotation import geodesic_distance

STEPS = 20
FIRST = 0.02  # radians of the first differences, about a degree
LONGEST = 0.3  # radians of the longest step
PAIRS = ((0, 1), (0, 2), (1, 2))


def _directions(device: torch.device) -> Float[Tensor, "13 3"]:
    """The centre, one step along each axis and back, and both ways along the diagonal of each two axes."""
    axes = torch.eye(3, dtype=torch.float64, device=device)
    diagonals = torch.stack([axes[i] + axes[j] for i, j in PAIRS])
    return torch.cat([axes[:1] * 0, axes, -axes, diagonals, -diagonals])


def expand(
    evaluate: Height, rows: Int[Tensor, " k"], rotation: Float[Tensor, "k 3 3"], step: Float[Tensor, " k"]
) -> tuple[Float[Tensor, " k"], Float[Tensor, "k 3"], Float[Tensor, "k 3 3"]]:
    """Value, gradient and Hessian of f(R exp(w)) at w = 0 by central differences of 13 values ``step`` apart."""
    around = rotation[:, None] @ roma.rotvec_to_rotmat(_directions(rotation.device) * step[:, None, None])
    values = evaluate(rows.repeat_interleave(13), around.flatten(0, 1)).double().reshape(-1, 13)
    value, ahead, behind, both, back = values.split([1, 3, 3, 3, 3], -1)
    gradient = (ahead - behind) / (2 * step[:, None])
    # f(w) and f(-w) together are even: what is odd of degree 1 and 3 drops out.
    straight = ahead + behind - 2 * value
    i, j = torch.tensor(PAIRS, device=rotation.device).T
    mixed = (both + back - 2 * value - straight[:, i] - straight[:, j]) / 2
    hessian = torch.diag_embed(straight)
    hessian[:, i, j] = hessian[:, j, i] = mixed
    return value[:, 0], gradient, hessian / step[:, None, None] ** 2


def climb(
    evaluate: Height, rows: Int[Tensor, " k"], start: Float[Tensor, "k 3 3"], resolution: float
) -> tuple[Float[Tensor, "k 3 3"], Float[Tensor, " k"], Float[Tensor, "k 3 3"]]:
    """Newton ascent from each start: where it ends, the value and the Hessian there.

    Steps are damped to stay uphill; where the Hessian is not negative definite its eigenvalues are made so.

    Args:
        evaluate: f of some rows at one rotation each.
        rows: Row of each start.
        start: Where to begin, float64.
        resolution: Relative rounding of the values of f (the ``eps`` of their dtype).
    """
    finest = resolution ** (1 / 3)  # radians: balances rounding against the third derivative
    rotation, shrink = start.clone(), torch.ones_like(start[:, 0, 0])
    value, gradient, hessian = expand(evaluate, rows, rotation, torch.full_like(shrink, FIRST))
    moving = torch.arange(len(rows), device=rows.device)
    for _ in range(STEPS):
        step, difference = _newton(gradient[moving], hessian[moving], finest)
        length = torch.linalg.vector_norm(step, dim=-1)
        step = step * (shrink[moving] * LONGEST / length.clamp(min=1e-300)).clamp(max=1)[:, None]
        trial = rotation[moving] @ roma.rotvec_to_rotmat(step)
        found = expand(evaluate, rows[moving], trial, difference)
        # At the top a good step changes the value by less than its rounding.
        better = found[0] >= value[moving] - 8 * resolution * value[moving].abs()
        at = moving[better]
        rotation[at], value[at], gradient[at], hessian[at] = trial[better], *(part[better] for part in found)
        shorter = torch.minimum(shrink[moving], length / LONGEST) / 4
        shrink[moving] = torch.where(better, (shrink[moving] * 2).clamp(max=1), shorter)
        # Newton steps shrink quadratically: after one this short the rest of the way is nothing.
        moving = moving[~(better & (length < finest / 5) & (difference == finest)) & (shrink[moving] > 1e-9)]
        if not len(moving):
            break
    return rotation, value, hessian


def _newton(
    gradient: Float[Tensor, "k 3"], hessian: Float[Tensor, "k 3 3"], finest: float
) -> tuple[Float[Tensor, "k 3"], Float[Tensor, " k"]]:
    """The step to the top of the expansion, and the distance at which to look around there."""
    eigenvalues, axes = torch.linalg.eigh(_finite(hessian))
    floor = 1e-6 * eigenvalues.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    curvature = torch.maximum(eigenvalues.abs(), floor)
    step = (axes @ ((axes.mT @ _finite(gradient)[..., None]) / curvature[..., None]))[..., 0]
    width = 0.3 * curvature.amax(-1).rsqrt()
    return step, torch.minimum(torch.linalg.vector_norm(step, dim=-1), width).clamp(finest, FIRST)


def _finite(values: Tensor) -> Tensor:
    return values.nan_to_num(0.0, 0.0, 0.0)


def choose_distinct(
    rotation: Float[Tensor, "batch points 3 3"], height: Float[Tensor, "batch points"], k: int, apart: float
) -> tuple[Int[Tensor, "batch {k}"], Float[Tensor, "batch {k}"]]:
    """The k highest points that lie ``apart`` from every higher one chosen: which, and how high (``-inf``: no more)."""
    chosen, tops = [], []
    for _ in range(k):
        top, best = height.max(-1)
        at = rotation.take_along_dim(best[:, None, None, None], 1)
        height = torch.where(geodesic_distance(rotation, at) < apart, -torch.inf, height)
        height = height.scatter(1, best[:, None], -torch.inf)
        chosen.append(best)
        tops.append(top)
    return torch.stack(chosen, -1), torch.stack(tops, -1)


def distinct(
    rotation: Float[Tensor, "batch points 3 3"], height: Float[Tensor, "batch points"], k: int, apart: float
) -> tuple[Float[Tensor, "batch {k} 3 3"], Float[Tensor, "batch {k}"]]:
    """The same points themselves, and how high."""
    chosen, top = choose_distinct(rotation, height, k, apart)
    return rotation.take_along_dim(chosen[..., None, None], 1), top
