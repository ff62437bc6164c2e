r"""Quadrature over the polar angle: nodes and weights for :math:`\int_0^\pi f(\beta)\,\tfrac12\sin\beta\,d\beta`.

The measure is a probability, so weights sum to 1. With an equispaced rule of more than ``d`` points in each azimuth
these make product rules on the sphere (phi, beta) and on SO(3) (alpha, beta, gamma) that are exact to degree ``d``.
"Degree" is the degree of a polynomial in cos(beta); Legendre polynomials and :math:`D^l_{00}` have degree l.

| rule | nodes | exact to degree |
|---|---|---|
| ``gauss_legendre(n)`` | roots of P_n | 2n - 1 |
| ``equiangular(n)`` | (j + 1/2) pi / n | n - 1 |
| ``driscoll_healy(n)``, n even | j pi / n | n - 1 |

All are float64 on the CPU; cast when registering them as buffers.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def gauss_legendre(n: int) -> tuple[Float[Tensor, "{n}"], Float[Tensor, "{n}"]]:
    """Gauss-Legendre nodes beta (ascending) and weights, exact to degree 2n - 1.

    Example:
        >>> beta, weights = gauss_legendre(2)
        >>> (weights * beta.cos() ** 2).sum()
        tensor(0.3333, dtype=torch.float64)
    """
    _require_positive(n)
    cos_beta, weights = np.polynomial.legendre.leggauss(n)
    # Descending cosine is ascending angle; numpy's weights are for the interval [-1, 1] of length 2.
    return torch.from_numpy(np.arccos(cos_beta[::-1])), torch.from_numpy(weights[::-1] / 2)


def equiangular(n: int) -> tuple[Float[Tensor, "{n}"], Float[Tensor, "{n}"]]:
    r"""Half-offset equispaced nodes with Fejér's first weights, exact to degree n - 1.

    .. math:: w_j = \frac1n\Big(1 - 2 \sum_{k=1}^{\lfloor n/2 \rfloor} \frac{\cos 2k\beta_j}{4k^2 - 1}\Big),
        \qquad \beta_j = \frac{(j + \frac12)\pi}{n}

    Reference: Fast construction of the Fejér and Clenshaw-Curtis quadrature rules (Waldvogel, 2006), eq. 1.7,
        https://doi.org/10.1007/s10543-006-0045-4

    Example:
        >>> beta, weights = equiangular(4)
        >>> (weights * beta.cos() ** 2).sum()
        tensor(0.3333, dtype=torch.float64)
    """
    _require_positive(n)
    beta = (torch.arange(n, dtype=torch.float64) + 0.5) * math.pi / n
    k = torch.arange(1, n // 2 + 1, dtype=torch.float64)
    series = (torch.cos(2 * k * beta[:, None]) / (4 * k**2 - 1)).sum(-1)
    return beta, (1 - 2 * series) / n


def driscoll_healy(n: int) -> tuple[Float[Tensor, "{n}"], Float[Tensor, "{n}"]]:
    r"""Driscoll and Healy's equispaced nodes (north pole included) and weights, exact to degree n - 1, n even.

    .. math:: w_j = \frac2n \sin\beta_j \sum_{k=0}^{n/2-1} \frac{\sin (2k+1)\beta_j}{2k+1},
        \qquad \beta_j = \frac{j\pi}{n}

    Reference: Computing Fourier transforms and convolutions on the 2-sphere (Driscoll and Healy, 1994), Theorem 3,
        https://doi.org/10.1006/aama.1994.1008

    Example:
        >>> beta, weights = driscoll_healy(4)
        >>> (weights * beta.cos() ** 2).sum()
        tensor(0.3333, dtype=torch.float64)
    """
    _require_positive(n)
    if n % 2:
        raise ValueError(f"expected an even number of nodes for driscoll_healy, got {n}; use {n + 1} or equiangular")
    beta = torch.arange(n, dtype=torch.float64) * math.pi / n
    odd = 2 * torch.arange(n // 2, dtype=torch.float64) + 1
    series = (torch.sin(odd * beta[:, None]) / odd).sum(-1)
    return beta, 2 / n * beta.sin() * series


def _require_positive(n: int) -> None:
    if n < 1:
        raise ValueError(f"expected at least one quadrature node, got {n}; pass n >= 1")
