r"""Rotation of functions given by coefficients: exact, one small matrix product a degree."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.layout import s2_lmax, s2_slice, so3_lmax, split_degrees
from armillary.harmonics.wigner import wigner_D
from armillary.so3.rotation import require_rotations


def rotate_s2(
    coeffs: Float[Tensor, "*batch coeffs"], rotation: Float[Tensor, "*shape 3 3"]
) -> Float[Tensor, "*out coeffs"]:
    r"""Coefficients of :math:`x\mapsto f(R^{-1}x)`: every degree times D^l(R).

    Args:
        coeffs: Sphere coefficients.
        rotation: Rotations; leading axes broadcast against ``batch``.

    Example:
        >>> rotate_s2(torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.eye(3))
        tensor([1., 0., 0., 0.])
    """
    require_rotations(rotation, coeffs)
    blocks = split_degrees(wigner_D(s2_lmax(coeffs.shape[-1]), rotation))
    turned = [(block @ coeffs[..., s2_slice(degree), None])[..., 0] for degree, block in enumerate(blocks)]
    return torch.cat(turned, -1)


def rotate_so3(
    coeffs: Float[Tensor, "*batch modes"], rotation: Float[Tensor, "*shape 3 3"]
) -> Float[Tensor, "*out modes"]:
    r"""Coefficients of :math:`Q\mapsto f(R^{-1}Q)`, the law of R times a random rotation with density f.

    Args:
        coeffs: SO(3) coefficients.
        rotation: Rotations; leading axes broadcast against ``batch``.

    Example:
        >>> rotate_so3(torch.tensor([1.0]), torch.eye(3))
        tensor([1.])
    """
    require_rotations(rotation, coeffs)
    left = split_degrees(wigner_D(so3_lmax(coeffs.shape[-1]), rotation))
    return torch.cat([(block @ part).flatten(-2) for block, part in zip(left, split_degrees(coeffs), strict=True)], -1)
