r"""The Wigner half of every transform on SO(3): coefficients <-> one two-dimensional Fourier series a ring.

On the torus of rotations with fixed :math:`\beta`, a band-limited function is a real Fourier series in both azimuths,

.. math:: f(R_z(\alpha)R_y(\beta)R_z(\gamma)) = u(\alpha)^T\, G(\beta)\, u(\gamma), \qquad
    G_{\pm p,\pm q}(\beta) = \sum_l \sqrt{2l+1}\,[\pm e_1^l(\beta)(\ldots) \pm e_2^l(\beta)(\ldots)]

with u of :mod:`armillary.harmonics.fourier`. The sum over l is one small matrix product for each (p, q): nothing here
grows with the azimuthal grids, and the tables are (lmax+1)^3 numbers a ring.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.layout import so3_size
from armillary.harmonics.reduced import reduced_terms, term_table
from armillary.harmonics.wigner import degree_weights


def wigner_rings(lmax: int, beta: Float[Tensor, " rings"]) -> Float[Tensor, "2 orders degrees rings"]:
    """The two reduced Wigner functions e1, e2 at polar angles in radians, zero where l < max(p, q).

    Computed in float64. The second axis is ``p * (lmax + 1) + q``.
    """
    terms, size = term_table(lmax), lmax + 1
    table = torch.zeros(2, size * size, size, len(beta), dtype=torch.float64)
    table[:, terms.order, terms.degree] = reduced_terms(lmax, beta)
    return table


def _signed_index(lmax: int) -> Tensor:
    """Flat place of (l, +-p, +-q), (4, orders, degrees), signs ++ -- -+ +-; ``so3_size`` (a zero) for none."""
    nothing = so3_size(lmax)
    index = torch.full((4, (lmax + 1) ** 2, lmax + 1), nothing)
    for degree in range(lmax + 1):
        p = torch.arange(degree + 1).repeat_interleave(degree + 1)
        q = torch.arange(degree + 1).repeat(degree + 1)
        for row, (first, second) in enumerate(((1, 1), (-1, -1), (-1, 1), (1, -1))):
            place = so3_size(degree - 1) + (first * p + degree) * (2 * degree + 1) + second * q + degree
            # "-0" is not a second order: only the ++ copy of p = 0 or q = 0 exists.
            twice = ((p == 0) & (first < 0)) | ((q == 0) & (second < 0))
            index[row, p * (lmax + 1) + q, degree] = torch.where(twice, nothing, place)
    return index


class Rings(nn.Module):
    """Coefficients <-> one two-dimensional Fourier series on each ring of fixed polar angle.

    Args:
        lmax: Largest degree, inclusive.
        beta: Polar angles in radians.
        dtype: Of the tables, which are computed in float64 and rounded once; the torch default when None.
    """

    index: Tensor
    table: Tensor
    weights: Tensor

    def __init__(self, lmax: int, beta: Float[Tensor, " rings"], dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.lmax = lmax
        dtype = dtype or torch.get_default_dtype()
        self.register_buffer("index", _signed_index(lmax), persistent=False)
        self.register_buffer("table", wigner_rings(lmax, beta).to(dtype), persistent=False)
        self.register_buffer("weights", degree_weights(lmax, self.table), persistent=False)

    def spectra(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch rings orders orders"]:
        """The matrices G of the module docstring; orders run -lmax..lmax on both axes."""
        batch, size = coeffs.shape[:-1], self.lmax + 1
        scaled = nn.functional.pad((coeffs * self.weights).reshape(-1, coeffs.shape[-1]), (0, 1))
        both, opposite, left, right = scaled[:, self.index].unbind(1)  # each (batch, p q, degrees)
        first = torch.stack([both + opposite, left - right])
        second = torch.stack([both - opposite, left + right])
        plus = torch.einsum("sbol,olr->sbro", first, self.table[0]).unflatten(-1, (size, size))
        minus = torch.einsum("sbol,olr->sbro", second, self.table[1]).unflatten(-1, (size, size))
        same, opposite_sign = plus[0] + minus[0], minus[0] - plus[0]  # G_{p,q} and G_{-p,-q}
        left_negative, right_negative = plus[1] + minus[1], plus[1] - minus[1]  # G_{-p,q} and G_{p,-q}
        upper = torch.cat([opposite_sign.flip(-2, -1)[..., :-1, :-1], left_negative.flip(-2)[..., :-1, :]], -1)
        lower = torch.cat([right_negative.flip(-1)[..., :-1], same], -1)
        return torch.cat([upper, lower], -2).reshape(*batch, -1, 2 * self.lmax + 1, 2 * self.lmax + 1)

    def coeffs(self, spectra: Float[Tensor, "*batch rings orders orders"]) -> Float[Tensor, "*batch modes"]:
        """Adjoint of ``spectra``."""
        batch, lmax = spectra.shape[:-3], self.lmax
        flat = spectra.reshape(-1, *spectra.shape[-3:])
        same = flat[..., lmax:, lmax:]
        pad = nn.functional.pad
        opposite_sign = pad(flat[..., :lmax, :lmax].flip(-2, -1), (1, 0, 1, 0))
        left_negative = pad(flat[..., :lmax, lmax:].flip(-2), (0, 0, 1, 0))
        right_negative = pad(flat[..., lmax:, :lmax].flip(-1), (1, 0))
        plus = torch.stack([same - opposite_sign, left_negative + right_negative]).flatten(-2)
        minus = torch.stack([same + opposite_sign, left_negative - right_negative]).flatten(-2)
        first = torch.einsum("sbro,olr->sbol", plus, self.table[0])
        second = torch.einsum("sbro,olr->sbol", minus, self.table[1])
        signed = torch.stack(
            [first[0] + second[0], first[0] - second[0], first[1] + second[1], second[1] - first[1]], 1
        )
        result = flat.new_zeros(flat.shape[0], so3_size(lmax) + 1)
        result = result.index_add(1, self.index.flatten(), signed.flatten(1))
        return (result[:, :-1] * self.weights).reshape(*batch, so3_size(lmax))

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, rings={self.table.shape[-1]}"
