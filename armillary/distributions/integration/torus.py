r"""A band-limited function on SO(3) as a Fourier series on the torus of ZYZ angles.

Since :math:`R_y(-\beta)=R_z(\pi)R_y(\beta)R_z(-\pi)`, the series of a ring (:mod:`armillary.harmonics.rings`) goes on
to negative :math:`\beta` as an even function where the orders add to an even number, else as an odd one. So it is a
series of degree lmax in :math:`\beta` too, and all three angles are alike: values anywhere on any grid of angles are
three small products, without a table of Wigner functions for its rings.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.rings import Rings


class _Tables(NamedTuple):
    rings: Rings
    analysis: Float[Tensor, "orders rings"]
    parity: Float[Tensor, "orders orders orders"]


@constant
def _tables(lmax: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    """lmax + 1 equispaced rings: together with their mirror images enough nodes for degree 2 lmax."""
    count = lmax + 1
    beta = (torch.arange(count, dtype=torch.float64) + 0.5) * (torch.pi / count)
    order = torch.arange(-lmax, lmax + 1)
    scale = torch.where(order == 0, 1.0, 2.0).double() / count
    odd = (order[:, None] + order) % 2 == 1
    parity = torch.where(odd, order[:, None, None] < 0, order[:, None, None] >= 0)
    return _Tables(
        Rings(lmax, beta, dtype).to(device),
        (fourier_basis(lmax, beta) * scale).T.to(device, dtype),
        parity.to(device, dtype),
    )


def torus_series(coeffs: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch orders orders orders"]:
    """Fourier series in (beta, alpha, gamma) of SO(3) coefficients, each axis in the order of ``fourier_basis``."""
    tables = _tables(so3_lmax(coeffs.shape[-1]), coeffs.dtype, coeffs.device)
    return torch.einsum("kr,brmn->bkmn", tables.analysis, tables.rings.spectra(coeffs)) * tables.parity


def torus_adjoint(series: Float[Tensor, "batch orders orders orders"]) -> Float[Tensor, "batch modes"]:
    """Adjoint of ``torus_series``."""
    tables = _tables(series.shape[-1] // 2, series.dtype, series.device)
    return tables.rings.coeffs(torch.einsum("kr,bkmn->brmn", tables.analysis, series * tables.parity))
