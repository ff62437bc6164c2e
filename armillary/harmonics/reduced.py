r"""Reduced Wigner functions of the real harmonics: what is left of D on the rotations about y.

For :math:`p,q\ge0` the sum and the difference of :math:`e_1\propto d^l_{pq}(\beta)` and
:math:`e_2\propto d^l_{p,-q}(\beta)` are the entries :math:`D^l_{p,q}` and :math:`D^l_{-p,-q}` of :math:`D(R_y(\beta))`;
all others are zero. They are trigonometric polynomials of degree l, so one small matrix product gives all of them at
any angle.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.fourier import circle, fourier_basis
from armillary.harmonics.jacobi import all_orders, jacobi


class Terms(NamedTuple):
    """One row for each (l, p, q) with 0 <= p, q <= l."""

    degree: Int[Tensor, " terms"]
    pair: Int[Tensor, " terms"]  # of max(p, q), min(p, q) in ``all_orders``
    order: Int[Tensor, " terms"]  # p * (lmax + 1) + q
    plus: Float[Tensor, " terms"]  # sign and zero-order weight of e1
    minus: Float[Tensor, " terms"]  # the same of e2


@constant
def term_table(lmax: int) -> Terms:
    """Rows ``[(l, p, q) for l in range(lmax + 1) for p in range(l + 1) for q in range(l + 1)]``."""
    rows = [(l, p, q) for l in range(lmax + 1) for p in range(l + 1) for q in range(l + 1)]
    degree, p, q = torch.tensor(rows).T
    high, low = torch.maximum(p, q), torch.minimum(p, q)
    weight = 0.5 ** (0.5 * ((p == 0).double() + (q == 0).double()))
    plus = weight * (1 - 2 * ((q - p).clamp(min=0) % 2))
    minus = weight * (1 - 2 * ((q + degree - high) % 2))
    return Terms(degree, high * (high + 1) // 2 + low, p * (lmax + 1) + q, plus, minus)


def reduced_terms(lmax: int, beta: Float[Tensor, " points"]) -> Float[Tensor, "2 terms points"]:
    """e1 and e2 at polar angles in radians, by the recurrence in the degree, in float64."""
    beta = beta.double()
    terms = Terms(*(part.to(beta.device) for part in term_table(lmax)))
    p, q = terms.order // (lmax + 1), terms.order % (lmax + 1)
    cosine, sine = torch.cos(beta / 2), torch.sin(beta / 2)
    polynomials = jacobi(lmax, all_orders(lmax), torch.cat([beta.cos(), -beta.cos()]))[terms.degree, terms.pair]
    total, difference = (p + q)[:, None], (p - q).abs()[:, None]
    plus = terms.plus[:, None] * polynomials[:, : len(beta)] * cosine**total * sine**difference
    minus = terms.minus[:, None] * polynomials[:, len(beta) :] * cosine**difference * sine**total
    return torch.stack([plus, minus])


def reduced_values(lmax: int, beta: Float[Tensor, " points"]) -> Float[Tensor, "rows points"]:
    """D^l_{p,q} of ``Ry(beta)``, then D^l_{-p,-q} (0 for p or q = 0), in float64, in the order of ``term_table``."""
    plus, minus = reduced_terms(lmax, beta)
    order = term_table(lmax).order
    signed = ((order >= lmax + 1) & (order % (lmax + 1) > 0))[:, None].to(beta.device)
    return torch.cat([plus + minus, (plus - minus) * signed])


@constant
def reduced_series(lmax: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "rows orders"]:
    """``reduced_values`` as Fourier series in beta, in the order of ``fourier_basis``."""
    count = 2 * lmax + 2
    beta = circle(count)
    series = reduced_values(lmax, beta) @ fourier_basis(lmax, beta) * (2 / count)
    series[:, lmax] /= 2
    # Half of the terms are odd, half of the rest are of odd order: exact zeros.
    return torch.where(series.abs() < 1e-14, 0.0, series).to(device, dtype)
