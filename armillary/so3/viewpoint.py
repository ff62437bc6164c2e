r"""Viewpoints: azimuth, elevation and tilt of a camera that looks at an object whose z axis is up.

The camera stands in the direction :math:`(\cos e \sin a, -\cos e \cos a, \sin e)` of the object; seen from there,
positive tilt turns the picture's content anticlockwise. In OpenCV camera axes (x right, y down, z forward)

.. math:: R = R_z(-t)\, R_x(\tfrac\pi2 + e)\, R_z(-a) = R_x(\pi)\, R',
    \qquad R' = R_z(t)\, R_x(e - \tfrac\pi2)\, R_z(-a)

R' is the matrix of other projects (its camera has y up and z backward). Both have the same distances; compare like with
like. Every rotation is a viewpoint: these are the ZYZ angles in other words,
:math:`R = R_z(-t - \pi/2)\, R_y(\pi/2 + e)\, R_z(\pi/2 - a)`.

Reference: Spherical Regression (Liao et al., 2019), https://arxiv.org/abs/1904.05404
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3.rotation import from_euler_zyz, to_euler_zyz

QUARTER = math.pi / 2


def viewpoint_to_matrix(
    azimuth: Float[Tensor, "*batch"], elevation: Float[Tensor, "*batch"], tilt: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """R_cam_obj of a viewpoint, radians.

    Example:
        >>> zero = torch.zeros(())
        >>> viewpoint_to_matrix(zero, zero, zero).round().int().tolist()
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    """
    return from_euler_zyz(-tilt - QUARTER, elevation + QUARTER, QUARTER - azimuth)


def matrix_to_viewpoint(
    rotation: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    r"""Azimuth and tilt in [-pi, pi], elevation in [-pi/2, pi/2], radians: the inverse of `viewpoint_to_matrix`.

    From straight above and below (the poles, :math:`e = \pm\pi/2`) only :math:`a \mp t` is determined: tilt is 0 there
    and the azimuth takes the whole turn. Near the poles azimuth and tilt leap, though the rotation does not. Elevations
    beyond a quarter turn come back as the equal viewpoint from the other side, :math:`(a + \pi, \pi - e, t + \pi)`.

    Example:
        >>> given = torch.deg2rad(torch.tensor([30.0, 10.0, -5.0]))
        >>> torch.rad2deg(torch.stack(matrix_to_viewpoint(viewpoint_to_matrix(*given)))).round().int().tolist()
        [30, 10, -5]
    """
    alpha, beta, gamma = to_euler_zyz(rotation)
    azimuth, elevation, tilt = QUARTER - gamma, beta - QUARTER, -alpha - QUARTER
    # To a few roundings of the matrix the axes of the two turns are one.
    pole = rotation[..., 2, :2].detach().norm(dim=-1) < 8 * torch.finfo(rotation.dtype).eps
    azimuth = torch.where(pole, azimuth - torch.sign(elevation.detach()) * tilt, azimuth)
    return _wrapped(azimuth), elevation, _wrapped(torch.where(pole, torch.zeros_like(tilt), tilt))


def _wrapped(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The same angle in [-pi, pi]."""
    return angle - 2 * torch.pi * torch.round(angle.detach() / (2 * torch.pi))
