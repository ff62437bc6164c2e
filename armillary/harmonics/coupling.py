r"""Products of Wigner functions: the coupling of two degrees, in the real basis.

.. math:: D^{a}(R)\otimes D^{b}(R)=\sum_{l=|a-b|}^{a+b}W_l\,D^l(R)\,W_l^\top,\qquad W_l^\top W_l=1

so expectations of products of two Wigner functions are linear in the moments of up to twice the degree.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.layout import so3_lmax, so3_size, so3_slice
from armillary.harmonics.wigner import degree_weights

CHUNK = 4  # densities handled together: larger allocations cost more than they save


def _clebsch_gordan(a: int, m: int, b: int, n: int, l: int) -> float:
    """<a m b n | l m+n>, by Racah's formula (Varshalovich et al., 8.2.1 eq. 3)."""
    if abs(m + n) > l:
        return 0.0
    f, M = math.factorial, m + n
    terms = range(max(0, b - l - m, a - l + n), min(a + b - l, a - m, b + n) + 1)
    total = sum(
        (-1) ** k / math.prod(map(f, (k, a + b - l - k, a - m - k, b + n - k, l - b + m + k, l - a - n + k)))
        for k in terms
    )
    triangle = (2 * l + 1) * f(l + a - b) * f(l - a + b) * f(a + b - l) / f(a + b + l + 1)
    return total * math.sqrt(triangle * f(l + M) * f(l - M) * f(a - m) * f(a + m) * f(b - n) * f(b + n))


@lru_cache(maxsize=64)
def _real_basis(degree: int) -> Tensor:
    """Rows are the real harmonics of order -l..l as combinations of the complex ones (Condon and Shortley's sign)."""
    basis = torch.zeros(2 * degree + 1, 2 * degree + 1, dtype=torch.complex128)
    basis[degree, degree] = 1
    for m in range(1, degree + 1):
        plus, minus, sign = degree + m, degree - m, (-1) ** m
        basis.real[plus, plus], basis.real[plus, minus] = sign / 2**0.5, 1 / 2**0.5
        basis.imag[minus, plus], basis.imag[minus, minus] = -sign / 2**0.5, 1 / 2**0.5
    return basis


@lru_cache(maxsize=512)
def coupling(first: int, second: int, degree: int) -> Float[Tensor, "{(2*first+1)*(2*second+1)} {2*degree+1}"]:
    """W_l of the module docstring, rows (m, n) with n fastest; its sign is free.

    Example:
        >>> coupling(1, 1, 0).flatten().round(decimals=3).abs()
        tensor([0.5770, 0.0000, 0.0000, 0.0000, 0.5770, 0.0000, 0.0000, 0.0000, 0.5770], dtype=torch.float64)
    """
    size, shape = 2 * degree + 1, (2 * first + 1, 2 * second + 1)
    table = torch.zeros(*shape, size, dtype=torch.complex128)
    for m in range(-first, first + 1):
        for n in range(max(-second, -degree - m), min(second, degree - m) + 1):
            table[first + m, second + n, degree + m + n] = _clebsch_gordan(first, m, second, n, degree)
    real = torch.einsum(
        "ma,nb,abl,Ml->mnM", _real_basis(first), _real_basis(second), table, _real_basis(degree).conj()
    ).reshape(-1, size)
    # The real matrix up to a phase: real where the degrees sum to an even number, imaginary where to an odd one.
    return real.real.contiguous() if (first + second + degree) % 2 == 0 else real.imag.contiguous()


@lru_cache(maxsize=256)
def _couplings(first: int, second: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    degrees = range(abs(first - second), first + second + 1)
    return tuple(coupling(first, second, degree).to(device, dtype) for degree in degrees)


def expected_products(
    moments: Float[Tensor, "*batch twice"],
) -> Float[Tensor, "*batch modes modes"]:
    r"""Expectations of all products of two basis functions :math:`\sqrt{2l+1}D^l_{mn}`, from the moments.

    Args:
        moments: Expectations of the basis functions, up to an even degree, twice that of the result.

    Example:
        >>> uniform = torch.zeros(35)
        >>> uniform[0] = 1  # the basis is orthonormal
        >>> torch.dist(expected_products(uniform), torch.eye(10)) < 1e-5
        tensor(True)
    """
    twice = so3_lmax(moments.shape[-1])
    flat = (moments / degree_weights(twice, moments)).reshape(-1, moments.shape[-1])
    result = torch.cat([_products(part, twice // 2) for part in flat.split(CHUNK)])
    weights = degree_weights(twice // 2, moments)
    return (result * weights * weights[:, None]).reshape(*moments.shape[:-1], *result.shape[1:])


def _products(moments: Float[Tensor, "batch twice"], lmax: int) -> Float[Tensor, "batch modes modes"]:
    """Expectations of D^a_mn D^b_pq, flat."""
    size = so3_size(lmax)
    result = moments.new_empty(len(moments), size, size)
    for a in range(lmax + 1):
        for b in range(a + 1):
            block = _product_block(moments, a, b)
            result[:, so3_slice(a), so3_slice(b)] = block
            result[:, so3_slice(b), so3_slice(a)] = block.mT
    return result


def _product_block(moments: Float[Tensor, "batch twice"], a: int, b: int) -> Float[Tensor, "batch first second"]:
    total: Tensor | int = 0
    for degree, W in enumerate(_couplings(a, b, moments.dtype, moments.device), abs(a - b)):
        middle = moments[:, so3_slice(degree)].unflatten(-1, (2 * degree + 1, -1))
        total = total + (W @ middle) @ W.T
    assert isinstance(total, Tensor)
    # ((m p), (n q)) -> ((m n), (p q))
    shape = (2 * a + 1, 2 * b + 1)
    return total.unflatten(2, shape).unflatten(1, shape).transpose(2, 3).flatten(3).flatten(1, 2)
