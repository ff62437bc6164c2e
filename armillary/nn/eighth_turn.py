"""An eighth of a turn that moves frequent points away from the borders between sign classes.

Azimuths of 0, 90, ... degrees and normals of walls along the axes have a coordinate of 0, whose sign noise decides.
Turned by 45 degrees they stand in the middle of their classes.

Source: Spherical Regression, dataset_naiReg.py:203 (azimuth) and dataengine_v2.py:266-274 (normals).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_HALF_SQRT = math.sqrt(0.5)


def angle_to_circle(angle: Float[Tensor, "*batch"], turned: bool = False) -> Float[Tensor, "*batch 2"]:
    """(cos, sin) of an angle in radians; ``turned``: of the angle and an eighth of a turn.

    Example:
        >>> angle_to_circle(torch.tensor(0.0), turned=True)
        tensor([0.7071, 0.7071])
    """
    moved = angle + math.pi / 4 if turned else angle
    return torch.stack([moved.cos(), moved.sin()], -1)


def circle_to_angle(point: Float[Tensor, "*batch 2"], turned: bool = False) -> Float[Tensor, "*batch"]:
    """The angle of (cos, sin), radians from -pi to pi: inverse of `angle_to_circle`.

    Example:
        >>> circle_to_angle(torch.tensor([0.0, 1.0]), turned=True)
        tensor(0.7854)
    """
    angle = torch.atan2(point[..., 1], point[..., 0])
    if not turned:
        return angle
    return torch.remainder(angle - math.pi / 4 + math.pi, 2 * math.pi) - math.pi


def turn_normal(normal_yzx: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """Normals in the order (y, z, x), turned in their xy plane: x' = (x + y) / sqrt 2, y' = (y - x) / sqrt 2.

    Example:
        >>> turn_normal(torch.tensor([1.0, 0.0, 0.0]))
        tensor([0.7071, 0.0000, 0.7071])
    """
    y, z, x = normal_yzx.unbind(dim)
    return torch.stack([(y - x) * _HALF_SQRT, z, (x + y) * _HALF_SQRT], dim)


def turn_normal_back(normal_yzx: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """The inverse of `turn_normal`.

    Example:
        >>> turn_normal_back(torch.tensor([0.5, -1.0, 0.5]))
        tensor([ 0.7071, -1.0000,  0.0000])
    """
    y, z, x = normal_yzx.unbind(dim)
    return torch.stack([(y + x) * _HALF_SQRT, z, (x - y) * _HALF_SQRT], dim)
