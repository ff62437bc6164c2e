r"""Correlation of functions given by coefficients, as a function on SO(3): exact, one small matrix product a degree.

Channels are summed inside those products, before any synthesis: one function on SO(3) whatever their number.

Reference: Kostelec and Rockmore, FFTs on the rotation group (2008), section 4, https://doi.org/10.1007/s00041-008-9013-5
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.layout import s2_lmax, s2_slice, split_degrees
from armillary.so3.rotation import require_alike


def correlate(
    first: Float[Tensor, "*#batch coeffs"], second: Float[Tensor, "*#batch coeffs"], channel_dim: int | None = None
) -> Float[Tensor, "*out modes"]:
    r"""Correlation of two functions on the sphere, :math:`C(R)=\sum_c\int a_c(Rx)\,b_c(x)\,dx` as SO(3) coefficients.

    Largest at the R for which ``a`` is ``b`` turned by R, i.e. ``rotate_s2(b, R) == a``. Batches broadcast.

    Args:
        first: Sphere coefficients of a.
        second: Sphere coefficients of b.
        channel_dim: Axis of the channels, which are summed; None where every function is on its own.

    Example:
        >>> correlate(torch.ones(4), torch.ones(4)).shape
        torch.Size([10])
        >>> correlate(torch.ones(2, 32, 4), torch.ones(2, 32, 4), channel_dim=-2).shape
        torch.Size([2, 10])
    """
    first, second = _matching(first, second, channel_dim)
    lmax = s2_lmax(first.shape[-1])
    degrees = [
        (first[..., s2_slice(l)].mT @ second[..., s2_slice(l)]).flatten(-2) * (2 * l + 1) ** -0.5
        for l in range(lmax + 1)
    ]
    return torch.cat(degrees, -1)


def correlate_so3(
    first: Float[Tensor, "*#batch modes"], second: Float[Tensor, "*#batch modes"], channel_dim: int | None = None
) -> Float[Tensor, "*out modes"]:
    r"""Correlation of two functions on SO(3), :math:`C(R)=\sum_c\int a_c(RQ)\,b_c(Q)\,dQ` as SO(3) coefficients.

    Largest at the R for which ``a`` is ``b`` turned by R, i.e. ``rotate_so3(b, R) == a``. Arguments as ``correlate``.

    Example:
        >>> correlate_so3(torch.ones(10), torch.ones(10)).shape
        torch.Size([10])
    """
    first, second = _matching(first, second, channel_dim)
    degrees = [
        (a @ b.mT).sum(-3).flatten(-2) * (2 * l + 1) ** -0.5
        for l, (a, b) in enumerate(zip(split_degrees(first), split_degrees(second), strict=True))
    ]
    return torch.cat(degrees, -1)


def _matching(first: Tensor, second: Tensor, channel_dim: int | None) -> tuple[Tensor, Tensor]:
    """Both with an axis of channels before the coefficients, of one dtype, device and degree."""
    require_alike(second, first)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(
            f"expected as many coefficients in both functions, got {first.shape[-1]} and {second.shape[-1]}; "
            "cut off the higher degrees of one, or pad the other with zeros"
        )
    if channel_dim is None:
        return first[..., None, :], second[..., None, :]
    return first.movedim(channel_dim, -2), second.movedim(channel_dim, -2)
