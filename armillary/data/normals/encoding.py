"""Normals as pictures, in the code of the Spherical Regression data: 8 or 16 bits a channel, and its camera frame.

The published frame has x right, y up and z away from the camera, so that surfaces have z <= 0; ours (OpenCV) has y
down. A PNG's channels red, green, blue hold (x, z, y) of it: OpenCV's (n_x, n_z, -n_y). In arrays of the same
order (`NormalNpz`) the numbers are kept as they are; in a picture of b bits a channel is

    v = (n + 1) 2^(b-1),        n = v / 2^(b-1) - 1

rounded to the nearest whole number and held below 2^b: n = 1 is stored as 2^b - 1, where the original wraps to 0.

Reference: Spherical Regression (Liao, Gavves and Snoek, CVPR 2019), https://github.com/leoshine/Spherical_Regression
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

Bits = Literal[8, 16]


def stored_order(normals: Float[Tensor, "3 *pixels"]) -> Float[Tensor, "3 *pixels"]:
    """Channels (x, z, y up) of normals in OpenCV's frame.

    Example:
        >>> stored_order(torch.tensor([0.1, 0.2, -0.9]))
        tensor([ 0.1000, -0.9000, -0.2000])
    """
    # + 0.0 turns -0.0 into 0.0.
    return torch.stack([normals[0], normals[2], -normals[1] + 0.0])


def camera_order(stored: Float[Tensor, "3 *pixels"]) -> Float[Tensor, "3 *pixels"]:
    """Normals in OpenCV's frame of channels (x, z, y up): the inverse of `stored_order`.

    Example:
        >>> camera_order(torch.tensor([0.1, -0.9, -0.2]))
        tensor([ 0.1000,  0.2000, -0.9000])
    """
    return torch.stack([stored[0], -stored[2] + 0.0, stored[1]])


def encode_normals(normals: Float[Tensor, "3 height width"], bits: Bits = 16) -> Shaped[np.ndarray, "height width 3"]:
    """Red, green, blue of normals in OpenCV's frame, as uint8 or uint16; no normal (0) is the middle grey.

    Example:
        >>> encode_normals(torch.tensor([1.0, 0.0, -1.0])[:, None, None], 8)[0, 0].tolist()
        [255, 0, 128]
    """
    half, kind = _code(bits)
    channels = stored_order(normals.detach().cpu().double()).permute(1, 2, 0).numpy()
    return np.clip(np.round((channels + 1) * half), 0, 2 * half - 1).astype(kind)


def decode_normals(picture: Shaped[np.ndarray, "height width 3"]) -> Float[Tensor, "3 height width"]:
    """Vectors in OpenCV's frame of a stored picture, as stored: neither unit nor facing the camera yet.

    Example:
        >>> decode_normals(np.array([[[255, 0, 128]]], dtype=np.uint8))[:, 0, 0].tolist()
        [0.9921875, 0.0, -1.0]
    """
    if picture.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected normals of 8 or 16 bits, got {picture.dtype}; store them as uint8 or uint16")
    half, _ = _code(8 if picture.dtype == np.uint8 else 16)
    channels = torch.from_numpy(picture.astype(np.float32) / half - 1)
    return camera_order(channels.permute(2, 0, 1))


def _code(bits: Bits) -> tuple[int, type]:
    if bits not in (8, 16):
        raise ValueError(f"expected 8 or 16 bits, got {bits}; take 16")
    return 1 << (bits - 1), np.uint8 if bits == 8 else np.uint16
