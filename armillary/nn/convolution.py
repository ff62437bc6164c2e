"""Spherical convolutions on coefficients: sphere -> SO(3) and SO(3) -> SO(3), exactly equivariant.

Both act degree by degree on the second order index only, so a rotation of the input, which acts on the first,
commutes with them: ``layer(D x) == D layer(x)``.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.layout import s2_lmax, s2_slice, so3_lmax, split_degrees
from armillary.nn.filter import Filter


class S2Convolution(nn.Module):
    r"""Correlation of signals on the sphere with filters at every rotation of them.

    .. math:: y^l_{mn} = \frac{1}{\sqrt{C_{in}}} \sum_{c} x^l_{c m}\, \psi^l_{c n}

    Args:
        filter: Filters on the sphere.

    Reference: Spherical CNNs (Cohen et al., 2018), https://arxiv.org/abs/1801.10130, eq. 7

    Example:
        >>> from armillary.nn.filter import HarmonicFilter
        >>> S2Convolution(HarmonicFilter(4, 2, size=9))(torch.rand(5, 4, 9)).shape
        torch.Size([5, 2, 35])
    """

    def __init__(self, filter: Filter) -> None:
        super().__init__()
        self.filter = filter

    def forward(self, signal: Float[Tensor, "*batch channels_in coeffs"]) -> Float[Tensor, "*batch channels_out modes"]:
        """Coefficients on SO(3) of signals on the sphere."""
        psi = self.filter() / math.sqrt(self.filter.channels_in)
        blocks = [
            torch.einsum("...im,ion->...omn", signal[..., s2_slice(degree)], psi[..., s2_slice(degree)]).flatten(-2)
            for degree in range(s2_lmax(signal.shape[-1]) + 1)
        ]
        return torch.cat(blocks, -1)


class SO3Convolution(nn.Module):
    r"""Convolution of functions on SO(3) with filters on SO(3).

    .. math:: y^l_{mn} = \frac{1}{\sqrt{(2l+1)\, C_{in}}} \sum_{c,k} x^l_{c m k}\, \psi^l_{c k n}

    Args:
        filter: Filters on SO(3).

    Reference: Spherical CNNs (Cohen et al., 2018), https://arxiv.org/abs/1801.10130, eq. 8

    Example:
        >>> from armillary.nn.filter import HarmonicFilter
        >>> SO3Convolution(HarmonicFilter(4, 2, size=35))(torch.rand(5, 4, 35)).shape
        torch.Size([5, 2, 35])
    """

    def __init__(self, filter: Filter) -> None:
        super().__init__()
        self.filter = filter

    def forward(self, signal: Float[Tensor, "*batch channels_in modes"]) -> Float[Tensor, "*batch channels_out modes"]:
        """Coefficients of the convolved functions."""
        so3_lmax(signal.shape[-1])
        blocks = []
        for x, psi in zip(split_degrees(signal), split_degrees(self.filter()), strict=True):
            scale = 1 / math.sqrt(x.shape[-1] * self.filter.channels_in)
            blocks.append(torch.einsum("...imk,iokn->...omn", x, psi * scale).flatten(-2))
        return torch.cat(blocks, -1)
