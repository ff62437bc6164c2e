r"""Crops as rotations of the camera, so that the label can follow the picture exactly.

A crop cut from the side of a picture shows the object as no centred camera would see it; the label no longer
fits the pixels. Here a crop is the picture of a *virtual camera* at the same place, turned so that the object sits on
its optical axis. Pixels of the two pictures are related by a homography and the pose by the turn:

.. math:: u_{in} \propto K\, R_{virt,cam}^T K_{virt}^{-1}\, u_{out}, \qquad
    R_{virt,obj} = R_{virt,cam} R_{cam,obj}, \qquad t_{virt} = R_{virt,cam}\, t

An in-plane turn of the picture by angle a is ``rotation_z(a)`` from the left; a zoom is a longer focal length.
Nothing here has parameters or needs gradients; every function takes a batch and runs on any device.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from armillary.data.camera import pixel_rays
from armillary.so3 import rotation_z

# Steps of the minimum-cone iteration: its angle is then within about 1/200 of the optimum.
_CONE_STEPS = 200


@dataclass(frozen=True)
class VirtualCamera:
    """A batch of square pictures to be taken from where a batch of real cameras stood.

    Example:
        >>> camera = aim(torch.tensor([[0.1, 0.0, 1.0]]), focal=torch.tensor([100.0]), size=32)
        >>> camera.turn(torch.eye(3)[None]).shape
        torch.Size([1, 3, 3])
    """

    # R_virtual_cam: camera coordinates to virtual camera coordinates.
    rotation: Float[Tensor, "batch 3 3"]
    intrinsics: Float[Tensor, "batch 3 3"]
    # Width and height in pixels.
    size: int

    def turn(self, rotations: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 3 3"]:
        """The label in the virtual camera: R_virtual_obj = R_virtual_cam R_cam_obj."""
        return self.rotation @ rotations

    def turn_translations(self, translations: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3"]:
        """The object's origin in the virtual camera: t_virtual = R_virtual_cam t."""
        return (self.rotation @ translations[..., None])[..., 0]

    def look(
        self,
        images: Shaped[Tensor, "batch channels height width"],
        intrinsics: Float[Tensor, "batch 3 3"],
        supersample: int = 1,
    ) -> Float[Tensor, "batch channels {self.size} {self.size}"]:
        """What the virtual cameras see of the real cameras' pictures; black where those saw nothing.

        Args:
            images: uint8 (0 to 255, scaled to [0, 1]) or float pictures.
            intrinsics: of the real cameras.
            supersample: sampled points per output pixel along each axis; take about the factor of reduction.
        """
        return resample(images, homography(self.rotation, intrinsics, self.intrinsics), self.size, supersample)


def rotation_to_axis(direction: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""Smallest rotation taking `direction` to the optical axis (0, 0, 1).

    With d the unit direction: :math:`R = I + [v]_\times + [v]_\times^2 / (1 + d_z)`, where :math:`v = d \times e_z`.
    A direction straight behind the camera has no smallest rotation (the result is not finite); no camera sees it.

    Example:
        >>> direction = torch.tensor([0.6, 0.0, 0.8])
        >>> (rotation_to_axis(direction) @ direction).round().abs()
        tensor([0., 0., 1.])
    """
    x, y, z = functional.normalize(direction, dim=-1).unbind(-1)
    factor = 1 / (1 + z)
    rows = [1 - x * x * factor, -x * y * factor, -x, -x * y * factor, 1 - y * y * factor, -y, x, y, z]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def square_intrinsics(focal: Float[Tensor, " batch"], size: int) -> Float[Tensor, "batch 3 3"]:
    """Pinhole matrices of centred square pictures.

    Example:
        >>> square_intrinsics(torch.tensor([50.0]), 3)[0, 0].tolist()
        [50.0, 0.0, 1.0]
    """
    intrinsics = torch.eye(3, dtype=focal.dtype, device=focal.device).repeat(len(focal), 1, 1)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, :2, 2] = (size - 1) / 2
    return intrinsics


def aim(
    direction: Float[Tensor, "batch 3"],
    focal: Float[Tensor, " batch"],
    size: int,
    turn: Float[Tensor, " batch"] | None = None,
) -> VirtualCamera:
    """Virtual cameras with `direction` (camera frame: an object's centre, a ray) on the optical axis.

    Args:
        direction: need not be a unit vector.
        focal: focal lengths in pixels.
        size: of the picture, pixels.
        turn: angle by which the picture is turned about its centre, radians.

    Example:
        >>> aim(torch.tensor([[0.0, 0, 1]]), torch.tensor([50.0]), 32).rotation[0].diagonal()
        tensor([1., 1., 1.])
    """
    rotation = rotation_to_axis(direction)
    if turn is not None:
        rotation = rotation_z(turn) @ rotation
    return VirtualCamera(rotation, square_intrinsics(focal, size), size)


def aim_at_sphere(
    centre: Float[Tensor, "batch 3"], radius: Float[Tensor, " batch"], size: int, margin: float = 1.0
) -> VirtualCamera:
    r"""Virtual cameras framing spheres: the picture's half width is `margin` times the sphere's outline.

    The outline of a sphere at distance d is the cone of half angle :math:`\sin a = r / d`.

    Args:
        centre: of each sphere in the camera frame, metres.
        radius: of each sphere, metres.
        size: of the picture, pixels.
        margin: 1 makes the outline touch the picture's sides.

    Example:
        >>> aim_at_sphere(torch.tensor([[0.0, 0, 2]]), torch.tensor([0.2]), 64).intrinsics[0, 0, 0].round()
        tensor(318.)
    """
    sine = (radius / torch.linalg.vector_norm(centre, dim=-1)).clamp(max=0.99)
    tangent = sine / torch.sqrt(1 - sine**2)
    return aim(centre, size / 2 / (margin * tangent), size)


def aim_at_pixel(
    pixel: Float[Tensor, "batch 2"], intrinsics: Float[Tensor, "batch 3 3"], focal: Float[Tensor, " batch"], size: int
) -> VirtualCamera:
    """Virtual cameras with an image point on the optical axis.

    Example:
        >>> K = square_intrinsics(torch.tensor([100.0]), 65)
        >>> aim_at_pixel(torch.tensor([[32.0, 32.0]]), K, torch.tensor([200.0]), 64).rotation[0].diagonal()
        tensor([1., 1., 1.])
    """
    return aim(pixel_rays(pixel[:, None], intrinsics)[:, 0], focal, size)


def aim_at_box(
    box: Float[Tensor, "batch 4"],
    intrinsics: Float[Tensor, "batch 3 3"],
    size: int,
    margin: float = 1.0,
    turn: Float[Tensor, " batch"] | None = None,
) -> VirtualCamera:
    r"""Virtual cameras on the axis of the smallest cone about a box's corners, in the smallest square that holds them.

    After the turn about the axis the corners are at :math:`(x_i, y_i, 1)`; the picture's half width is `margin` times
    the largest of all :math:`|x_i|, |y_i|`.

    Args:
        box: left, top, right, bottom in the real cameras' pictures, pixels.
        intrinsics: of the real cameras.
        size: of the picture, pixels.
        margin: 1 makes a corner touch the picture's side.
        turn: angle by which the picture is turned about its centre, radians.

    Example:
        >>> K = square_intrinsics(torch.tensor([100.0]), 65)
        >>> camera = aim_at_box(torch.tensor([[22.0, 12.0, 42.0, 52.0]]), K, 64)
        >>> camera.rotation[0].diagonal(), camera.intrinsics[0, 0, 0].round()
        (tensor([1., 1., 1.]), tensor(160.))
    """
    corners = box[:, [0, 1, 0, 3, 2, 1, 2, 3]].unflatten(1, (4, 2))
    rays = pixel_rays(corners, intrinsics)
    rotation = rotation_to_axis(smallest_cone(rays))
    if turn is not None:
        rotation = rotation_z(turn) @ rotation
    seen = rays @ rotation.mT
    half_width = (seen[..., :2] / seen[..., 2:]).abs().amax((1, 2))
    return VirtualCamera(rotation, square_intrinsics(size / 2 / (margin * half_width), size), size)


def smallest_cone(rays: Float[Tensor, "batch rays 3"]) -> Float[Tensor, "batch 3"]:
    """Axes of the smallest cones that hold all of a few rays, exactly.

    Two or three rays on its surface determine it, so that one of their cones is the one; of those, the one whose
    farthest ray is nearest. Work grows with the cube of the number of rays; `covering_cone` takes thousands.

    Example:
        >>> smallest_cone(torch.tensor([[[0.6, 0.0, 0.8], [-0.6, 0.0, 0.8], [0.0, 0.1, 1.0]]]))
        tensor([[0., 0., 1.]])
    """
    unit = functional.normalize(rays, dim=-1)
    pairs = torch.tensor([*combinations(range(rays.shape[1]), 2)], device=rays.device).reshape(-1, 2)
    triples = torch.tensor([*combinations(range(rays.shape[1]), 3)], device=rays.device).reshape(-1, 3)
    first, second, third = (unit[:, triples[:, place]] for place in range(3))
    # Equally far from three rays: the normal of the plane through their tips, on the side where they are.
    normal = torch.linalg.cross(second - first, third - first)
    normal = normal * (normal * unit.mean(1, keepdim=True)).sum(-1, keepdim=True).sign()
    axes = functional.normalize(torch.cat([unit[:, pairs].sum(2), normal], 1), dim=-1)
    farthest = (axes @ unit.mT).amin(-1)
    return axes.take_along_dim(farthest.argmax(1)[:, None, None], 1)[:, 0]


def covering_cone(rays: Float[Tensor, "points 3"]) -> tuple[Float[Tensor, "3"], float]:
    """Axis and half angle (radians) of the smallest cone that holds all rays (of a mask, or of a box's corners).

    Reference: Smaller core-sets for balls (Badoiu and Clarkson, 2003), section 3: step towards the farthest point.

    Example:
        >>> axis, angle = covering_cone(torch.tensor([[0.6, 0.0, 0.8], [-0.6, 0.0, 0.8], [0.0, 0.1, 1.0]]))
        >>> axis.round().abs(), round(math.degrees(angle))
        (tensor([0., 0., 1.]), 37)
    """
    unit = functional.normalize(rays, dim=-1)
    axis = functional.normalize(unit.mean(0), dim=0)
    for step in range(1, _CONE_STEPS + 1):
        farthest = unit[(unit @ axis).argmin()]
        axis = functional.normalize(axis + (farthest - axis) / (step + 1), dim=0)
    return axis, math.acos(min(1.0, max(-1.0, (unit @ axis).min().item())))


def homography(
    rotation: Float[Tensor, "batch 3 3"],
    intrinsics_in: Float[Tensor, "batch 3 3"],
    intrinsics_out: Float[Tensor, "batch 3 3"],
) -> Float[Tensor, "batch 3 3"]:
    r"""The map from output pixels to input pixels, :math:`K_{in} R_{virt,cam}^T K_{out}^{-1}`.

    Example:
        >>> K = square_intrinsics(torch.tensor([50.0]), 33)
        >>> homography(torch.eye(3)[None], K, K)[0].diagonal()
        tensor([1., 1., 1.])
    """
    return intrinsics_in @ rotation.mT @ torch.linalg.inv(intrinsics_out)


def resample(
    images: Shaped[Tensor, "batch channels height width"],
    pixel_map: Float[Tensor, "batch 3 3"],
    size: int,
    supersample: int = 1,
) -> Float[Tensor, "batch channels {size} {size}"]:
    """Pictures under a homography from output to input pixels, bilinear, zero outside the input.

    Args:
        images: uint8 (scaled to [0, 1]) or float.
        pixel_map: takes output pixels (u, v, 1) to input pixels.
        size: of the output, pixels.
        supersample: sampled points per output pixel along each axis, averaged (against aliasing).

    Example:
        >>> picture = torch.arange(9.0).view(1, 1, 3, 3)
        >>> bool((resample(picture, torch.eye(3)[None], 3) == picture).all())
        True
    """
    height, width = images.shape[-2:]
    source = images.float() if images.dtype == torch.uint8 else images
    grid = _sampling_grid(pixel_map, size * supersample, supersample, width, height).to(source.dtype)
    sampled = functional.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    sampled = functional.avg_pool2d(sampled, supersample) if supersample > 1 else sampled
    return sampled.div_(255) if images.dtype == torch.uint8 else sampled


def _sampling_grid(
    pixel_map: Float[Tensor, "batch 3 3"], count: int, supersample: int, width: int, height: int
) -> Float[Tensor, "batch {count} {count} 2"]:
    """Input positions of the output's samples in `grid_sample`'s units: -1 to 1 from edge to edge."""
    # grid_sample's x is (2 u + 1) / width - 1 for our pixel coordinate u.
    to_unit = pixel_map.new_tensor([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])
    steps = (torch.arange(count, dtype=pixel_map.dtype, device=pixel_map.device) + 0.5) / supersample - 0.5
    matrix = to_unit @ pixel_map
    # x, y and the homogeneous coordinate are each an outer sum over output columns and rows.
    across = matrix[:, :, 0, None] * steps + matrix[:, :, 2, None]
    down = matrix[:, :, 1, None] * steps
    x, y, depth = (across[:, row, None, :] + down[:, row, :, None] for row in range(3))
    # Rays behind the virtual camera (depth <= 0) must not fold back into the picture: they go far outside.
    depth = depth.clamp_min_(1e-4)
    return torch.stack([x.div_(depth), y.div_(depth)], -1)
