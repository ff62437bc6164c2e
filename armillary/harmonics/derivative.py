r"""Derivatives of functions on SO(3) along the group, exact, as linear maps of the coefficients.

:math:`(X_i f)(Q)=\frac{d}{dt}f(Q\exp(t e_i))|_{t=0}` multiplies each degree from the right by the transposed generator
:math:`X_i^l`. So gradient and Hessian are ten band-limited functions, evaluated with one Wigner matrix.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.generator import generators
from armillary.harmonics.layout import so3_lmax, split_degrees
from armillary.harmonics.wigner import degree_weights, wigner_D

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class Expansion(NamedTuple):
    """Second-order expansion of f at rotations, in the tangent coordinates ``f(Q exp(w))``."""

    value: Tensor
    gradient: Tensor
    hessian: Tensor


@constant
def _factors(lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Float[Tensor, "orders columns"], ...]:
    """What multiplies each degree from the right: 1, the three transposed generators, their six symmetric products."""
    factors = []
    for basis in generators(lmax):
        right = basis.mT
        twice = [(right[i] @ right[j] + right[j] @ right[i]) / 2 for i, j in PAIRS]
        every = torch.stack([torch.eye(right.shape[-1], dtype=torch.float64), *right, *twice], 1)
        factors.append(every.flatten(1).to(device, dtype))
    return tuple(factors)


def derivative_coeffs(coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch 10 modes"]:
    """Coefficients of f, of its gradient (x, y, z) and of its symmetrised second derivatives in the order ``PAIRS``."""
    factors = _factors(so3_lmax(coeffs.shape[-1]), coeffs.dtype, coeffs.device)
    degrees = [
        (part @ right).unflatten(-1, (10, -1)).transpose(-3, -2).flatten(-2)
        for part, right in zip(split_degrees(coeffs), factors, strict=True)
    ]
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
