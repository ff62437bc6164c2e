r"""Means over all rotations of a function of a quadratic form of the quaternion, with their derivatives.

Let (w, x, y, z) be the quaternion of a uniform random rotation and :math:`t=a\,x^2+b\,y^2+c\,z^2`, :math:`a,b,c\ge0`.
The integral of a Gaussian over R^4, in polar coordinates, says that

.. math:: E\,(s+t)^{-2} = P(s) = \big(s\,(s+a)(s+b)(s+c)\big)^{-1/2}

is elementary, so Cauchy's formula for the derivative of h makes every mean of :math:`g=h'` a contour integral

.. math:: E\,g(t)=\frac1{2\pi i}\oint h(z)\,P(-z)\,dz = \mathrm{Re}\sum_k \omega_k\,P(s_k), \qquad s=-z,

around [0, c]. The nodes do not depend on a, b, c. No term is large beside the sum, however large or unequal they are,
and derivatives only multiply the terms by :math:`-\frac12(s+a)^{-1}`, so they are as accurate; nothing is singular
where a, b, c are equal or zero.

Reference: Talbot quadratures and rational approximations (Trefethen, Weideman and Schmelzer, 2006), for the contour,
https://doi.org/10.1007/s10543-006-0077-9
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Complex128, Float64
from torch import Tensor

TALBOT = 26  # nodes, of which conjugate symmetry leaves half: truncation 3.9^-26 = 4e-16, rounding 3e-14
STEP = 0.12  # of the trapezoid rule in a strip of half-width pi / 4: error exp(-pi^2 / (2 STEP)) = 1e-18 of the terms
REACH = 40.0  # exp(-REACH) is nothing


@dataclass(frozen=True)
class Contour:
    """Nodes s and weights of one function g: the mean of g is ``Re sum weights * P(nodes)``; nodes have Im s > 0."""

    nodes: Complex128[Tensor, " nodes"]
    weights: Complex128[Tensor, " nodes"]


@lru_cache(maxsize=1)
def exponential() -> Contour:
    r"""Contour of :math:`g(t)=e^{-t}`: Talbot's, relative error below 1e-13 for all a, b, c."""
    angle = (2 * torch.arange(TALBOT // 2, dtype=torch.float64) + 1) * math.pi / TALBOT
    scaled = 0.6407 * angle
    cot = 1 / scaled.tan()
    nodes = TALBOT * torch.complex(0.5071 * angle * cot - 0.6122, 0.2645 * angle)
    slope = TALBOT * torch.complex(0.5071 * (cot - scaled / scaled.sin().square()), torch.full_like(angle, 0.2645))
    return Contour(nodes, nodes.exp() * slope * (-2j / TALBOT))


@lru_cache(maxsize=8)
def root_exponential(softening: float, primitive: bool = False) -> Contour:
    r"""Contour of :math:`g(t)=e^{-r}/r,\ r=\sqrt{t+\epsilon}`, or of its primitive :math:`2e^{-r}`, whose slope is -g.

    With :math:`z=r^2-\epsilon` the antiderivatives h are entire in r, :math:`-2e^{-r}` and :math:`-4(r+1)e^{-r}`, and
    P(-z) is singular only where r is real and beyond :math:`\sqrt\epsilon`: the contour
    :math:`r=\sqrt\epsilon\cosh(x-i\pi/4)` passes between.
    """
    scale = math.sqrt(softening)
    count = math.ceil(math.acosh(REACH * math.sqrt(2) / scale) / STEP)
    place = torch.complex((torch.arange(count) + 0.5).double() * STEP, torch.full((count,), -math.pi / 4).double())
    radius = scale * place.cosh()
    antiderivative = -2 * (-radius).exp() * (2 * (radius + 1) if primitive else 1)
    slope = 2 * radius * scale * place.sinh()
    return Contour(softening - radius.square(), antiderivative * slope * (-1j * STEP / math.pi))


def _terms(contour: Contour, spread: Float64[Tensor, "*batch 3"]) -> tuple[Tensor, Tensor]:
    """Weighted P at the nodes, ``*batch nodes``, and s + (0, a, b, c), ``*batch nodes 4``."""
    nodes, weights = contour.nodes.to(spread.device), contour.weights.to(spread.device)
    form = torch.cat([torch.zeros_like(spread[..., :1]), spread], -1)
    shifted = nodes[:, None] + form[..., None, :]
    s, a, b, c = shifted.unbind(-1)
    # Each factor lies in the upper half plane, so minus the product of two does not cross the cut of the root.
    return -weights / (torch.sqrt(-s * c) * torch.sqrt(-a * b)), shifted


def mean_of(contour: Contour, spread: Float64[Tensor, "*batch 3"]) -> Float64[Tensor, "*batch"]:
    """E g(t) for the quadratic forms of diagonal ``spread`` = (a, b, c), which are at least 0.

    Example:
        >>> mean_of(exponential(), torch.zeros(3).double())
        tensor(1.0000, dtype=torch.float64)
    """
    return _terms(contour, spread)[0].real.sum(-1)


def first_moments(
    contour: Contour, spread: Float64[Tensor, "*batch 3"]
) -> tuple[Float64[Tensor, "*batch"], Float64[Tensor, "*batch 4"]]:
    r"""E g(t), and the means of :math:`-g'(t)` times the squares of (w, x, y, z).

    Example:
        >>> first_moments(exponential(), torch.zeros(3).double())[1]
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    terms, shifted = _terms(contour, spread)
    return terms.real.sum(-1), (terms[..., None] / shifted).real.sum(-2) / 2


def second_moments(contour: Contour, spread: Float64[Tensor, "*batch 3"]) -> Float64[Tensor, "*batch 4 4"]:
    r"""The means of :math:`g''(t)` times the products of two squares of (w, x, y, z).

    Example:
        >>> second_moments(exponential(), torch.zeros(3).double())[0] * 24  # those of uniform rotations
        tensor([3.0000, 1.0000, 1.0000, 1.0000], dtype=torch.float64)
    """
    terms, shifted = _terms(contour, spread)
    inverse = 1 / shifted
    products = ((terms[..., None] * inverse).mT @ inverse).real
    return products * (0.25 + 0.5 * torch.eye(4, dtype=spread.dtype, device=spread.device))
