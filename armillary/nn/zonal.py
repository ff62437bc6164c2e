r"""Zonal convolution on the sphere: each degree times one number for each pair of channels, exactly equivariant.

.. math:: (f * k)(x) = \int f(y)\, k(x \cdot y)\, dy, \qquad
    (f * k)_{lm} = K(l)\, f_{lm}, \qquad k(t) = \sum_l (2l+1)\, K(l)\, P_l(t)

A smooth spectrum K makes a local kernel: K is interpolated linearly between a few learned knots, and the fewer the
knots, the more local. A knot for each degree leaves the kernel free (the full filter).

Reference: Learning SO(3) Equivariant Representations with Spherical CNNs (Esteves et al., 2018),
    https://arxiv.org/abs/1711.06721, sections 4.1 and 4.2
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import s2_lmax, s2_size, spherical_harmonics
from armillary.harmonics.layout import require_lmax

# What the knots are: the factors K(l), or the kernel's own coefficients k_l0, as released.
Spectrum = Literal["factors", "kernel"]


def knot_weights(lmax: int, knots: int) -> Float[Tensor, "{knots} {lmax}+1"]:
    """Linear interpolation from ``knots`` equispaced degrees of [0, lmax] to all of them, in float64.

    Example:
        >>> knot_weights(lmax=4, knots=3)[1]
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    if not 1 <= knots <= lmax + 1:
        raise ValueError(f"expected 1 to {lmax + 1} knots at lmax {lmax}, got {knots}; use {min(8, lmax + 1)}")
    if knots == 1:
        return torch.ones(1, lmax + 1, dtype=torch.float64)
    where = torch.arange(lmax + 1, dtype=torch.float64) * ((knots - 1) / lmax)
    return (1 - (where - torch.arange(knots, dtype=torch.float64)[:, None]).abs()).clamp(min=0)


def released_factors(lmax: int) -> Float[Tensor, " {lmax}+1"]:
    r"""From coefficients k_l0 for the unnormalised measure to K(l), :math:`2\pi\sqrt{4\pi/(2l+1)}`, in float64.

    Example:
        >>> released_factors(0)
        tensor([22.2733], dtype=torch.float64)
    """
    return 2 * math.pi * torch.sqrt(4 * math.pi / (2 * torch.arange(lmax + 1, dtype=torch.float64) + 1))


class ZonalConvolution(nn.Module):
    """Convolution of functions on the sphere with zonal kernels.

    Knots are drawn from a normal distribution cut at two standard deviations: ``1 / sqrt(channels_in)`` for factors,
    which keeps the variance of each degree at the knots; ``2 / (2 pi sqrt((lmax + 1) channels_in))`` for kernels, as
    released.

    Args:
        lmax: Largest degree, inclusive.
        knots: Number of learned values for each pair of channels; None: one for each degree.
        spectrum: What the knots are.
        bias: Whether a learned constant is added.

    Example:
        >>> ZonalConvolution(4, 2, lmax=6, knots=3)(torch.rand(5, 4, 49)).shape
        torch.Size([5, 2, 49])
    """

    interpolation: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        lmax: int,
        knots: int | None = None,
        spectrum: Spectrum = "factors",
        bias: bool = False,
    ) -> None:
        super().__init__()
        if spectrum not in ("factors", "kernel"):
            raise ValueError(f"expected spectrum 'factors' or 'kernel', got {spectrum!r}; use 'factors'")
        self.lmax = lmax
        weights = knot_weights(lmax, lmax + 1 if knots is None else knots)
        std = channels_in**-0.5
        if spectrum == "kernel":
            weights, std = weights * released_factors(lmax), std / (math.pi * math.sqrt(lmax + 1))
        self.weight = nn.Parameter(torch.empty(channels_in, channels_out, len(weights)))
        nn.init.trunc_normal_(self.weight, std=std, a=-2 * std, b=2 * std)
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None
        self.register_buffer("interpolation", weights.to(torch.get_default_dtype()), persistent=False)

    def factors(self) -> Float[Tensor, "channels_in channels_out degrees"]:
        """K(l) of each pair of channels."""
        return self.weight @ self.interpolation

    def profile(self, angle: Float[Tensor, " angles"]) -> Float[Tensor, "channels_in channels_out angles"]:
        """The kernels k at an angle from their axis, in radians."""
        points = torch.stack([angle.sin(), torch.zeros_like(angle), angle.cos()], -1)
        every = torch.arange(self.lmax + 1, device=angle.device)
        zonal = spherical_harmonics(self.lmax, points)[:, every * (every + 1)] * (2 * every + 1).sqrt()
        return self.factors() @ zonal.to(self.weight).T

    def forward(
        self, coeffs: Float[Tensor, "*batch channels_in coeffs"]
    ) -> Float[Tensor, "*batch channels_out coeffs"]:
        """Coefficients of the convolved functions."""
        require_lmax(coeffs.shape[-1], self.lmax, s2_lmax)
        # One product a degree: two times faster than one with the factors repeated for each order.
        degrees = coeffs.split([2 * degree + 1 for degree in range(self.lmax + 1)], -1)
        products = zip(degrees, self.factors().unbind(-1), strict=True)
        result = torch.cat([torch.einsum("...im,io->...om", part, factor) for part, factor in products], -1)
        if self.bias is None:
            return result
        return result + nn.functional.pad(self.bias[:, None], (0, s2_size(self.lmax) - 1))

    def extra_repr(self) -> str:
        """Size shown by print."""
        channels_in, channels_out, knots = self.weight.shape
        return f"{channels_in}, {channels_out}, lmax={self.lmax}, knots={knots}"
