r"""The camera of PASCAL3D+: azimuth a, elevation e, in-plane turn theta (degrees), distance d.

The object's z axis is up; the camera at :math:`d\,(\cos e \sin a, -\cos e \cos a, \sin e)` looks at the origin:

.. math:: R_{cam,obj} = \mathrm{diag}(1,-1,-1)\, R_z(\theta)\, R_x(e - \pi/2)\, R_z(-a), \qquad t = (0, 0, d)

in OpenCV axes; diag(1,-1,-1) is the half-turn :math:`R_x(\pi)`, by which the matrix of other projects differs. Lengths
are in units of the CAD model, not metres. The focal length is focal * viewport pixels. Pixel coordinates are taken as
they stand in the files, as the original Image2Sphere does; MATLAB, which wrote them, counts from 1, so that they
may be off by one pixel: 0.02 degrees at the focal length of 3,000 pixels that the data set uses throughout.

Reference: Beyond PASCAL (Xiang, Mottaghi, Savarese, 2014), https://cvgl.stanford.edu/projects/pascal3d.html
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import rotation_x, rotation_z

PASCAL_CATEGORIES = (
    "aeroplane", "bicycle", "boat", "bottle", "bus", "car",
    "chair", "diningtable", "motorbike", "sofa", "train", "tvmonitor",
)  # fmt: skip


def viewpoint_rotation(
    azimuth_deg: Float[Tensor, "*batch"], elevation_deg: Float[Tensor, "*batch"], theta_deg: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """R_cam_obj of viewpoints.

    Example:
        >>> zero = torch.zeros(())
        >>> viewpoint_rotation(zero, zero, zero).round().int().tolist()
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    """
    azimuth, elevation, theta = (torch.deg2rad(angle) for angle in (azimuth_deg, elevation_deg, theta_deg))
    flip = torch.tensor([1.0, -1.0, -1.0], dtype=azimuth.dtype, device=azimuth.device).diag()
    return flip @ rotation_z(theta) @ rotation_x(elevation - math.pi / 2) @ rotation_z(-azimuth)


def viewpoint_intrinsics(focal: float, px: float, py: float) -> Float[Tensor, "3 3"]:
    """Pinhole matrix from a focal length and a principal point, pixels.

    Example:
        >>> viewpoint_intrinsics(3000.0, 250.0, 160.0)[:2, 2]
        tensor([250., 160.], dtype=torch.float64)
    """
    return torch.tensor([[focal, 0, px], [0, focal, py], [0, 0, 1]], dtype=torch.float64)
