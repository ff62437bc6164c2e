"""Transform of functions on the sphere: values on a product grid of polar angle and azimuth <-> coefficients."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.fourier import LONGEST_PRODUCT, Circle, circle
from armillary.harmonics.layout import require_lmax, s2_lmax, s2_size
from armillary.harmonics.memory import require_memory
from armillary.harmonics.so3_transform import QUADRATURES, Grid, grid_shape, require_grid
from armillary.harmonics.spherical import zonal_table
from armillary.so3.rotation import require_alike


def _order_index(lmax: int) -> Tensor:
    """Flat position of (l, m), (orders, degrees), m = -lmax..lmax; ``s2_size`` (a zero) where |m| > l."""
    degree = torch.arange(lmax + 1)[None, :]
    order = torch.arange(-lmax, lmax + 1)[:, None]
    return torch.where(order.abs() <= degree, degree**2 + degree + order, s2_size(lmax))


class S2Transform(nn.Module):
    """Analysis and synthesis on the product grid beta x alpha: a Fourier transform and a Legendre contraction.

    The round trip is exact for band-limited functions with the default sizes, which are those of ``SO3Transform``. Its
    error relative to the norm, coefficients of unit variance, is below

        ========  =======  =======  =======  =======
        lmax      16       32       64       128
        ========  =======  =======  =======  =======
        float64    1e-14    2e-14    4e-14    5e-13
        float32    3e-7     4e-7     4e-7     6e-7
        ========  =======  =======  =======  =======

    Args:
        lmax: Largest degree, inclusive.
        rings: Number of polar angles.
        azimuths: Number of equispaced azimuths.
        grid: Rule for the polar angles.
        dtype: Of the tables; the torch default when None.
        device: Of the tables, which are made on the processor; memory is checked on both.

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
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.lmax, self.grid = lmax, grid
        count, self.azimuths = grid_shape(lmax, rings, azimuths, grid)
        needed, what = self.memory(lmax, rings, azimuths, grid, dtype), f"S2Transform(lmax={lmax}, rings={count})"
        require_memory(needed, what, "cpu", device)
        self.beta, weights = QUADRATURES[grid](count)
        dtype = dtype or torch.get_default_dtype()
        self.circle = Circle(lmax, self.azimuths, dtype)
        # zonal_table holds 2^-m (x + iy)^m without its sin(beta)^m.
        order = torch.arange(lmax + 1, dtype=torch.float64)
        zonal = zonal_table(lmax, self.beta.cos()) * (self.beta.sin() ** order[:, None])
        both_signs = torch.cat([zonal.flip(1)[:, :-1], zonal], 1).permute(1, 0, 2)
        self.register_buffer("index", _order_index(lmax), persistent=False)
        self.register_buffer("table", both_signs.to(dtype), persistent=False)
        self.register_buffer("polar_weights", weights.to(dtype), persistent=False)
        self.to(device)

    @staticmethod
    def memory(
        lmax: int,
        rings: int | None = None,
        azimuths: int | None = None,
        grid: Grid = "gauss-legendre",
        dtype: torch.dtype | None = None,
        batch: int = 1,
    ) -> int:
        """Bytes at the peak, as ``SO3Transform.memory``.

        Example:
            >>> round(S2Transform.memory(128) / 1e6)
            69
        """
        rings, azimuths = grid_shape(lmax, rings, azimuths, grid)
        number = (dtype or torch.get_default_dtype()).itemsize
        degrees, orders = lmax + 1, 2 * lmax + 1
        building = 8 * degrees**2 * (4 * rings + 6)
        tables = degrees * orders * (rings * number + 8)
        by_product = azimuths <= LONGEST_PRODUCT
        tables += azimuths * orders * number if by_product else 0
        coeffs, gathered = s2_size(lmax) * number, degrees * orders * number
        rows, values = rings * orders * number, rings * azimuths * number
        if by_product:
            synthesis, analysis = gathered + values + rows, values + gathered + 2 * rows
        else:
            # Half spectra as long as the values, padded or to be cut off.
            synthesis, analysis = 2 * values + 4 * rows, 2 * values + rows
        return max(building, tables + batch * (coeffs + max(synthesis, analysis)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes on each axis."""
        return (len(self.beta), self.azimuths)

    @property
    def points(self) -> Float[Tensor, "rings azimuths 3"]:
        """Unit vectors of the grid, in float64."""
        alpha = circle(self.azimuths)[None, :]
        beta = self.beta[:, None]
        axes = (beta.sin() * alpha.cos(), beta.sin() * alpha.sin(), beta.cos().expand(-1, self.azimuths))
        return torch.stack(axes, -1)

    def synthesis(self, coeffs: Float[Tensor, "*batch coeffs"]) -> Float[Tensor, "*batch rings azimuths"]:
        """Values on the grid, axes (beta, alpha)."""
        require_lmax(coeffs.shape[-1], self.lmax, s2_lmax)
        require_alike(coeffs, self.table)
        padded = nn.functional.pad(coeffs, (0, 1))[..., self.index]
        return self.circle.synthesis(torch.einsum("...ml,mlr->...rm", padded, self.table))

    def analysis(self, values: Float[Tensor, "*batch rings azimuths"]) -> Float[Tensor, "*batch coeffs"]:
        """Coefficients of values on the grid."""
        require_grid(values, self.shape)
        require_alike(values, self.table)
        series = self.circle.analysis(values) * self.polar_weights[:, None]
        signed = torch.einsum("...rm,mlr->...ml", series, self.table).flatten(-2)
        result = values.new_zeros(*values.shape[:-2], s2_size(self.lmax) + 1)
        return result.index_add(-1, self.index.flatten(), signed)[..., :-1]

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, azimuths={self.azimuths}, grid={self.grid!r}"
