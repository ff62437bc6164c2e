r"""Real Fourier series on a circle, the azimuthal half of every transform.

A series has 2L + 1 numbers in the order of the harmonics, m = -L..L:
:math:`f(\alpha)=\sum_{m\ge0}a_m\cos m\alpha+\sum_{m<0}a_m\sin|m|\alpha`.

Short series are one small matrix product, long ones an FFT: both are exact, and the product is faster up to
``LONGEST_PRODUCT`` nodes (measured by ``benchmarks/azimuth.py``).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

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


def circle(nodes: int) -> Float[Tensor, " nodes"]:
    """Equispaced angles ``2 pi j / nodes`` in float64."""
    return torch.arange(nodes, dtype=torch.float64) * (2 * math.pi / nodes)


class Circle(nn.Module):
    """Series <-> values at equispaced angles; the round trip is exact.

    Args:
        lmax: Largest order, inclusive.
        nodes: Number of angles, at least 2 lmax + 1.
        dtype: Of the table, which is computed in float64 and rounded once.

    Example:
        >>> circle = Circle(1, 4)
        >>> circle.synthesis(torch.tensor([0.0, 2.0, 1.0]))
        tensor([3., 2., 1., 2.])
    """

    basis: Tensor

    def __init__(self, lmax: int, nodes: int, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.lmax, self.nodes, self.by_product = lmax, nodes, nodes <= LONGEST_PRODUCT
        basis = fourier_basis(lmax, circle(nodes if self.by_product else 1))
        self.register_buffer("basis", basis.to(dtype or torch.get_default_dtype()), persistent=False)

    def synthesis(self, series: Float[Tensor, "*batch orders"]) -> Float[Tensor, "*batch nodes"]:
        """Values at the angles."""
        return series @ self.basis.T if self.by_product else self._inverse_fft(series, -1)

    def analysis(self, values: Float[Tensor, "*batch nodes"]) -> Float[Tensor, "*batch orders"]:
        """Adjoint of ``synthesis`` divided by the number of nodes: the mean of values times each basis function."""
        return values @ (self.basis / self.nodes) if self.by_product else self._fft(values, -1)

    def torus_synthesis(self, spectra: Float[Tensor, "*batch orders orders"]) -> Float[Tensor, "*batch nodes nodes"]:
        """``synthesis`` along both of the last axes."""
        if self.by_product:
            return self.basis @ (spectra @ self.basis.T)
        return self._inverse_fft(self._inverse_fft(spectra, -2), -1)

    def torus_analysis(self, values: Float[Tensor, "*batch nodes nodes"]) -> Float[Tensor, "*batch orders orders"]:
        """``analysis`` along both of the last axes."""
        if self.by_product:
            return (self.basis.T @ values) @ (self.basis / self.nodes**2)
        return self._fft(self._fft(values, -1), -2)

    def _inverse_fft(self, series: Tensor, axis: int) -> Tensor:
        sines, constant, cosines = series.split([self.lmax, 1, self.lmax], axis)
        half = torch.complex(torch.cat([2 * constant, cosines], axis), -_behind_a_zero(sines.flip(axis), axis))
        return torch.fft.irfft(half * (self.nodes / 2), n=self.nodes, dim=axis)

    def _fft(self, values: Tensor, axis: int) -> Tensor:
        half = torch.fft.rfft(values, dim=axis).narrow(axis, 0, self.lmax + 1) / self.nodes
        return torch.cat([-half.imag.narrow(axis, 1, self.lmax).flip(axis), half.real], axis)

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, nodes={self.nodes}"


def _behind_a_zero(part: Tensor, axis: int) -> Tensor:
    return torch.nn.functional.pad(part, (1, 0) if axis == -1 else (0, 0, 1, 0))
