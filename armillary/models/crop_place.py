r"""Where an object is, in words that a crop can tell: its place in the crop, and its distance by its apparent size.

A crop of s x s pixels with focal length f shows tangents up to :math:`w = s / 2f`. An object of radius r at
:math:`t = (x, y, z)` in the crop's camera is at

.. math:: p = \frac{2 u + 1}{s} - 1,\quad u \propto K t, \qquad q = \log \frac{z w}{r}

p is -1 and 1 at the crop's sides, and e^-q the object's radius in half widths of the crop. The same pixels give the
same (p, q) whatever the camera and the distance; with K they give metres.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def place_in_crop(
    translation: Float[Tensor, "batch 3"], intrinsics: Float[Tensor, "batch 3 3"], size: int, radius: float
) -> Float[Tensor, "batch 3"]:
    """(p, q) of positions in front of the crop's camera.

    Args:
        translation: in the crop's camera, metres.
        intrinsics: of the crop.
        size: of the crop, pixels.
        radius: of the object, metres.

    Example:
        >>> K = torch.tensor([[[50.0, 0, 49.5], [0, 50, 49.5], [0, 0, 1]]])
        >>> place_in_crop(torch.tensor([[1.0, 0, 2]]), K, 100, 2.0)
        tensor([[0.5000, 0.0000, 0.0000]])
    """
    seen = (intrinsics @ translation[..., None])[..., 0]
    pixels = seen[:, :2] / seen[:, 2:]
    distance = (seen[:, 2] * half_width(intrinsics, size) / radius).log()
    return torch.cat([(2 * pixels + 1) / size - 1, distance[:, None]], -1)


def translation_of_place(
    place: Float[Tensor, "batch 3"], intrinsics: Float[Tensor, "batch 3 3"], size: int, radius: float
) -> Float[Tensor, "batch 3"]:
    """The inverse of `place_in_crop`.

    Example:
        >>> K = torch.tensor([[[50.0, 0, 49.5], [0, 50, 49.5], [0, 0, 1]]])
        >>> translation_of_place(torch.tensor([[0.5, 0, 0]]), K, 100, 2.0).round(decimals=4)
        tensor([[1., 0., 2.]])
    """
    pixels = ((place[:, :2] + 1) * size - 1) / 2
    depth = place[:, 2].exp() * radius / half_width(intrinsics, size)
    rays = torch.linalg.inv(intrinsics) @ torch.cat([pixels, torch.ones_like(depth)[:, None]], -1)[..., None]
    return depth[:, None] * rays[..., 0]


def place_jacobian(
    place: Float[Tensor, "batch 3"], intrinsics: Float[Tensor, "batch 3 3"], size: int, radius: float
) -> Float[Tensor, "batch 3 3"]:
    r"""Derivative of the position: :math:`\partial t / \partial p = z s / 2 \, K^{-1}_{:, :2}`, and t itself for q."""
    translation = translation_of_place(place, intrinsics, size, radius)
    across = torch.linalg.inv(intrinsics)[:, :, :2] * (translation[:, 2] * size / 2)[:, None, None]
    return torch.cat([across, translation[..., None]], -1)


def half_width(intrinsics: Float[Tensor, "batch 3 3"], size: int) -> Float[Tensor, " batch"]:
    """Tangent of the angle between a crop's middle and its side; of unequal focal lengths the geometric mean."""
    return size / 2 / (intrinsics[:, 0, 0] * intrinsics[:, 1, 1]).sqrt()
