r"""Derivatives of functions on SO(3) along the group, exact, as linear maps of the coefficients.

:math:`(X_i f)(Q)=\frac{d}{dt}f(Q\exp(t e_i))|_{t=0}` multiplies each degree from the right by the transposed generator
:math:`X_i^l`. So gradient and Hessian are ten band-limited functions, evaluated with one Wigner matrix.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.layout import so3_lmax, split_degrees
from armillary.harmonics.wigner import degree_weights, wigner_D

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class Expansion(NamedTuple):
    """Second-order expansion of f at rotations, in the tangent coordinates ``f(Q exp(w))``."""

    value: Tensor
    gradient: Tensor
    hessian: Tensor


@lru_cache(maxsize=32)
def generators(lmax: int) -> tuple[Tensor, ...]:
    """Generators of rotation about x, y, z, (3, 2l+1, 2l+1) for each degree, float64 and antisymmetric."""
    # The turns that carry z to x, to y and to z.
    to_x = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=torch.float64)
    to_y = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    turns = split_degrees(wigner_D(lmax, torch.stack([to_x, to_y, torch.eye(3, dtype=torch.float64)])))
    about_z = [torch.diag(-torch.arange(-l, l + 1, dtype=torch.float64)).flip(-1) for l in range(lmax + 1)]
    return tuple(turn @ z @ turn.mT for turn, z in zip(turns, about_z, strict=True))


def derivative_coeffs(coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch 10 modes"]:
    """Coefficients of f, of its gradient (x, y, z) and of its symmetrised second derivatives in the order ``PAIRS``."""
    degrees = []
    for part, basis in zip(split_degrees(coeffs), generators(so3_lmax(coeffs.shape[-1])), strict=True):
        right = basis.mT.to(part)
        once = part[..., None, :, :] @ right
        twice = [(once[..., i, :, :] @ right[j] + once[..., j, :, :] @ right[i]) / 2 for i, j in PAIRS]
        degrees.append(torch.cat([part[..., None, :, :], once, torch.stack(twice, -3)], -3).flatten(-2))
    return torch.cat(degrees, -1)


def expand_so3(
    derivatives: Float[Tensor, "*batch 10 modes"], rotation: Float[Tensor, "*batch points 3 3"]
) -> Expansion:
    """Value, gradient and Hessian at several rotations of each function, from ``derivative_coeffs``."""
    lmax = so3_lmax(derivatives.shape[-1])
    basis = wigner_D(lmax, rotation) * degree_weights(lmax, rotation)
    values = basis @ derivatives.mT
    hessian = values[..., [4, 7, 8, 7, 5, 9, 8, 9, 6]].unflatten(-1, (3, 3))
    return Expansion(values[..., 0], values[..., 1:4], hessian)
