r"""Planar convolutions of maps on the half-offset equiangular grid, without a seam: padding, convolution, enlarging.

Rings are at polar angles (j + 1/2) pi / n, columns at azimuths 2 pi k / m, m even, from +x on. Past the last column the
map goes on with the first. A meridian that runs on across a pole comes down on the other side, so a row beyond the pole
is one before it, read half a turn further on:

.. math:: F[-1-r, k] = F[r, (k + m/2) \bmod m], \qquad F[n+r, k] = F[n-1-r, (k + m/2) \bmod m]

This is exact for functions (scalars) on the sphere; plain reflection of rows, as in the code published with the
reference, forgets the half turn. A planar kernel still sees columns crowd at the poles: these layers commute with turns
about the axis by whole cells, not with other rotations.

Reference: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def pad_sphere(values: Float[Tensor, "*batch rings azimuths"], width: int) -> Float[Tensor, "*batch rows columns"]:
    """A map with ``width`` further rows and columns on each side, where it goes on across poles and around the axis.

    Args:
        values: On the half-offset equiangular grid, an even number of azimuths.
        width: From 0 to the smaller side.

    Example:
        >>> pad_sphere(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8.0]]), 1).int().tolist()[:2]
        [[2, 3, 4, 1, 2, 3], [4, 1, 2, 3, 4, 1]]
    """
    rings, azimuths = values.shape[-2:]
    if azimuths % 2:
        raise ValueError(f"expected an even number of azimuths, got {azimuths}; choose another grid")
    if not 0 <= width <= min(rings, azimuths):
        raise ValueError(
            f"expected a padding from 0 to {min(rings, azimuths)} on {rings} rings and {azimuths} azimuths, got "
            f"{width}; use a smaller kernel or a finer grid"
        )
    beyond_north = values[..., :width, :].flip(-2).roll(azimuths // 2, -1)
    beyond_south = values[..., rings - width :, :].flip(-2).roll(azimuths // 2, -1)
    rows = torch.cat([beyond_north, values, beyond_south], -2)
    return torch.cat([rows[..., azimuths - width :], rows, rows[..., :width]], -1)


def enlarge_sphere(
    values: Float[Tensor, "*batch rings azimuths"],
) -> Float[Tensor, "*batch 2*rings 2*azimuths"]:
    r"""Values on the grid of twice the side, bilinear in polar angle and azimuth, across the poles too.

    Fine rings lie a quarter of a coarse step from the nearest coarse ring; every other fine column is a coarse one:

    .. math:: G[2r] = \tfrac34 F[r] + \tfrac14 F[r-1],\quad G[2r+1] = \tfrac34 F[r] + \tfrac14 F[r+1],\qquad
        G[\cdot, 2k] = F[\cdot, k],\quad G[\cdot, 2k+1] = \tfrac12 (F[\cdot, k] + F[\cdot, k+1])

    Example:
        >>> enlarge_sphere(torch.ones(2, 4, 4)).shape
        torch.Size([2, 8, 8])
    """
    padded = pad_sphere(values, 1)
    near = padded[..., 1:-1, :]
    pairs = torch.stack([near.lerp(padded[..., :-2, :], 0.25), near.lerp(padded[..., 2:, :], 0.25)], -2)
    rows = pairs.flatten(-3, -2)
    here, following = rows[..., 1:-1], rows[..., 2:]
    return torch.stack([here, (here + following) / 2], -1).flatten(-2)


class SphereConvolution(nn.Module):
    """Planar convolution of stride 1 with `pad_sphere`: the map keeps its size.

    Args:
        kernel: Odd side of the kernel, cells.
        bias: Whether a constant is added to each channel; leave it out before a batch norm.

    Example:
        >>> SphereConvolution(3, 8)(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 8, 16, 16])
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, bias: bool = True) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"expected an odd kernel, got {kernel}; use 3")
        self.width = kernel // 2
        self.convolution = nn.Conv2d(channels_in, channels_out, kernel, bias=bias)

    def forward(
        self, values: Float[Tensor, "batch channels_in rings azimuths"]
    ) -> Float[Tensor, "batch channels_out rings azimuths"]:
        """Values on the same grid."""
        return self.convolution(pad_sphere(values, self.width))
