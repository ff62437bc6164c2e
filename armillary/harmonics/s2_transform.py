"""Transform of functions on the sphere: values on a product grid of polar angle and azimuth <-> coefficients."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.fourier import analyse_circle, circle, synthesise_circle
from armillary.harmonics.layout import s2_size
from armillary.harmonics.so3_transform import Grid, product_grid
from armillary.harmonics.spherical import zonal_table


def _order_index(lmax: int) -> Tensor:
    """Flat position of (l, m), (orders, degrees), m = -lmax..lmax; ``s2_size`` (a zero) where |m| > l."""
    degree = torch.arange(lmax + 1)[None, :]
    order = torch.arange(-lmax, lmax + 1)[:, None]
    return torch.where(order.abs() <= degree, degree**2 + degree + order, s2_size(lmax))


class S2Transform(nn.Module):
    """Analysis and synthesis on the product grid beta x alpha, an FFT and a Legendre contraction.

    The round trip is exact for band-limited functions with the default sizes.

    Args:
        lmax: Largest degree, inclusive.
        rings: Number of polar angles.
        azimuths: Number of equispaced azimuths.
        grid: Rule for the polar angles.
        dtype: Of the tables; the torch default when None.

    Example:
        >>> transform = S2Transform(lmax=2)
        >>> transform.synthesis(torch.eye(9)[0]).shape
        torch.Size([3, 5])
    """

    index: Tensor
    table: Tensor
    polar_weights: Tensor

    def __init__(
        self,
        lmax: int,
        rings: int | None = None,
        azimuths: int | None = None,
        grid: Grid = "gauss-legendre",
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.lmax, self.grid = lmax, grid
        self.beta, weights, self.azimuths = product_grid(lmax, rings, azimuths, grid)
        dtype = dtype or torch.get_default_dtype()
        # zonal_table holds 2^-m (x + iy)^m without its sin(beta)^m.
        order = torch.arange(lmax + 1, dtype=torch.float64)
        zonal = zonal_table(lmax, self.beta.cos()) * (self.beta.sin() ** order[:, None])
        both_signs = torch.cat([zonal.flip(1)[:, :-1], zonal], 1).permute(1, 0, 2)
        self.register_buffer("index", _order_index(lmax), persistent=False)
        self.register_buffer("table", both_signs.to(dtype), persistent=False)
        self.register_buffer("polar_weights", weights.to(dtype), persistent=False)

    @property
    def points(self) -> Float[Tensor, "rings azimuths 3"]:
        """Unit vectors of the grid, in float64."""
        alpha = circle(self.azimuths, self.beta)[None, :]
        beta = self.beta[:, None]
        axes = (beta.sin() * alpha.cos(), beta.sin() * alpha.sin(), beta.cos().expand(-1, self.azimuths))
        return torch.stack(axes, -1)

    def synthesis(self, coeffs: Float[Tensor, "*batch coeffs"]) -> Float[Tensor, "*batch rings azimuths"]:
        """Values on the grid, axes (beta, alpha)."""
        padded = nn.functional.pad(coeffs, (0, 1))[..., self.index]
        return synthesise_circle(torch.einsum("...ml,mlr->...rm", padded, self.table), self.azimuths)

    def analysis(self, values: Float[Tensor, "*batch rings azimuths"]) -> Float[Tensor, "*batch coeffs"]:
        """Coefficients of values on the grid."""
        series = analyse_circle(values, self.lmax) * self.polar_weights[:, None]
        signed = torch.einsum("...rm,mlr->...ml", series, self.table).flatten(-2)
        result = values.new_zeros(*values.shape[:-2], s2_size(self.lmax) + 1)
        return result.index_add(-1, self.index.flatten(), signed)[..., :-1]

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, azimuths={self.azimuths}, grid={self.grid!r}"
