"""Which finite groups could explain the peaks of an autocorrelation, and how they would lie."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.wigner import evaluate_so3
from armillary.so3.rotation import exp, log, nearest_rotation
from armillary.so3.symmetry import SymmetryGroup

TOGETHER = math.radians(6.0)  # axes nearer than this are one; half-turns of D_12 are 15 degrees apart
TILT = math.radians(8.0)  # how far two axes may be from the angle that a group asks for
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
GOLDEN = (1 + math.sqrt(5)) / 2


class Hypothesis(NamedTuple):
    """A group in standard orientation, and turns that take it to where it might lie."""

    group: SymmetryGroup
    orientations: Float[Tensor, "k 3 3"]


def place(
    standard: tuple[tuple[float, float, float], tuple[float, float, float]], axes: Float[Tensor, "*k 2 3"]
) -> Float[Tensor, "*k 3 3"]:
    """Rotations that take two directions to two others, as nearly as they can, and their normal to theirs.

    Example:
        >>> place((Z, X), torch.tensor([X, Z])) @ torch.tensor(Y)
        tensor([ 0., -1.,  0.])
    """
    first, second = (axes.new_tensor(vector) / math.hypot(*vector) for vector in standard)
    ours = torch.stack([first, second, torch.linalg.cross(first, second)])
    theirs = torch.cat([axes, torch.linalg.cross(axes[..., 0, :], axes[..., 1, :])[..., None, :]], -2)
    return nearest_rotation(theirs.mT @ ours)


def finite_hypotheses(
    coeffs: Float[Tensor, " modes"], peaks: Float[Tensor, "n 3 3"], threshold: float
) -> list[Hypothesis]:
    """All finite groups whose generators are turns about the peaks' axes at which C is above the threshold.

    Args:
        coeffs: Of C.
        peaks: Where C is high, the highest first.
        threshold: How high.
    """
    axes = distinct_axes(peaks)
    repeats = axis_repeats(coeffs, axes, threshold)
    about = {n: axes[repeats[n]] for n in repeats}
    found = [
        Hypothesis(SymmetryGroup.cyclic(n), place((Z, X), torch.stack([u, _across(u)], 1))) for n, u in about.items()
    ]
    found += [Hypothesis(SymmetryGroup.dihedral(n), _pairs(u, about[2], (Z, X))) for n, u in about.items()]
    corner, other, tip, next_tip = (1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (0.0, 1.0, GOLDEN), (0.0, -1.0, GOLDEN)
    for n, group, pair in (
        (3, SymmetryGroup.tetrahedral(), (corner, other)),
        (4, SymmetryGroup.octahedral(), (Z, X)),
        (5, SymmetryGroup.icosahedral(), (tip, next_tip)),
    ):
        if n in about:
            found.append(Hypothesis(group, _pairs(about[n], about[n], pair)))
    return [hypothesis for hypothesis in found if len(hypothesis.orientations)]


def distinct_axes(peaks: Float[Tensor, "n 3 3"]) -> Float[Tensor, "k 3"]:
    """Axes of turns, without those of tiny angle, each direction (either sign) once.

    Example:
        >>> distinct_axes(exp(torch.tensor([[0.0, 0, 1], [0.0, 0, -2], [0.0, 0, 0]])))
        tensor([[0., 0., 1.]])
    """
    rotvec = log(peaks)
    angle = torch.linalg.vector_norm(rotvec, dim=-1, keepdim=True)
    axes = (rotvec / angle.clamp(min=TOGETHER))[angle[:, 0] > TOGETHER]
    same = (axes @ axes.mT).abs() > math.cos(TOGETHER)
    return axes[~same.tril(-1).any(-1)]


def axis_repeats(
    coeffs: Float[Tensor, " modes"], axes: Float[Tensor, "k 3"], threshold: float
) -> dict[int, Bool[Tensor, " k"]]:
    """For n = 2..lmax, about which axes C is above the threshold at all multiples of 360 / n degrees."""
    repeats = {}
    for n in range(2, max(so3_lmax(len(coeffs)), 2) + 1):
        angle = torch.arange(1, n // 2 + 1, device=axes.device, dtype=axes.dtype) * (2 * math.pi / n)
        value = evaluate_so3(coeffs, exp(angle[:, None, None] * axes))  # C(g) = C(g^-1): half the turns will do
        repeats[n] = (value >= threshold).all(0)
    return repeats


def _pairs(
    first: Float[Tensor, "k 3"],
    second: Float[Tensor, "n 3"],
    standard: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> Float[Tensor, "pairs 3 3"]:
    """Orientations from all pairs of axes at the angle between two standard ones."""
    a, b = standard
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
    found = first @ second.mT
    # An axis has no sign: the second is flipped where that gives the angle.
    sign = torch.where(found * cosine < 0, -1.0, 1.0).to(found)
    i, j = ((found * sign).clamp(-1, 1).acos() - math.acos(cosine)).abs().lt(TILT).nonzero(as_tuple=True)
    return place(standard, torch.stack([first[i], second[j] * sign[i, j, None]], -2))


def _across(axes: Float[Tensor, "k 3"]) -> Float[Tensor, "k 3"]:
    """Unit vectors at right angles to others."""
    smallest = torch.nn.functional.one_hot(axes.abs().argmin(-1), 3).to(axes)
    return torch.nn.functional.normalize(torch.linalg.cross(axes, smallest), dim=-1)
