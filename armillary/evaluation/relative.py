r"""The rotation between two views, from what a network says of each: correlation of embeddings, or two absolute poses.

Embeddings are functions on the sphere that turn with the object: of views :math:`Q_1, Q_2` (object to camera) of one
object :math:`f_1(x) = f_2(R^{-1}x)` with :math:`R = Q_1 Q_2^\top`, the peak of their correlation. Where the object has
a symmetry group G, all of :math:`\{Q_1\,g\,Q_2^\top : g \in G\}` are right, and each has a peak of its own. The density

.. math:: p(R)=\exp(\tau\,s(R))/Z, \qquad s(R)=\sum_c\langle f_{1c}, f_{2c}(R^{-1}\cdot)\rangle
    \Big/ \lVert f_1\rVert\,\lVert f_2\rVert

has one number, the temperature, that `fit_temperature` finds. All is exact: planted rotations of 64 channels up to
degree 7 come back to 1e-3 degrees in float32 (tests/evaluation/test_relative.py), peaks are refined, no grid is left.

Reference: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716
    (correlation; its symmetric error, which forgives every error of nearly a half-turn, is not taken over).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions import HarmonicDistribution, SO3Distribution
from armillary.distributions.integration.adaptive_grid import AdaptiveGrid
from armillary.harmonics import Alignment, align_s2, correlate, evaluate_so3
from armillary.harmonics.layout import s2_lmax, s2_slice
from armillary.so3 import SymmetryGroup

HOTTEST = 1e5  # the largest temperature that is looked for


@dataclass(frozen=True)
class Weighting:
    """What counts how much when two embeddings are correlated.

    Example:
        >>> Weighting(equal="degrees")(torch.tensor([[5.0, 0.0, 3.0, 4.0]]))
        tensor([[0.0000, 0.0000, 0.6000, 0.8000]])
    """

    # Leave out the mean, which no rotation changes: it raises every score alike.
    drop_mean: bool = True
    # What is brought to length 1 in each embedding: strong channels or low degrees outvote the others else.
    equal: Literal["nothing", "channels", "degrees"] = "nothing"

    def __post_init__(self) -> None:
        """Reject unknown words."""
        if self.equal not in ("nothing", "channels", "degrees"):
            raise ValueError(f"expected equal nothing, channels or degrees, got {self.equal!r}; use 'nothing'")

    def __call__(self, coeffs: Float[Tensor, "*batch channels coeffs"]) -> Float[Tensor, "*batch channels coeffs"]:
        """The embedding with its weights."""
        if self.drop_mean:
            coeffs = torch.cat([torch.zeros_like(coeffs[..., :1]), coeffs[..., 1:]], -1)
        if self.equal == "channels":
            return torch.nn.functional.normalize(coeffs, dim=-1)
        if self.equal == "degrees":
            parts = [coeffs[..., s2_slice(degree)] for degree in range(s2_lmax(coeffs.shape[-1]) + 1)]
            return torch.cat([_unit(part) for part in parts], -1)
        return coeffs


PLAIN = Weighting()


def relative_rotation(
    first: Float[Tensor, "*#batch channels coeffs"],
    second: Float[Tensor, "*#batch channels coeffs"],
    k: int = 1,
    weighting: Weighting = PLAIN,
) -> Alignment:
    """The k rotations that best turn the second embedding onto the first, best first, with scores from -1 to 1.

    Example:
        >>> from armillary.harmonics import rotate_s2
        >>> from armillary.so3 import rotation_y
        >>> second, R = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)), rotation_y(torch.tensor(2.0))
        >>> rotation, score = relative_rotation(rotate_s2(second, R), second)
        >>> torch.allclose(rotation[0], R, atol=1e-5), score.round(decimals=4)
        (True, tensor([1.]))
    """
    return align_s2(weighting(first), weighting(second), k, channel_dim=-2)


def relative_score(
    first: Float[Tensor, "*#batch channels coeffs"],
    second: Float[Tensor, "*#batch channels coeffs"],
    weighting: Weighting = PLAIN,
) -> Float[Tensor, "*out modes"]:
    """The score s(R) of all rotations as a function on SO(3), by its coefficients; 0 where an embedding is.

    Example:
        >>> score = relative_score(torch.ones(2, 4), torch.ones(2, 4))
        >>> evaluate_so3(score, torch.eye(3)).round(decimals=4)
        tensor(1.)
    """
    first, second = _unit(weighting(first)), _unit(weighting(second))
    return correlate(first, second, channel_dim=-2)


def relative_density(
    first: Float[Tensor, "*#batch channels coeffs"],
    second: Float[Tensor, "*#batch channels coeffs"],
    temperature: float,
    weighting: Weighting = PLAIN,
) -> HarmonicDistribution:
    """The density of the rotation between two views, in proportion to the exponential of temperature times score.

    Example:
        >>> relative_density(torch.ones(2, 4), torch.ones(2, 4), 20.0).log_prob(torch.eye(3)) > 2
        tensor(True)
    """
    if not temperature >= 0:
        raise ValueError(f"expected a temperature of at least 0, got {temperature}; find one with fit_temperature")
    return HarmonicDistribution(temperature * relative_score(first, second, weighting))


@torch.no_grad()
def fit_temperature(
    first: Float[Tensor, "pairs channels coeffs"],
    second: Float[Tensor, "pairs channels coeffs"],
    truth: Float[Tensor, "pairs 3 3"],
    weighting: Weighting = PLAIN,
) -> float:
    r"""The temperature of largest likelihood; the sum over pairs is concave in it, with slope

    .. math:: \frac{d}{d\tau}\sum_i\log p_i(R_i)=\sum_i\big(s_i(R_i)-E_{p_i}[s_i]\big)

    found by exact integrals and set to zero by regula falsi (Illinois), to 1e-4 relative.

    Returns:
        Between 0 (the scores say nothing) and 1e5 (every truth is at the very peak).

    Example:
        >>> maps = torch.ones(1, 2, 4)
        >>> off = torch.tensor([[[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]])
        >>> 5 < fit_temperature(maps, maps, off) < 20
        True
    """
    if not len(first):
        raise ValueError("expected pairs to fit a temperature to, got none; give some tens of them")
    score = relative_score(first, second, weighting)
    reached = evaluate_so3(score.double(), truth.double()).sum().item()

    def slope(temperature: float) -> float:
        moments = AdaptiveGrid().integrate(temperature * score)[1]
        return reached - (score.double() * moments.double()).sum().item()

    return _root_of_falling(slope, start=16.0, largest=HOTTEST)


def _root_of_falling(function: Callable[[float], float], start: float, largest: float) -> float:
    """Where a falling function is zero, between 0 and largest; the nearer end where it has one sign."""
    low, high, at_low = 0.0, start, function(0.0)
    if at_low <= 0:
        return 0.0
    while (at_high := function(high)) > 0:
        if high >= largest:
            return largest
        low, at_low, high = high, at_high, min(2 * high, largest)
    side = 0
    while high - low > 1e-4 * high:
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if abs(value) <= 1e-9 * abs(at_low - at_high):
            return middle
        # Illinois: an end that stays twice counts half, so that the other comes nearer too.
        if value > 0:
            low, at_low, at_high, side = middle, value, at_high / 2 if side == 1 else at_high, 1
        else:
            high, at_high, at_low, side = middle, value, at_low / 2 if side == -1 else at_low, -1
    return (low + high) / 2


def relative_error(
    rotation: Float[Tensor, "*#batch 3 3"],
    first: Float[Tensor, "*#batch 3 3"],
    second: Float[Tensor, "*#batch 3 3"],
    group: SymmetryGroup | None = None,
) -> Float[Tensor, "*#batch"]:
    r"""Angle between an answer and the nearest right one, radians.

    .. math:: \min_{g\in G}\theta(\hat R,\ Q_1\,g\,Q_2^\top)=\min_{g\in G}\theta(\hat R\,Q_2,\ Q_1\,g)

    Args:
        rotation: The answer.
        first: Q_1, object (or canonical frame of its category) to camera.
        second: Q_2.
        group: G; None where only one rotation is right.

    Example:
        >>> half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
        >>> relative_error(half_turn, torch.eye(3), torch.eye(3), SymmetryGroup.cyclic(2))
        tensor(0.)
    """
    return (group or SymmetryGroup.trivial()).distance(rotation @ second, first)


def joint_group(first: SymmetryGroup, second: SymmetryGroup) -> SymmetryGroup:
    """All g1 g2: what relative rotations between two aligned instances leave open. Of equal groups, that group.

    Continuous axes of both are taken for one; the set is a group where one group holds the other or both share an axis.

    Example:
        >>> joint_group(SymmetryGroup.cyclic(2), SymmetryGroup.cyclic(3)).order
        6
    """
    if first is second:
        return first
    products = (first.discrete[:, None] @ second.discrete).flatten(0, 1)
    axis = first.axis if first.axis is not None else second.axis
    return SymmetryGroup(products, axis, f"{first.name} x {second.name}")


def combine_absolute(first: SO3Distribution, second: SO3Distribution) -> Float[Tensor, "*batch 3 3"]:
    """The rotation between two views from two answers about each alone, R_1 R_2^T of their modes.

    Example:
        >>> from armillary.distributions import MatrixFisher
        >>> combine_absolute(MatrixFisher(9 * torch.eye(3)), MatrixFisher(9 * torch.eye(3))).diagonal()
        tensor([1., 1., 1.])
    """
    return first.mode @ second.mode.mT


def _unit(coeffs: Float[Tensor, "*batch channels coeffs"]) -> Float[Tensor, "*batch channels coeffs"]:
    """Divided by the length over channels and coefficients; zeros stay."""
    length = torch.linalg.vector_norm(coeffs, dim=(-2, -1), keepdim=True)
    return coeffs / length.clamp(min=torch.finfo(coeffs.dtype).tiny)
