r"""The camera of PASCAL3D+: a viewpoint of azimuth, elevation and in-plane turn theta (degrees), and a distance d.

Rotation as `armillary.so3.viewpoint_to_matrix`; the object's origin is at :math:`t = (0, 0, d)` in OpenCV axes. Lengths
are in units of the CAD model, not metres. The focal length is focal * viewport pixels. Pixel coordinates are taken as
they stand in the files, as the original Image2Sphere does; MATLAB, which wrote them, counts from 1, so that they
may be off by one pixel: 0.02 degrees at the focal length of 3,000 pixels that the data set uses throughout.

Reference: Beyond PASCAL (Xiang, Mottaghi, Savarese, 2014), https://cvgl.stanford.edu/projects/pascal3d.html
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import viewpoint_to_matrix

PASCAL_CATEGORIES = (
    "aeroplane", "bicycle", "boat", "bottle", "bus", "car",
    "chair", "diningtable", "motorbike", "sofa", "train", "tvmonitor",
)  # fmt: skip


# Within these, either way, lie azimuth, elevation and theta of the published files, degrees.
LIMITS_DEG = (360.0, 180.0, 180.0)


def in_range(azimuth_deg: float, elevation_deg: float, theta_deg: float) -> bool:
    """Whether angles can be those of a viewpoint in degrees.

    Example:
        >>> in_range(359.0, -12.5, 0.0), in_range(400.0, 0.0, 0.0), in_range(0.0, float("nan"), 0.0)
        (True, False, False)
    """
    angles = (azimuth_deg, elevation_deg, theta_deg)
    return all(-most <= angle <= most for angle, most in zip(angles, LIMITS_DEG, strict=True))


def viewpoint_rotation(
    azimuth_deg: Float[Tensor, "*batch"], elevation_deg: Float[Tensor, "*batch"], theta_deg: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """R_cam_obj of viewpoints in degrees.

    Example:
        >>> zero = torch.zeros(())
        >>> viewpoint_rotation(zero, zero, zero).round().int().tolist()
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    """
    return viewpoint_to_matrix(*(torch.deg2rad(angle) for angle in (azimuth_deg, elevation_deg, theta_deg)))


def viewpoint_intrinsics(focal: float, px: float, py: float) -> Float[Tensor, "3 3"]:
    """Pinhole matrix from a focal length and a principal point, pixels.

    Example:
        >>> viewpoint_intrinsics(3000.0, 250.0, 160.0)[:2, 2]
        tensor([250., 160.], dtype=torch.float64)
    """
    return torch.tensor([[focal, 0, px], [0, focal, py], [0, 0, 1]], dtype=torch.float64)
