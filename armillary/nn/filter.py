"""Filters of the spherical convolutions: learned coefficients, or learned values at points.

Calling a filter gives its coefficients, flat on the last axis: of functions on the sphere for `S2Convolution`, of
functions on SO(3) for `SO3Convolution`. A filter given by values at points is smooth in a different way than one given
by coefficients, and a small set of points near the identity makes it local.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import spherical_harmonics, wigner_D
from armillary.so3.grid import s2_grid
from armillary.so3.rotation import from_euler_zyz


class Filter(nn.Module, ABC):
    """One filter for each pair of channels.

    Attributes:
        channels_in: Channels the convolution reads.
        channels_out: Channels it writes.
    """

    channels_in: int
    channels_out: int

    @abstractmethod
    def forward(self) -> Float[Tensor, "channels_in channels_out size"]:
        """Coefficients of the filters, each of unit variance on average when untrained."""


class HarmonicFilter(Filter):
    """A filter whose parameters are its coefficients.

    Args:
        size: Length of the flat axis, ``s2_size(lmax)`` or ``so3_size(lmax)``.

    Example:
        >>> HarmonicFilter(2, 3, size=49)().shape
        torch.Size([2, 3, 49])
    """

    def __init__(self, channels_in: int, channels_out: int, size: int) -> None:
        super().__init__()
        self.channels_in, self.channels_out = channels_in, channels_out
        self.weight = nn.Parameter(torch.randn(channels_in, channels_out, size))

    def forward(self) -> Float[Tensor, "channels_in channels_out size"]:
        """Coefficients of the filters."""
        return self.weight


class PointFilter(Filter):
    r"""A filter whose parameters are values w at points, :math:`\psi = \sum_p w_p B_p / \sqrt{P}`.

    Args:
        basis: Harmonics at the points, `sphere_basis` or `rotation_basis`.

    Example:
        >>> PointFilter(2, 3, sphere_basis(lmax=6))().shape
        torch.Size([2, 3, 49])
    """

    basis: Tensor

    def __init__(self, channels_in: int, channels_out: int, basis: Float[Tensor, "points size"]) -> None:
        super().__init__()
        self.channels_in, self.channels_out = channels_in, channels_out
        self.weight = nn.Parameter(torch.randn(channels_in, channels_out, len(basis)))
        scaled = (basis / math.sqrt(len(basis))).to(torch.get_default_dtype())
        self.register_buffer("basis", scaled, persistent=False)

    def forward(self) -> Float[Tensor, "channels_in channels_out size"]:
        """Coefficients of the filters."""
        return self.weight @ self.basis


def sphere_basis(lmax: int, level: int = 1) -> Float[Tensor, "points coeffs"]:
    """Spherical harmonics at the HEALPix points of a level (1: 48 points), in float64: a global filter.

    Example:
        >>> sphere_basis(lmax=6).shape
        torch.Size([48, 49])
    """
    return spherical_harmonics(lmax, s2_grid(level).double())


def rotation_basis(lmax: int, rotations: Float[Tensor, "points 3 3"]) -> Float[Tensor, "points modes"]:
    """sqrt(2l+1) D^l_mn at rotations, in float64.

    Example:
        >>> rotation_basis(6, near_identity_rotations()).shape
        torch.Size([147, 455])
    """
    scale = [math.sqrt(2 * degree + 1) for degree in range(lmax + 1) for _ in range((2 * degree + 1) ** 2)]
    return wigner_D(lmax, rotations.double()) * torch.tensor(scale, dtype=torch.float64)


def near_identity_rotations(
    max_angle: float = math.pi / 8, rings: int = 3, azimuths: int = 7, legacy: bool = False
) -> Float[Tensor, "points 3 3"]:
    """Rotations near the identity, Rz(a) Ry(b) Rz(g) with b up to ``max_angle`` and a + g over a full turn, in float64.

    The defaults are the 147 distinct rotations of Image2Sphere's local filter (7 alpha, 3 beta, 7 of a + g).

    Args:
        max_angle: Largest tilt b of the z axis, in radians.
        rings: Number of tilts, at ``max_angle * (1..rings) / rings``.
        azimuths: Number of a, and of a + g.
        legacy: The original's 8 values of a + g over [-2 pi, 2 pi], both ends included: 168 points, some twice.

    Reference: Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926, section 4.3

    Example:
        >>> near_identity_rotations().shape
        torch.Size([147, 3, 3])
    """
    alpha = torch.arange(azimuths, dtype=torch.float64) * (2 * math.pi / azimuths)
    beta = torch.arange(1, rings + 1, dtype=torch.float64) * (max_angle / rings)
    ends = torch.linspace(-2 * math.pi, 2 * math.pi, azimuths + 1, dtype=torch.float64)
    total = ends if legacy else alpha
    a, b, sums = (axis.flatten() for axis in torch.meshgrid(alpha, beta, total, indexing="ij"))
    return from_euler_zyz(a, b, sums - a)
