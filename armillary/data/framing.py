"""Where the object is: bounding spheres of categories, found from models, masks, plain backgrounds or cameras.

A crop needs the object's centre and size. Where a data set does not state them (BOP's models_info.json does), they are
estimated in the object frame from all views of a category, best source first:

1. masks given by the data set, or cut out where the background is plain (its border one colour);
2. the cameras alone: photographers point at the object, so its centre is where the optical axes meet, and its radius is
   what fills the shorter side of the picture at that distance.

A ray per view (the axis of the mask's smallest cone, or the optical axis) and robust least squares give the centre.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.data.camera import intrinsics_from_focal, pixel_rays
from armillary.data.sample import DatasetInfo, Reader, Sample
from armillary.data.virtual_camera import VirtualCamera, aim, aim_at_box, aim_at_pixel, aim_at_sphere, covering_cone

# Views looked at per category: the centre's error falls with their square root, decoding time grows with them.
_VIEWS_PER_CATEGORY = 150
# A data set with no intrinsics is taken as pictures through a long lens: this many picture widths of focal length,
# so that moving such a crop hardly turns its label.
_UNKNOWN_FOCAL = 10.0
# The border's colours may differ by this much (of 1) for a background to be plain; the object must differ by more.
_PLAIN = 0.12


@dataclass(frozen=True)
class _View:
    """One ray to the object and its angular radius, in the object frame."""

    origin: Float[Tensor, "3"]
    direction: Float[Tensor, "3"]
    angle: float
    masked: bool


def known_intrinsics(sample: Sample) -> Float[Tensor, "3 3"]:
    """The sample's intrinsics, or those of a long lens where the data set states none.

    Example:
        >>> known_intrinsics(Sample(torch.zeros(3, 8, 16), torch.eye(3)))[0, 0]
        tensor(160.)
    """
    if sample.intrinsics is not None:
        return sample.intrinsics
    height, width = sample.image.shape[-2:]
    return intrinsics_from_focal(_UNKNOWN_FOCAL * max(height, width), width, height)


def frame(sample: Sample, info: DatasetInfo, size: int, margin: float) -> VirtualCamera:
    """The virtual camera (a batch of one) that frames a sample's object with a margin.

    It aims at the sample's box where it has one; else at the category's bounding sphere where that, the translation
    and the intrinsics are known; else at the mask; else it shows the whole picture. `margin` is half the crop's width
    over the object's outline, over the box, or over half the picture's longer side.
    """
    intrinsics = known_intrinsics(sample)
    if sample.box is not None:
        return aim_at_box(sample.box[None], intrinsics[None], size, margin)
    sphere_known = info.centres is not None and info.radii is not None and bool(info.radii[sample.category] > 0)
    if sphere_known and sample.translation is not None and sample.intrinsics is not None:
        assert info.centres is not None and info.radii is not None
        centre = sample.rotation @ info.centres[sample.category] + sample.translation
        return aim_at_sphere(centre[None], info.radii[sample.category][None], size, margin)
    if sample.mask is not None and bool(sample.mask.any()):
        axis, angle = covering_cone(pixel_rays(_outline(sample.mask), intrinsics))
        return aim(axis[None], torch.tensor([size / 2 / (margin * math.tan(angle))]), size)
    height, width = sample.image.shape[-2:]
    if sample.intrinsics is None:
        return _whole_picture(height, width, size, margin)
    return _aim_at_middle(intrinsics, height, width, size, margin)


# Whole data sets without cameras have pictures of one size.
@functools.lru_cache(maxsize=8)
def _whole_picture(height: int, width: int, size: int, margin: float) -> VirtualCamera:
    intrinsics = intrinsics_from_focal(_UNKNOWN_FOCAL * max(height, width), width, height)
    return _aim_at_middle(intrinsics, height, width, size, margin)


def _aim_at_middle(
    intrinsics: Float[Tensor, "3 3"], height: int, width: int, size: int, margin: float
) -> VirtualCamera:
    middle = torch.tensor([[(width - 1) / 2, (height - 1) / 2]])
    focal = intrinsics[0, 0] * size / (margin * max(height, width))
    return aim_at_pixel(middle, intrinsics[None], focal[None], size)


def estimate_spheres(reader: Reader) -> DatasetInfo:
    """The reader's info with a bounding sphere for every category that can be located (radius 0 where none can)."""
    info = reader.info
    chosen: dict[int, list[_View]] = {category: [] for category in range(len(info.categories))}
    stride = max(1, len(reader) // (_VIEWS_PER_CATEGORY * len(info.categories)))
    for index in range(0, len(reader), stride):
        sample = reader[index]
        if len(chosen[sample.category]) < 2 * _VIEWS_PER_CATEGORY:
            view = _view(sample)
            if view is not None:
                chosen[sample.category].append(view)
    spheres = [_sphere(views) for views in chosen.values()]
    if all(radius == 0 for _, radius in spheres):
        return info
    centres = torch.stack([centre for centre, _ in spheres])
    return replace(info, centres=centres, radii=torch.tensor([radius for _, radius in spheres]))


def plain_background_mask(image: Float[Tensor, "3 height width"]) -> Bool[Tensor, "height width"] | None:
    """The largest thing that differs from a plain background, or None where the background is not plain.

    Example:
        >>> picture = torch.zeros(3, 32, 32)
        >>> picture[:, 8:20, 10:20] = 1
        >>> plain_background_mask(picture).sum()
        tensor(120)
    """
    from scipy import ndimage

    border = torch.cat([image[:, :2].flatten(1), image[:, -2:].flatten(1), image[:, :, 0], image[:, :, -1]], 1)
    colour = border.median(1).values[:, None]
    if ((border - colour).abs().amax(0) < _PLAIN).float().mean() < 0.85:
        return None
    different = (image - colour[..., None]).abs().amax(0) > _PLAIN
    if not bool(different.any()):
        return None
    labelled: Any = ndimage.label(different.numpy())
    regions = torch.from_numpy(labelled[0])
    largest = regions == torch.bincount(regions.flatten())[1:].argmax() + 1
    share = largest.float().mean().item()
    return largest if 0.01 < share < 0.9 else None


def _view(sample: Sample) -> _View | None:
    """The ray to the object: through its mask where there is one, else along the optical axis."""
    if sample.translation is None or sample.intrinsics is None:
        return None
    mask = sample.mask if sample.mask is not None else plain_background_mask(sample.image)
    masked = mask is not None and bool(mask.any())
    if masked:
        assert mask is not None
        axis, angle = covering_cone(pixel_rays(_outline(mask), sample.intrinsics))
    else:
        axis = torch.tensor([0.0, 0.0, 1.0])
        angle = math.atan(min(sample.image.shape[-2:]) / 2 / sample.intrinsics[0, 0].item())
    inverse = sample.rotation.T.double()
    return _View(-inverse @ sample.translation.double(), inverse @ axis.double(), angle, masked)


def _sphere(views: list[_View]) -> tuple[Float[Tensor, "3"], float]:
    """Centre where the rays meet, radius from the cones; radius 0 where the views cannot tell."""
    with_mask = [view for view in views if view.masked]
    # A mixture would bias the centre: use masks if most views have one, else all optical axes.
    if len(with_mask) >= 0.7 * len(views):
        views = with_mask
    else:
        views = [view for view in views if not view.masked] or views
    nothing = (torch.zeros(3), 0.0)
    if len(views) < 2:
        return nothing
    origins = torch.stack([view.origin for view in views])
    directions = torch.stack([view.direction for view in views])
    centre = _intersection(origins, directions)
    if centre is None:
        return nothing
    distance = torch.linalg.vector_norm(origins - centre, dim=-1)
    sines = torch.tensor([math.sin(view.angle) for view in views], dtype=distance.dtype)
    # A mask's cone lies about its own axis, so the largest cones bound the object (the top 5 % may be faulty masks);
    # a picture's half width says what the photographer meant to show, for which the median is typical.
    return centre.float(), (distance * sines).quantile(0.95 if views[0].masked else 0.5).item()


def _intersection(origins: Float[Tensor, "views 3"], directions: Float[Tensor, "views 3"]) -> Float[Tensor, "3"] | None:
    r"""Point nearest to all lines, :math:`\min_c \sum_i w_i \lVert (I - d_i d_i^T)(c - o_i) \rVert^2`, Cauchy weights.

    None if the lines are all but parallel (the depth is then undetermined).
    """
    across = torch.eye(3, dtype=origins.dtype) - directions[:, :, None] * directions[:, None, :]
    weights = torch.ones(len(origins), dtype=origins.dtype)
    centre = origins.mean(0)
    for _ in range(20):
        matrix = (weights[:, None, None] * across).sum(0)
        values = torch.linalg.eigvalsh(matrix)
        # Lines within about 3 degrees of one another: sin(3 deg)^2 = 0.003.
        if values[0] < 0.003 * values[-1]:
            return None
        target = (weights[:, None, None] * across @ origins[:, :, None]).sum(0)
        centre = torch.linalg.solve(matrix, target)[:, 0]
        residual = torch.linalg.vector_norm((across @ (centre - origins)[:, :, None])[..., 0], dim=-1)
        weights = 1 / (1 + (residual / residual.median().clamp_min(1e-9)) ** 2)
    return centre


def _outline(mask: Bool[Tensor, "height width"]) -> Float[Tensor, "points 2"]:
    """Pixels (u, v) that hold the mask's convex hull: the first and last of every row."""
    rows = mask.any(1).nonzero().flatten()
    inside = mask[rows].int()
    first = inside.argmax(1)
    last = mask.shape[1] - 1 - inside.flip(1).argmax(1)
    return torch.stack([torch.cat([first, last]), torch.cat([rows, rows])], -1).float()
