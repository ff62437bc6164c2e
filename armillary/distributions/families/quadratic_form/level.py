r"""The law of a quadratic form of the quaternion of a uniform random rotation: density, volume, quantiles.

Let :math:`t=a\,x^2+b\,y^2+c\,z^2`, :math:`0\le a\le b\le c`. The Stieltjes transform of order two of the law of t is
elementary (``integral``); its jump across the cut is the slope of the density v of t, an elliptic integral:

.. math:: v(t)=\frac2\pi\sqrt{\frac{t}{abc}}\ R_F\!\Big(\frac{a-t}a,\frac{b-t}b,\frac{c-t}c\Big)\quad(t\le a),

constant from a to b, and the same beyond b with t replaced by c - t and a, b, c by c - b, c - a, c. What is asked of a
density g(t) is the integral of v g over [0, t], whose pieces end at a and b: a tanh-sinh rule on each.

Reference: Numerical computation of real or complex elliptic integrals (Carlson, 1995), for R_F,
https://arxiv.org/abs/math/9409227
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float64
from torch import Tensor

TINY = 1e-30  # least diagonal: a form of zeros has the law of a very small one
# Of the tanh-sinh rule on each piece: relative error 1e-9, or 2e-5 where v and the profile both have a peak at 0.
NODES, END = 80, 3.6
DUPLICATIONS = 8  # and a series of order six: relative error 5e-14 for arguments of ratio 1e30
ITERATIONS = 60  # of Newton at most; eight are usual
ROUNDING = 1e-13  # of a share near one


def carlson_rf(
    x: Float64[Tensor, "*shape"], y: Float64[Tensor, "*shape"], z: Float64[Tensor, "*shape"]
) -> Float64[Tensor, "*shape"]:
    r"""Carlson's symmetric elliptic integral :math:`R_F=\frac12\int_0^\infty\frac{d\xi}{\sqrt{(\xi+x)(\xi+y)(\xi+z)}}`.

    Example:
        >>> one = torch.ones(()).double()
        >>> carlson_rf(one * 4, one * 4, one * 4)  # x^(-1/2)
        tensor(0.5000, dtype=torch.float64)
    """
    for _ in range(DUPLICATIONS):
        root_x, root_y, root_z = x.sqrt(), y.sqrt(), z.sqrt()
        shift = root_x * (root_y + root_z) + root_y * root_z
        x, y, z = (x + shift) / 4, (y + shift) / 4, (z + shift) / 4
    mean = (x + y + z) / 3
    dx, dy = 1 - x / mean, 1 - y / mean
    dz = -dx - dy
    second, third = dx * dy - dz * dz, dx * dy * dz
    series = 1 - second / 10 + third / 14 + second * second / 24 - 3 * second * third / 44
    return series * mean.rsqrt()


def _density(
    level: Float64[Tensor, "*shape"], gaps: tuple[Tensor, Tensor, Tensor], form: tuple[Tensor, Tensor, Tensor]
) -> Float64[Tensor, "*shape"]:
    """v at a level below a; ``gaps`` are a - t, b - t and c - t, which rounding would spoil near the ends."""
    a, b, c = (size.clamp(min=TINY) for size in form)
    ratios = [(gap / size).clamp(min=TINY) for gap, size in zip(gaps, (a, b, c), strict=True)]
    return 2 / math.pi * (level / a).sqrt() / (b * c).sqrt() * carlson_rf(*torch.broadcast_tensors(*ratios))


def level_density(form: Float64[Tensor, "*batch 3"], level: Float64[Tensor, "*batch"]) -> Float64[Tensor, "*batch"]:
    """Density of t at ``level`` between 0 and c.

    Example:
        >>> form = torch.tensor([1.0, 2.0, 3.0]).double()
        >>> level_density(form, torch.tensor(1.0).double()) == level_density(form, torch.tensor(1.5).double())
        tensor(True)
    """
    a, b, c = form.clamp(min=TINY).unbind(-1)
    inner = torch.minimum(level, a)
    below = _density(inner, (a - inner, b - inner, c - inner), (a, b, c))
    above = _density(c - level, (level - b, level - a, level), (c - b, c - a, c))
    return torch.where(level > b, above, below)


def integral_below(
    form: Float64[Tensor, "*batch 3"], level: Float64[Tensor, "*batch"], profile: Callable[[Tensor], Tensor]
) -> Float64[Tensor, "*batch"]:
    """Integral of v(t) profile(t) from 0 to ``level``: the mass of rotations whose t is lower.

    Example:
        >>> form = torch.tensor([1.0, 2.0, 3.0]).double()
        >>> integral_below(form, torch.tensor(3.0).double(), torch.ones_like)
        tensor(1.0000, dtype=torch.float64)
    """
    place = torch.linspace(-END, END, NODES, dtype=form.dtype, device=form.device)
    rise, fall = (math.pi * place.sinh()).sigmoid(), (-math.pi * place.sinh()).sigmoid()
    slope = rise * fall * math.pi * place.cosh() * (2 * END / (NODES - 1))
    a, b, c = (size[..., None] for size in form.clamp(min=TINY).unbind(-1))
    top = torch.minimum(level[..., None], c)
    end = torch.minimum(top, a)
    t, rest = end * rise, end * fall
    gap = (a - end) + rest
    total = (slope * end * profile(t) * _density(t, (gap, b - a + gap, c - a + gap), (a, b, c))).sum(-1)
    # Between a and b the density is constant.
    width = torch.minimum(top, b) - end
    flat = _density(a, (torch.zeros_like(a), b - a, c - a), (a, b, c))
    total = total + (slope * width * profile(end + width * rise) * flat).sum(-1)
    width = (top - b).clamp(min=0)
    over, rest = width * rise, (c - torch.maximum(top, b)) + width * fall
    mirrored = _density(rest, (over, b - a + over, b + over), (c - b, c - a, c))
    return total + (slope * width * profile(b + over) * mirrored).sum(-1)


def level_of_mass(
    form: Float64[Tensor, "*batch 3"], mass: float, profile: Callable[[Tensor], Tensor], reach: float
) -> Float64[Tensor, "*batch"]:
    """The level below which a share ``mass`` of the integral of v(t) profile(t) lies, which ends at ``reach``.

    Newton's method for log(P / (1 - P)) as a function of log(t / (T - t)), T being the end: near linear at both ends,
    whatever powers of t and T - t the mass goes with. A step out of the bracket is replaced by its middle.

    Example:
        >>> form = torch.tensor([1.0, 2.0, 3.0]).double()
        >>> level = level_of_mass(form, 0.5, torch.ones_like, 10.0)
        >>> integral_below(form, level, torch.ones_like)
        tensor(0.5000, dtype=torch.float64)
    """
    end = form[..., 2].clamp(min=TINY, max=reach)
    total = integral_below(form, end, profile)
    low, high = torch.full_like(end, -60.0), torch.full_like(end, 36.0)
    place, level = low, end
    for _ in range(ITERATIONS):
        level = end * place.sigmoid()
        share = integral_below(form, level, profile) / total
        if ((share - mass).abs() <= 1e-12 * mass).all():
            break
        low, high = torch.where(share < mass, place, low), torch.where(share < mass, high, place)
        slope = level_density(form, level) * profile(level) / total * level * (-place).sigmoid()
        rest = (1 - share).clamp(min=ROUNDING)
        step = place + (math.log(mass / (1 - mass)) - (share / rest).log()) * share * rest / slope
        inside = (step >= low) & (step <= high) & (rest > ROUNDING)
        place = torch.where(inside, step, (low + high) / 2)
    return level
