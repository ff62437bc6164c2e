"""Blocks of a spherical CNN: zonal convolution, normalisation, nonlinearity, pooling.

`GridBlock` passes on values on a Driscoll-Healy grid, as released; `SpectralBlock` passes on coefficients, and only its
nonlinearity, on a finer grid, is not exactly equivariant.

Equivariance errors (`equivariance_error`) of untrained layers at lmax 15 (32 x 32), functions of variance 1 whose
coefficients are of equal variance, or fall with (1 + l)^-1.5 (tests/nn/test_sphere_block.py):

    ==================================================  ======  =======
    layer                                               equal   falling
    ==================================================  ======  =======
    zonal convolution, spectral pooling, `S2BatchNorm`  1e-15   1e-15
    SiLU, oversampling 1.5                              0.018   8e-4
    SiLU, oversampling 2                                0.003   3e-5
    PReLU (0.1), oversampling 1.5                       0.056   0.013
    PReLU (0.1), oversampling 2                         0.025   0.006
    `SpectralBlock`, oversampling 1.5                   0.008   9e-4
    batch norm over Driscoll-Healy nodes                0.034   0.076
    weighted average pooling, equiangular               0.58    0.26
    weighted average pooling, Driscoll-Healy            0.64    0.30
    `GridBlock`                                         0.13    0.07
    `GridBlock` that halves by averages                 0.52    0.34
    `GridBlock` that halves spectra                     0.13    0.10
    ==================================================  ======  =======
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import S2Transform
from armillary.nn.activation import grid_size
from armillary.nn.sphere_norm import S2BatchNorm
from armillary.nn.sphere_pooling import spectral_pooling, weighted_average_pooling
from armillary.nn.zonal import ZonalConvolution

# How a grid is halved.
GridPooling = Literal["weighted", "spectral"]


class S2Pointwise(nn.Module):
    """A module applied to the values of functions of unit variance on a finer grid, channels on the second axis.

    `S2Activation` scales for coefficients of unit variance and knows no channels.

    Args:
        lmax: Largest degree, inclusive.
        function: From values (batch, channels, rings, azimuths) to such values, as ``nn.PReLU(channels)``.
        oversampling: Grid points per axis relative to the fewest that represent degree ``lmax``.

    Example:
        >>> S2Pointwise(6, torch.nn.PReLU(4))(torch.rand(5, 4, 49)).shape
        torch.Size([5, 4, 49])
    """

    def __init__(self, lmax: int, function: nn.Module, oversampling: float = 1.5) -> None:
        super().__init__()
        self.transform = S2Transform(lmax, *grid_size(lmax, oversampling))
        self.function = function

    def forward(self, coeffs: Float[Tensor, "batch channels coeffs"]) -> Float[Tensor, "batch channels coeffs"]:
        """Coefficients of the function's values."""
        return self.transform.analysis(self.function(self.transform.synthesis(coeffs)))


class SpectralBlock(nn.Module):
    """Spectral pooling, zonal convolution, batch norm, SiLU on a finer grid; the input is added where channels agree.

    Pooling comes first: degrees that are left out need no convolution, and the result is the same.

    Args:
        lmax: Degrees of the output; the input may have more.
        knots: Of the convolution, at most ``lmax + 1``.
        oversampling: Of the nonlinearity.

    Example:
        >>> SpectralBlock(4, 8, lmax=3, knots=4)(torch.rand(5, 4, 49)).shape
        torch.Size([5, 8, 16])
    """

    def __init__(self, channels_in: int, channels_out: int, lmax: int, knots: int, oversampling: float = 1.5) -> None:
        super().__init__()
        self.lmax, self.residual = lmax, channels_in == channels_out
        self.convolution = ZonalConvolution(channels_in, channels_out, lmax, min(knots, lmax + 1))
        self.norm = S2BatchNorm(channels_out)
        self.activation = S2Pointwise(lmax, nn.SiLU(), oversampling)

    def forward(self, coeffs: Float[Tensor, "batch channels_in coeffs"]) -> Float[Tensor, "batch channels_out kept"]:
        """Coefficients up to ``lmax``."""
        coeffs = spectral_pooling(coeffs, self.lmax)
        result = self.activation(self.norm(self.convolution(coeffs)))
        return result + coeffs if self.residual else result


class GridBlock(nn.Module):
    """Zonal convolution, batch norm, PReLU, weighted average pooling, as released.

    Batch norm learns a shift, no scale, and is over the nodes of the grid, without weights. Its momentum and epsilon
    are torch's: the released ones are not known.

    Args:
        side: Rings and azimuths of the Driscoll-Healy grid of the input, even; its degrees are below ``side / 2``.
        knots: Of the convolution, at most ``side / 2``.
        halve: How the output is pooled to half the side: "weighted", averages after the PReLU, as released;
            "spectral", without the upper degrees before the batch norm; None: not at all.

    Example:
        >>> GridBlock(4, 8, side=16, knots=8, halve="weighted")(torch.rand(5, 4, 16, 16)).shape
        torch.Size([5, 8, 8, 8])
    """

    def __init__(
        self, channels_in: int, channels_out: int, side: int, knots: int, halve: GridPooling | None = None
    ) -> None:
        super().__init__()
        self.halve, degrees = halve, side // 2
        after = side // 2 if halve == "spectral" else side
        self.transform = S2Transform(degrees - 1, side, side, "driscoll-healy")
        self.after = S2Transform(after // 2 - 1, after, after, "driscoll-healy")
        self.convolution = ZonalConvolution(channels_in, channels_out, degrees - 1, min(knots, degrees), "kernel")
        self.norm = nn.BatchNorm2d(channels_out, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels_out, 1, 1))
        self.function = nn.PReLU(channels_out, init=0.1)

    def forward(
        self, values: Float[Tensor, "batch channels_in rings azimuths"]
    ) -> Float[Tensor, "batch channels_out rows columns"]:
        """Values on the grid, of half the side where the block halves."""
        coeffs = self.convolution(self.transform.analysis(values))
        convolved = self.after.synthesis(spectral_pooling(coeffs, self.after.lmax))
        result = self.function(self.norm(convolved) + self.shift)
        return weighted_average_pooling(result) if self.halve == "weighted" else result
