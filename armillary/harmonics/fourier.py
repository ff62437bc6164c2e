r"""Real Fourier series on a circle, the azimuthal half of every transform.

A series has 2L + 1 numbers in the order of the harmonics, m = -L..L:
:math:`f(\alpha)=\sum_{m\ge0}a_m\cos m\alpha+\sum_{m<0}a_m\sin|m|\alpha`.

Short series are one small matrix product, long ones an FFT: both are exact, and the product is faster up to
``LONGEST_PRODUCT`` nodes (measured by ``benchmarks/azimuth.py``).
"""

import torch
from jaxtyping import Float
from torch import Tensor

LONGEST_PRODUCT = 128


def fourier_basis(lmax: int, angles: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch orders"]:
    """The 2 lmax + 1 functions ``[sin(lmax a), ..., sin(a), 1, cos(a), ..., cos(lmax a)]``.

    Example:
        >>> fourier_basis(1, torch.tensor(0.0))
        tensor([0., 1., 1.])
    """
    order = torch.arange(1, lmax + 1, dtype=angles.dtype, device=angles.device)
    phase = angles[..., None] * order
    return torch.cat([phase.sin().flip(-1), torch.ones_like(angles[..., None]), phase.cos()], -1)


def circle(nodes: int, like: Tensor) -> Float[Tensor, " nodes"]:
    """Equispaced angles ``2 pi j / nodes``."""
    return torch.arange(nodes, dtype=like.dtype, device=like.device) * (2 * torch.pi / nodes)


def synthesise_circle(series: Float[Tensor, "*batch orders"], nodes: int) -> Float[Tensor, "*batch nodes"]:
    """Values at the ``nodes`` equispaced angles of a real Fourier series; ``nodes`` >= the number of orders."""
    lmax = series.shape[-1] // 2
    if nodes <= LONGEST_PRODUCT:
        return series @ fourier_basis(lmax, circle(nodes, series)).T
    sines = torch.nn.functional.pad(series[..., :lmax].flip(-1), (1, 0))
    half = torch.complex(series[..., lmax:], -sines) * (nodes / 2)
    half = torch.cat([2 * half[..., :1], half[..., 1:]], -1)
    return torch.fft.irfft(half, n=nodes)


def analyse_circle(values: Float[Tensor, "*batch nodes"], lmax: int) -> Float[Tensor, "*batch orders"]:
    """Adjoint of ``synthesise_circle`` divided by the number of nodes: the mean of values times each basis function."""
    nodes = values.shape[-1]
    if nodes <= LONGEST_PRODUCT:
        return values @ fourier_basis(lmax, circle(nodes, values)) / nodes
    half = torch.fft.rfft(values)[..., : lmax + 1] / nodes
    return torch.cat([-half.imag[..., 1:].flip(-1), half.real], -1)
