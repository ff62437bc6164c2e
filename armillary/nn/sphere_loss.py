r"""Losses of points on a sphere, one number for each point: 0 at a perfect fit.

Magnitudes p > 0 are compared with the squares or the absolute values of the truth y, signs by a classifier:

| task | regression | weight | signs |
|---|---|---|---|
| angle | :math:`KL(y^2 \| p^2)`, the cross entropy less its least value | 4 | cross entropy |
| normal, rotation | :math:`1 - \sum |y_j| p_j` | 10 | cross entropy |

Source: Spherical Regression, https://github.com/leoshine/Spherical_Regression; files and lines beside the weights.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.nn.signs import SignTable

# regEulerNet.py:52; regNormalNet.py:192-194 and regQuatNet.py:280-281.
SQUARES_WEIGHT, COSINE_WEIGHT = 4.0, 10.0


def squares_divergence(
    log_magnitude: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"], dim: int = -1
) -> Float[Tensor, "*batch"]:
    r"""Divergence of squares, :math:`\sum_j y_j^2 \log (y_j^2 / p_j^2)`, from `log_spherical_exponential`.

    Its gradient for the outputs is :math:`2 (p^2 - y^2)`, which vanishes at the truth alone.

    Example:
        >>> squares_divergence(torch.tensor([0.6, 0.8]).log(), torch.tensor([-0.6, 0.8])).abs() < 1e-6
        tensor(True)
    """
    square = truth.square()
    return (torch.xlogy(square, square) - 2 * square * log_magnitude).sum(dim)


def cosine_loss(
    point: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"], dim: int = -1
) -> Float[Tensor, "*batch"]:
    r"""One less the cosine of unit vectors, :math:`1 - p \cdot y = |p - y|^2 / 2`, exact for small angles.

    Example:
        >>> cosine_loss(torch.tensor([1.0, 0.0]), torch.tensor([0.0, -1.0]))
        tensor(1.)
    """
    return (point - truth).square().sum(dim) / 2


def smooth_l1_loss(
    output: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"], dim: int = -1
) -> Float[Tensor, "*batch"]:
    """Mean over coordinates of the smooth absolute difference (quadratic below 1): the loss of raw outputs.

    Example:
        >>> smooth_l1_loss(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.0]))
        tensor(0.7500)
    """
    return torch.nn.functional.smooth_l1_loss(output, truth, reduction="none").mean(dim)


def sign_cross_entropy(
    sign_logits: Float[Tensor, "*logits"], label: Int[Tensor, "*batch"], dim: int = -1
) -> Float[Tensor, "*batch"]:
    """Minus the log probability of the true signs.

    Example:
        >>> sign_cross_entropy(torch.zeros(1, 4), torch.tensor([2])).exp()
        tensor([4.])
    """
    return -sign_logits.log_softmax(dim).take_along_dim(label.unsqueeze(dim), dim).squeeze(dim)


def sign_closeness(
    truth: Float[Tensor, "*batch coordinates"], table: SignTable, width: float, antipodal: bool = False
) -> Float[Tensor, "*batch classes"]:
    r"""How well each sign vector would do: :math:`e^{-\theta_s^2 / 2 w^2}`, :math:`\theta_s` the angle from the truth.

    The truth's magnitudes with other signs lie at an angle that is small where coordinates near 0 change sign. With
    ``antipodal`` points are quaternions, where y and -y are the same rotation, and angles are those of rotations:
    near a half-turn the opposite signs of all other coordinates are nearly right, and the result does not depend on
    which of the two quaternions is given.

    Args:
        truth: Unit vectors.
        table: The sign vectors.
        width: Angle in radians at which a sign vector counts :math:`e^{-1/2}`.
        antipodal: Whether points are quaternions.

    Example:
        >>> half_turn = torch.tensor([0.0, 0.6, 0.8, 0.0])
        >>> sign_closeness(half_turn, SignTable.quaternions(), 0.2, antipodal=True).round()
        tensor([1., 1., 0., 0., 0., 0., 1., 1.])
    """
    square = truth.square()
    signed = torch.where(truth < 0, -square, square)
    cosine = signed @ table.vectors(truth).transpose(0, 1)
    angle = 2 * cosine.abs().clamp(max=1).acos() if antipodal else cosine.clamp(-1, 1).acos()
    return (-(angle / width).square() / 2).clamp(min=-80).exp()


def near_sign_loss(
    sign_logits: Float[Tensor, "*batch classes"], closeness: Float[Tensor, "*batch classes"]
) -> Float[Tensor, "*batch"]:
    r"""Cross entropy of the signs, where nearly right ones count: :math:`-\log \sum_s c_s\,p_s`.

    The likelihood of the truth when each sign vector stands for a small region (`sign_closeness`). A function of the
    point alone, it has no jump where a coordinate changes sign; far from such places it is the cross entropy.

    Example:
        >>> near_sign_loss(torch.zeros(4), torch.tensor([1.0, 1.0, 0.0, 0.0])).exp()
        tensor(2.)
    """
    floor = math.exp(-80)
    return -(sign_logits.log_softmax(-1) + closeness.clamp(min=floor).log()).logsumexp(-1)
