r"""Wigner-D matrices of the real harmonics, at any rotation.

For :math:`p=|m|, q=|n|` and :math:`R=R_z(\alpha)R_y(\beta)R_z(\gamma)` every entry of the real D is a sum of two terms,
:math:`e_1\,\mathrm{cs}(p\alpha+q\gamma)` and :math:`e_2\,\mathrm{cs}(p\alpha-q\gamma)`, cs a cosine or a sine and
:math:`e_1\propto d^l_{pq}(\beta),\ e_2\propto d^l_{p,-q}(\beta)`. Both are built from powers of the two complex numbers
of the unit quaternion, :math:`w+iz=\cos\frac\beta2 e^{i(\alpha+\gamma)/2}` and
:math:`y-ix=\sin\frac\beta2 e^{i(\alpha-\gamma)/2}`. So D is a polynomial in the quaternion: exact, with finite gradient
at every rotation, the identity and half-turns included (Euler angles, which e3nn uses, have none there).
"""

from functools import lru_cache
from typing import NamedTuple

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.jacobi import all_orders, jacobi
from armillary.harmonics.layout import so3_lmax, so3_size


class _Terms(NamedTuple):
    """The products K^l_{pq} x power, one row for each (l, p, q) with p, q <= l, both signs of q."""

    degree: Int[Tensor, " terms"]
    pair: Int[Tensor, " terms"]
    order: Int[Tensor, " terms"]  # p * (lmax + 1) + q
    plus: Float[Tensor, " terms"]  # sign and zero-order weight of e1
    minus: Float[Tensor, " terms"]  # the same of e2


class _Entries(NamedTuple):
    """Each flat entry (l, m, n) as plus_sign * plus[row] + minus_sign * minus[row]; rows: cosines, then sines."""

    row: Int[Tensor, " modes"]
    plus_sign: Float[Tensor, " modes"]
    minus_sign: Float[Tensor, " modes"]


@lru_cache(maxsize=32)
def term_table(lmax: int) -> _Terms:
    """Rows ``[(l, p, q) for l in range(lmax + 1) for p in range(l + 1) for q in range(l + 1)]``."""
    rows = [(l, p, q) for l in range(lmax + 1) for p in range(l + 1) for q in range(l + 1)]
    degree, p, q = torch.tensor(rows).T
    high, low = torch.maximum(p, q), torch.minimum(p, q)
    weight = 0.5 ** (0.5 * ((p == 0).double() + (q == 0).double()))
    plus = weight * (1 - 2 * ((q - p).clamp(min=0) % 2))
    minus = weight * (1 - 2 * ((q + degree - high) % 2))
    return _Terms(degree, high * (high + 1) // 2 + low, p * (lmax + 1) + q, plus, minus)


@lru_cache(maxsize=32)
def _entry_table(lmax: int) -> _Entries:
    rows = [(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]
    degree, m, n = torch.tensor(rows).T
    size = degree + 1
    before = degree * size * (2 * degree + 1) // 6  # sum of (k + 1)**2 over k < l
    term = before + m.abs() * size + n.abs()
    terms = (lmax + 1) * (lmax + 2) * (2 * lmax + 3) // 6
    sine = (m >= 0) != (n >= 0)
    plus_sign = torch.where((m >= 0) & (n < 0), -1.0, 1.0)
    minus_sign = torch.where((m < 0) & (n < 0), -1.0, 1.0)
    return _Entries(term + terms * sine, plus_sign, minus_sign)


def _powers(real: Tensor, imaginary: Tensor, highest: int) -> tuple[Tensor, Tensor]:
    """Powers 0..highest of complex numbers, (highest + 1, points) each; real pairs, as exporters know no complex."""
    reals, imaginaries = [torch.ones_like(real)], [torch.zeros_like(real)]
    for _ in range(highest):
        last_real, last_imaginary = reals[-1], imaginaries[-1]
        reals.append(last_real * real - last_imaginary * imaginary)
        imaginaries.append(last_real * imaginary + last_imaginary * real)
    return torch.stack(reals), torch.stack(imaginaries)


def _phases(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], lmax: int) -> Tensor:
    """first^(p+q) * second^(p-q), conjugate for negative powers, p, q = 0..lmax: cosines, sines (2, orders, points)."""
    p = torch.arange(lmax + 1).repeat_interleave(lmax + 1)
    q = torch.arange(lmax + 1).repeat(lmax + 1)
    conjugate = torch.where(p < q, -1, 1)[:, None].to(first[0])
    total, difference = (p + q).to(first[0].device), (p - q).abs().to(first[0].device)
    a_real, a_imaginary = first[0][total], first[1][total]
    b_real, b_imaginary = second[0][difference], second[1][difference] * conjugate
    return torch.stack([a_real * b_real - a_imaginary * b_imaginary, a_real * b_imaginary + a_imaginary * b_real])


def wigner_rows(lmax: int, rotation: Float[Tensor, "points 3 3"]) -> Float[Tensor, "modes points"]:
    """Flat D^l_mn with the rotations on the last axis: the layout that evaluation multiplies by.

    float32 input of lmax > 32 is computed in float64, where the recurrence cannot overflow.
    """
    if lmax > 32 and rotation.dtype == torch.float32:
        return wigner_rows(lmax, rotation.double()).float()
    x, y, z, w = roma.rotmat_to_unitquat(rotation).unbind(-1)
    near, far = _powers(w, z, 2 * lmax), _powers(y, -x, 2 * lmax)
    cosine = w * w + z * z - x * x - y * y
    points = cosine.shape[0]
    polynomials = jacobi(lmax, all_orders(lmax), torch.cat([cosine, -cosine]))
    terms = _Terms(*(part.to(rotation.device) for part in term_table(lmax)))
    polynomials = polynomials[terms.degree, terms.pair]
    plus = polynomials[:, :points] * terms.plus.to(cosine.dtype)[:, None]
    minus = polynomials[:, points:] * terms.minus.to(cosine.dtype)[:, None]
    plus = (_phases(near, far, lmax)[:, terms.order] * plus).flatten(0, 1)
    minus = (_phases(far, near, lmax)[:, terms.order] * minus).flatten(0, 1)
    entries = _Entries(*(part.to(rotation.device) for part in _entry_table(lmax)))
    plus_sign, minus_sign = entries.plus_sign.to(cosine.dtype)[:, None], entries.minus_sign.to(cosine.dtype)[:, None]
    return plus_sign * plus[entries.row] + minus_sign * minus[entries.row]


def wigner_D(lmax: int, rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch modes"]:
    r"""Wigner-D matrices of the real harmonics, :math:`Y(Rx) = D(R)\,Y(x)`, flat.

    Layout: ``[D(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]``.
    Orthogonal to 1e-11 at l = 64 in float64; finite gradients everywhere. Degree 1 is the rotation matrix in the order
    (y, z, x).

    Args:
        lmax: Largest degree, inclusive.
        rotation: Rotation matrices.

    Reference: Varshalovich et al., Quantum Theory of Angular Momentum (1988), 4.3.4 eq. 13.

    Example:
        >>> wigner_D(1, torch.eye(3)).shape
        torch.Size([10])
    """
    flat = wigner_rows(lmax, rotation.reshape(-1, 3, 3)).T
    return flat.reshape(*rotation.shape[:-2], so3_size(lmax))


def degree_weights(lmax: int, like: Tensor) -> Float[Tensor, " modes"]:
    """sqrt(2 l + 1) of each flat SO(3) coefficient: what makes the basis orthonormal for Haar probability."""
    weights = [(2 * degree + 1) ** 0.5 for degree in range(lmax + 1) for _ in range((2 * degree + 1) ** 2)]
    return torch.tensor(weights, dtype=like.dtype, device=like.device)


def evaluate_so3(coeffs: Float[Tensor, "*batch modes"], rotation: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
    r"""Value of a band-limited function at rotations, :math:`f(R)=\sum_l\sqrt{2l+1}\sum_{mn}c^l_{mn}D^l_{mn}(R)`.

    Args:
        coeffs: SO(3) coefficients (``so3_size(lmax)`` of them).
        rotation: Rotations; leading axes broadcast against ``batch``.

    Example:
        >>> evaluate_so3(torch.tensor([2.0] + 9 * [0.0]), torch.eye(3))
        tensor(2.)
    """
    lmax = so3_lmax(coeffs.shape[-1])
    basis = wigner_D(lmax, rotation.to(coeffs.dtype))
    return (basis * (coeffs * degree_weights(lmax, coeffs))).sum(-1)
