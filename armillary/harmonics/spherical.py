r"""Real spherical harmonics, orthonormal for the normalised measure, polar axis z.

.. math:: Y_{lm}(x,y,z) = \sqrt{2l+1}\,\sqrt{2-\delta_{m0}}\; 2^{-|m|} K^l_{|m|0}(z)\;
    \begin{cases}\mathrm{Re}\,(x+iy)^m & m\ge0\\ \mathrm{Im}\,(x+iy)^{|m|} & m<0\end{cases}

A polynomial in (x, y, z), so its gradient is finite at the poles too. ``Y_00 = 1`` and degree 1 is sqrt(3) (y, z, x).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.jacobi import jacobi, zonal_orders
from armillary.harmonics.layout import s2_lmax
from armillary.so3.rotation import require_alike


def zonal_table(lmax: int, z: Float[Tensor, " points"]) -> Float[Tensor, "degrees orders points"]:
    r"""The factor of Y_lm that depends on z, :math:`\sqrt{(2l+1)(2-\delta_{m0})}\,2^{-m}K^l_{m0}(z)`, for m >= 0."""
    degree = torch.arange(lmax + 1, dtype=z.dtype, device=z.device)
    order = degree.clone()
    scale = torch.sqrt(2 * degree + 1)[:, None] * torch.sqrt(1 + (order > 0).to(z.dtype)) * 2.0**-order
    return jacobi(lmax, zonal_orders(lmax), z) * scale[..., None]


def spherical_harmonics(lmax: int, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch coeffs"]:
    r"""Real spherical harmonics of unit vectors, flat.

    Layout: ``[Y(l, m) for l in range(lmax + 1) for m in range(-l, l + 1)]``. Law: ``Y(R x) = D(R) Y(x)``.

    Args:
        lmax: Largest degree, inclusive.
        points: Unit vectors.

    Reference: Varshalovich et al., Quantum Theory of Angular Momentum (1988), 5.2 and 4.3.4 eq. 13.

    Example:
        >>> spherical_harmonics(1, torch.tensor([0.0, 0.0, 1.0]))
        tensor([1.0000, 0.0000, 1.7321, 0.0000])
    """
    x, y, z = points.reshape(-1, 3).unbind(-1)
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(lmax):
        cosines.append(cosines[-1] * x - sines[-1] * y)
        sines.append(cosines[-2] * y + sines[-1] * x)
    zonal = zonal_table(lmax, z)
    rows = [
        zonal[degree, abs(order)] * (cosines[order] if order >= 0 else sines[-order])
        for degree in range(lmax + 1)
        for order in range(-degree, degree + 1)
    ]
    return torch.stack(rows, -1).reshape(*points.shape[:-1], len(rows))


def evaluate_s2(coeffs: Float[Tensor, "*batch coeffs"], points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*out"]:
    """Value of a band-limited function on the sphere at unit vectors whose leading axes end in ``batch``.

    Example:
        >>> evaluate_s2(torch.tensor([2.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
        tensor(2.)
    """
    require_alike(points, coeffs)
    return (spherical_harmonics(s2_lmax(coeffs.shape[-1]), points) * coeffs).sum(-1)
