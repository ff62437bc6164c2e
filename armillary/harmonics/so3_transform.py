"""Transform of functions on SO(3): values on a product grid of ZYZ Euler angles <-> coefficients.

A Wigner contraction over the degrees on each ring of fixed beta, then a real Fourier transform over each azimuth:
O(lmax^4) a function instead of the O(lmax^6) of a dense basis matrix, and no table of grid times modes.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.fourier import LONGEST_PRODUCT, Circle, circle
from armillary.harmonics.layout import require_lmax, so3_lmax, so3_size
from armillary.harmonics.memory import require_memory
from armillary.harmonics.rings import Rings
from armillary.so3.quadrature import driscoll_healy, equiangular, gauss_legendre
from armillary.so3.rotation import from_euler_zyz, require_alike

Grid = Literal["gauss-legendre", "equiangular", "driscoll-healy"]
QUADRATURES = {"gauss-legendre": gauss_legendre, "equiangular": equiangular, "driscoll-healy": driscoll_healy}


def grid_shape(lmax: int, rings: int | None, azimuths: int | None, grid: str) -> tuple[int, int]:
    """Polar angles and azimuths; by default the fewest with which analysis is exact.

    Example:
        >>> grid_shape(6, None, None, "driscoll-healy")
        (14, 13)
    """
    if grid not in QUADRATURES:
        raise ValueError(f"unknown grid {grid!r}: expected one of {', '.join(QUADRATURES)}")
    if lmax < 0:
        raise ValueError(f"expected a degree lmax >= 0, got {lmax}; lmax is inclusive")
    fewest = {"gauss-legendre": lmax + 1, "equiangular": 2 * lmax + 1, "driscoll-healy": 2 * lmax + 2}[grid]
    azimuths = 2 * lmax + 1 if azimuths is None else azimuths
    if azimuths < 2 * lmax + 1:
        raise ValueError(f"expected at least 2 * lmax + 1 = {2 * lmax + 1} azimuths, got {azimuths}; leave it out")
    return fewest if rings is None else rings, azimuths


def require_grid(values: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError when the last axes of values are not those of the grid."""
    if tuple(values.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"expected values on the grid {shape} on the last axes, got shape {tuple(values.shape)}; "
            "synthesis returns that shape and points are its nodes"
        )


class SO3Transform(nn.Module):
    """Analysis and synthesis on the product grid beta x alpha x gamma.

    The round trip is exact for band-limited functions when the grid has at least ``2 lmax + 1`` azimuths and
    ``lmax + 1`` (gauss-legendre), ``2 lmax + 1`` (equiangular) or ``2 lmax + 2`` (driscoll-healy, an even number) polar
    angles; those are the defaults. Its error relative to the norm, coefficients of unit variance, is below

        ========  =======  =======  =======  =======
        lmax      8        16       32       64
        ========  =======  =======  =======  =======
        float64    4e-15    1e-14    2e-14    4e-14
        float32    3e-7     4e-7     5e-7     5e-7
        ========  =======  =======  =======  =======

    Args:
        lmax: Largest degree, inclusive.
        rings: Number of polar angles.
        azimuths: Number of equispaced values of alpha, and of gamma.
        grid: Rule for the polar angles.
        dtype: Of the tables; the torch default when None.
        device: Of the tables, which are made on the processor; memory is checked on both.

    Reference: Kostelec and Rockmore, FFTs on the rotation group (2008), https://doi.org/10.1007/s00041-008-9013-5

    Example:
        >>> transform = SO3Transform(lmax=2)
        >>> transform.analysis(transform.synthesis(torch.ones(35))).shape
        torch.Size([35])
    """

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
        needed, what = self.memory(lmax, rings, azimuths, grid, dtype), f"SO3Transform(lmax={lmax}, rings={count})"
        require_memory(needed, what, "cpu", device)
        self.beta, weights = QUADRATURES[grid](count)
        self.rings = Rings(lmax, self.beta, dtype)
        self.circle = Circle(lmax, self.azimuths, dtype)
        self.register_buffer("polar_weights", weights.to(self.rings.table.dtype), persistent=False)
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
        """Bytes at the peak of building the tables, or of a synthesis and analysis of ``batch`` functions beside them.

        Without gradients; to about 20 per cent. Arguments as the constructor's.

        Example:
            >>> round(SO3Transform.memory(64, dtype=torch.float32) / 1e6)
            613
        """
        rings, azimuths = grid_shape(lmax, rings, azimuths, grid)
        number = (dtype or torch.get_default_dtype()).itemsize
        cube, orders = (lmax + 1) ** 3, 2 * lmax + 1
        # The reduced Wigner functions in float64, their polynomials, and the indices.
        building = cube * (33 * rings + 88)
        tables = 2 * cube * rings * number + 32 * cube + so3_size(lmax) * number
        coeffs, gathered = so3_size(lmax) * number, 4 * cube * number
        spectra, rows, values = (rings * n * number for n in (orders**2, azimuths * orders, azimuths**2))
        if azimuths <= LONGEST_PRODUCT:
            forward, backward = values + rows + spectra, rows + spectra
        else:
            # Half spectra as long as the values, padded or to be cut off.
            forward, backward = 2 * values + int(3.5 * rows), values + rows
        synthesis = max(forward, coeffs + 2 * gathered + 4 * spectra)
        analysis = values + max(backward, 3 * gathered + 3 * spectra)
        return max(building, tables + batch * (coeffs + max(synthesis, analysis)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes on each axis."""
        return (len(self.beta), self.azimuths, self.azimuths)

    @property
    def points(self) -> Float[Tensor, "rings azimuths azimuths 3 3"]:
        """The rotations of the grid, in float64, in the order of ``synthesis``."""
        azimuth = circle(self.azimuths)
        beta, alpha, gamma = torch.meshgrid(self.beta, azimuth, azimuth, indexing="ij")
        return from_euler_zyz(alpha, beta, gamma)

    @property
    def quadrature(self) -> Float[Tensor, "rings azimuths azimuths"]:
        """Haar-probability weights of ``points``, sum 1."""
        return (self.polar_weights / self.azimuths**2)[:, None, None].expand(self.shape)

    def synthesis(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch rings azimuths azimuths"]:
        """Values on the grid, axes (beta, alpha, gamma)."""
        require_lmax(coeffs.shape[-1], self.lmax, so3_lmax)
        require_alike(coeffs, self.polar_weights)
        return self.circle.torus_synthesis(self.rings.spectra(coeffs))

    def analysis(self, values: Float[Tensor, "*batch rings azimuths azimuths"]) -> Float[Tensor, "*batch modes"]:
        """Coefficients of values on the grid."""
        require_grid(values, self.shape)
        require_alike(values, self.polar_weights)
        return self.rings.coeffs(self.circle.torus_analysis(values) * self.polar_weights[:, None, None])

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, azimuths={self.azimuths}, grid={self.grid!r}"
