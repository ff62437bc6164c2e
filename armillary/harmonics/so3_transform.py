"""Transform of functions on SO(3): values on a product grid of ZYZ Euler angles <-> coefficients.

A Wigner contraction over the degrees on each ring of fixed beta, then a real Fourier transform over each azimuth:
O(lmax^4) a function instead of the O(lmax^6) of a dense basis matrix, and no table of grid times modes.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.fourier import analyse_circle, circle, synthesise_circle
from armillary.harmonics.rings import Rings
from armillary.so3.quadrature import equiangular, gauss_legendre
from armillary.so3.rotation import from_euler_zyz

Grid = Literal["gauss-legendre", "equiangular"]
QUADRATURES = {"gauss-legendre": gauss_legendre, "equiangular": equiangular}


def polar_nodes(grid: str, count: int) -> tuple[Tensor, Tensor]:
    """Polar angles and weights (sum 1) in float64 of a named rule; raises ValueError for an unknown name."""
    if grid not in QUADRATURES:
        raise ValueError(f"unknown grid {grid!r}: expected one of {', '.join(QUADRATURES)}")
    return QUADRATURES[grid](count)


def product_grid(lmax: int, rings: int | None, azimuths: int | None, grid: Grid) -> tuple[Tensor, Tensor, int]:
    """Polar angles, their weights and the number of azimuths; by default the fewest with which analysis is exact."""
    fewest = 2 * lmax + 1
    azimuths = azimuths or fewest
    if azimuths < fewest:
        raise ValueError(f"expected at least 2 * lmax + 1 = {fewest} azimuths, got {azimuths}; leave it out")
    beta, weights = polar_nodes(grid, rings or (lmax + 1 if grid == "gauss-legendre" else fewest))
    return beta, weights, azimuths


class SO3Transform(nn.Module):
    """Analysis and synthesis on the product grid alpha x beta x gamma.

    The round trip is exact for band-limited functions when the grid has at least ``2 lmax + 1`` azimuths and, for the
    Gauss-Legendre rule, ``lmax + 1`` polar angles (``2 lmax + 1`` equiangular ones); those are the defaults.

    Args:
        lmax: Largest degree, inclusive.
        rings: Number of polar angles.
        azimuths: Number of equispaced values of alpha, and of gamma.
        grid: Rule for the polar angles.
        dtype: Of the tables; the torch default when None.

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
    ) -> None:
        super().__init__()
        self.lmax, self.grid = lmax, grid
        self.beta, weights, self.azimuths = product_grid(lmax, rings, azimuths, grid)
        self.rings = Rings(lmax, self.beta, dtype)
        self.register_buffer("polar_weights", weights.to(self.rings.table.dtype), persistent=False)

    @property
    def points(self) -> Float[Tensor, "rings azimuths azimuths 3 3"]:
        """The rotations of the grid, in float64, in the order of ``synthesis``."""
        azimuth = circle(self.azimuths, self.beta)
        beta, alpha, gamma = torch.meshgrid(self.beta, azimuth, azimuth, indexing="ij")
        return from_euler_zyz(alpha, beta, gamma)

    @property
    def quadrature(self) -> Float[Tensor, "rings azimuths azimuths"]:
        """Haar-probability weights of ``points``, sum 1."""
        shape = (len(self.beta), self.azimuths, self.azimuths)
        return (self.polar_weights / self.azimuths**2)[:, None, None].expand(shape)

    def synthesis(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch rings azimuths azimuths"]:
        """Values on the grid, axes (beta, alpha, gamma)."""
        spectra = self.rings.spectra(coeffs)
        spectra = synthesise_circle(spectra, self.azimuths)
        return synthesise_circle(spectra.mT, self.azimuths).mT

    def analysis(self, values: Float[Tensor, "*batch rings azimuths azimuths"]) -> Float[Tensor, "*batch modes"]:
        """Coefficients of values on the grid."""
        series = analyse_circle(analyse_circle(values, self.lmax).mT, self.lmax).mT
        return self.rings.coeffs(series * self.polar_weights[:, None, None])

    def extra_repr(self) -> str:
        """Size shown by print."""
        return f"lmax={self.lmax}, azimuths={self.azimuths}, grid={self.grid!r}"
