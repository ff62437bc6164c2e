"""Pinhole cameras: projection, viewing directions, and intrinsics under crop and resize.

OpenCV axes (x right, y down, z forward); pixel coordinates put the centre of the top-left pixel at (0, 0), so a
picture of width w covers u in [-1/2, w - 1/2].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def project(
    points: Float[Tensor, "*#batch points 3"],
    rotation: Float[Tensor, "*#batch 3 3"],
    translation: Float[Tensor, "*#batch 3"],
    intrinsics: Float[Tensor, "*#batch 3 3"],
) -> Float[Tensor, "*batch points 2"]:
    r"""Pixel coordinates of object points: :math:`(u, v, 1) \propto K (R x + t)`.

    Example:
        >>> K = torch.tensor([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
        >>> project(torch.tensor([[0.1, 0.0, 0.0]]), torch.eye(3), torch.tensor([0.0, 0, 2]), K)
        tensor([[37., 24.]])
    """
    in_camera = points @ rotation.mT + translation[..., None, :]
    pixels = in_camera @ intrinsics.mT
    return pixels[..., :2] / pixels[..., 2:]


def unproject(
    pixels: Float[Tensor, "*#batch points 2"],
    depth: Float[Tensor, "*#batch points"],
    intrinsics: Float[Tensor, "*#batch 3 3"],
) -> Float[Tensor, "*batch points 3"]:
    r"""Camera coordinates (metres) of pixels with known depth z: :math:`x = z K^{-1} (u, v, 1)`.

    Example:
        >>> K = torch.tensor([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
        >>> unproject(torch.tensor([[37.0, 24.0]]), torch.tensor([2.0]), K)
        tensor([[0.1000, 0.0000, 2.0000]])
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    return homogeneous @ torch.linalg.inv(intrinsics).mT * depth[..., None]


def pixel_rays(
    pixels: Float[Tensor, "*#batch points 2"], intrinsics: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*batch points 3"]:
    """Unit viewing directions of pixels, in the camera frame.

    Example:
        >>> pixel_rays(torch.tensor([[32.0, 24.0]]), torch.tensor([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]))
        tensor([[0., 0., 1.]])
    """
    rays = unproject(pixels, torch.ones_like(pixels[..., 0]), intrinsics)
    return rays / torch.linalg.vector_norm(rays, dim=-1, keepdim=True)


def look_at(
    eye: Float[Tensor, "*#batch 3"], target: Float[Tensor, "*#batch 3"], up: Float[Tensor, "3"]
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Pose (R_cam_obj, t) of a camera at `eye` whose optical axis meets `target`, with `up` upward in the picture.

    Example:
        >>> R, t = look_at(torch.tensor([0.0, -2, 0]), torch.zeros(3), torch.tensor([0.0, 0, 1]))
        >>> R.round().int().tolist(), t.tolist()
        ([[1, 0, 0], [0, 0, -1], [0, 1, 0]], [0.0, 0.0, 2.0])
    """
    forward = torch.nn.functional.normalize(target - eye, dim=-1)
    right = torch.linalg.cross(forward, up.expand_as(forward), dim=-1)
    length = torch.linalg.vector_norm(right, dim=-1, keepdim=True)
    # Looking along `up` leaves the picture's right undetermined: take any direction across the view.
    spare = torch.eye(3, dtype=eye.dtype, device=eye.device)[forward.abs().argmin(-1)]
    right = torch.where(length > 1e-6, right, torch.linalg.cross(forward, spare, dim=-1))
    right = torch.nn.functional.normalize(right, dim=-1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right, dim=-1), forward], -2)
    # + 0.0 turns -0.0 into 0.0.
    return rotation, -(rotation @ eye[..., None])[..., 0] + 0.0


def intrinsics_from_fov(fov: float, width: int, height: int | None = None) -> Float[Tensor, "3 3"]:
    r"""Pinhole matrix of a centred camera whose picture is `fov` radians wide: :math:`f = w / (2 \tan(fov / 2))`.

    Example:
        >>> intrinsics_from_fov(math.pi / 2, 64)
        tensor([[32.0000,  0.0000, 31.5000],
                [ 0.0000, 32.0000, 31.5000],
                [ 0.0000,  0.0000,  1.0000]])
    """
    return intrinsics_from_focal(width / 2 / math.tan(fov / 2), width, height)


def intrinsics_from_focal(focal: float, width: int, height: int | None = None) -> Float[Tensor, "3 3"]:
    """Pinhole matrix of a centred camera with a focal length in pixels.

    Example:
        >>> intrinsics_from_focal(100.0, 64, 48)[0].tolist()
        [100.0, 0.0, 31.5]
    """
    height = width if height is None else height
    return torch.tensor([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def crop_intrinsics(intrinsics: Float[Tensor, "*batch 3 3"], left: float, top: float) -> Float[Tensor, "*batch 3 3"]:
    """Intrinsics of the picture cut so that pixel (left, top) becomes pixel (0, 0).

    Example:
        >>> crop_intrinsics(intrinsics_from_focal(100.0, 64), 10.0, 0.0)[0].tolist()
        [100.0, 0.0, 21.5]
    """
    shift = torch.zeros_like(intrinsics)
    shift[..., 0, 2], shift[..., 1, 2] = left, top
    return intrinsics - shift


def resize_intrinsics(intrinsics: Float[Tensor, "*batch 3 3"], scale: float) -> Float[Tensor, "*batch 3 3"]:
    r"""Intrinsics of the picture enlarged by `scale`: :math:`f' = s f,\; c' = s (c + 1/2) - 1/2`.

    Example:
        >>> resize_intrinsics(intrinsics_from_focal(100.0, 64), 0.5)[0].tolist()
        [50.0, 0.0, 15.5]
    """
    resized = intrinsics.clone()
    resized[..., :2, :] *= scale
    resized[..., :2, 2] += (scale - 1) / 2
    return resized
