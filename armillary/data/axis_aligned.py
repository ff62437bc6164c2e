r"""Pictures under a change of intrinsics alone: the camera is not turned, so that columns and rows are sampled apart.

Output column i averages s samples at :math:`u = f_{in} (i + (k + 1/2)/s - 1/2 - c_{out}) / f_{out} + c_{in}`, each
between two input columns. That is a matrix with few entries from input to output columns, and likewise for rows: the
same numbers as `resample` gives under the homography, for a small part of its work.
"""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

# Radians by which a camera may be turned and still count as not turned: at a focal length of 3,000 pixels a turn by
# this much moves the picture by 1/300 of a pixel.
_STRAIGHT = 1e-6
# Intrinsics in float32 that differ by so little are the same.
_SAME = 1e-5


def is_straight(rotation: Float[Tensor, "3 3"]) -> bool:
    """Whether a virtual camera looks as the real one does.

    Example:
        >>> is_straight(torch.eye(3))
        True
    """
    return bool((rotation - torch.eye(3, dtype=rotation.dtype, device=rotation.device)).abs().max() < _STRAIGHT)


def rescale(
    image: Float[Tensor, "channels height width"],
    intrinsics_in: Float[Tensor, "3 3"],
    intrinsics_out: Float[Tensor, "3 3"],
    size: int,
    supersample: int = 1,
) -> Float[Tensor, "channels {size} {size}"]:
    """A picture seen through other intrinsics, bilinear, zero outside the input.

    Args:
        image: channels that are one and the same in memory (an expanded grey picture) are computed once.
        intrinsics_in: of the picture.
        intrinsics_out: of the result.
        size: of the result, pixels.
        supersample: sampled points per output pixel along each axis, averaged.

    Example:
        >>> K = torch.tensor([[10.0, 0, 1], [0, 10, 1], [0, 0, 1]])
        >>> picture = torch.arange(9.0).view(1, 3, 3)
        >>> bool((rescale(picture, K, K, 3) == picture).all())
        True
    """
    height, width = image.shape[-2:]
    (fx, _, cx), (_, fy, cy), _ = intrinsics_in.tolist()
    (gx, _, dx), (_, gy, dy), _ = intrinsics_out.tolist()
    result = image[:1] if image.stride(0) == 0 else image
    if not (height == size and abs(fy / gy - 1) < _SAME and abs(cy - dy) < _SAME and supersample == 1):
        result = sampling_weights(height, size, fy / gy, cy, dy, supersample).to(image) @ result
    if not (width == size and abs(fx / gx - 1) < _SAME and abs(cx - dx) < _SAME and supersample == 1):
        result = result @ sampling_weights(width, size, fx / gx, cx, dx, supersample).to(image).mT
    return result.expand(len(image), -1, -1)


@functools.lru_cache(maxsize=64)
def sampling_weights(
    count_in: int, count_out: int, scale: float, centre_in: float, centre_out: float, supersample: int
) -> Float[Tensor, "{count_out} {count_in}"]:
    """The matrix from input pixels to output pixels along one axis.

    Example:
        >>> sampling_weights(4, 2, 2.0, 1.5, 0.5, 2)
        tensor([[0.5000, 0.5000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    steps = (torch.arange(count_out * supersample, dtype=torch.float64) + 0.5) / supersample - 0.5
    position = scale * (steps - centre_out) + centre_in
    left = position.floor()
    weights = torch.zeros(count_out * supersample, count_in, dtype=torch.float64)
    for pixel, weight in ((left, 1 - (position - left)), (left + 1, position - left)):
        inside = (pixel >= 0) & (pixel < count_in)
        rows = inside.nonzero().flatten()
        weights[rows, pixel[rows].long()] += weight[rows]
    return weights.unflatten(0, (count_out, supersample)).mean(1).float()
