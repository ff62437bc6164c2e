r"""Derivatives of functions on SO(3) along the group, exact, as linear maps of the coefficients.

:math:`(X_i f)(Q)=\frac{d}{dt}f(Q\exp(t e_i))|_{t=0}` multiplies each degree from the right by the transposed generator
:math:`X_i^l`. So gradient and Hessian are ten band-limited functions, evaluated with one Wigner matrix.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.generator import generators
from armillary.harmonics.layout import so3_lmax, split_degrees
from armillary.harmonics.so3_transform import SO3Transform
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


@lru_cache(maxsize=16)
def _curvature_grid(lmax: int, dtype: torch.dtype, device: torch.device) -> SO3Transform:
    azimuths = 4 * max(lmax, 1) + 4
    return SO3Transform(lmax, rings=azimuths // 2, azimuths=azimuths, dtype=dtype).to(device)


def downward_curvature(coeffs: Float[Tensor, "batch modes"]) -> Float[Tensor, " batch"]:
    """Largest downward second derivative of f along any geodesic, by its values at four nodes a wavelength.

    The least eigenvalue of the Hessian at each node, by Cardano's formula. Between the nodes it can be a little larger:
    callers that need a bound add a margin.
    """
    lmax = so3_lmax(coeffs.shape[-1])
    grid = _curvature_grid(lmax, coeffs.dtype, coeffs.device)
    a, b, c, d, e, f = grid.synthesis(derivative_coeffs(coeffs)[:, 4:]).flatten(2).unbind(1)
    centre = (a + b + c) / 3
    a, b, c = a - centre, b - centre, c - centre
    spread = ((a * a + b * b + c * c) / 6 + (d * d + e * e + f * f) / 3).sqrt()
    half_determinant = (a * b * c + 2 * d * e * f - a * f * f - b * e * e - c * d * d) / 2
    angle = (half_determinant / spread.pow(3).clamp(min=torch.finfo(coeffs.dtype).tiny)).clamp(-1, 1).acos() / 3
    least = centre + 2 * spread * torch.cos(angle + 2 * torch.pi / 3)
    return (-least).amax(-1).clamp(min=0)
