"""Whether poses place the object where the pictures show it: a mesh's points, projected, against the masks.

A rotation read in a wrong convention is a rotation still, and no rule of form finds it. The picture does: of the usual
mistakes (the quaternion's scalar taken for its last number or its first, the rotation from camera to object) the one
that fits is named. An object that looks alike in all of them passes, and so it may.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.data.camera import project
from armillary.data.evenly import evenly_chosen
from armillary.data.framing import plain_background_mask
from armillary.data.sample import Reader, Sample
from armillary.so3 import matrix_to_quat_wxyz, matrix_to_quat_xyzw, quat_wxyz_to_matrix, quat_xyzw_to_matrix

# Looked at: enough that the mean of the overlaps is known to a percent or two.
SAMPLES, POINTS = 24, 1000
# A point may lie this many pixels outside its mask: rounding of masks and of the outline.
SLACK = 2
# Read otherwise, so much more of the points must lie on the object to call the reading wrong.
MARGIN = 0.1

READINGS = {
    "as they stand": lambda rotation: rotation,
    "as quaternions whose scalar is last (x, y, z, w), not first": (
        lambda rotation: quat_xyzw_to_matrix(matrix_to_quat_wxyz(rotation))
    ),
    "as quaternions whose scalar is first (w, x, y, z), not last": (
        lambda rotation: quat_wxyz_to_matrix(matrix_to_quat_xyzw(rotation))
    ),
    "as rotations from the camera to the object": lambda rotation: rotation.mT,
}


def require_reprojection(reader: Reader, points: Float[Tensor, "points 3"], source: str) -> None:
    """ValueError if the poses of a reader fit its pictures in another reading of their rotations alone.

    Args:
        reader: of one object; samples without mask, translation or intrinsics are not looked at.
        points: on the object's surface, in the object frame.
        source: for the message.
    """
    chosen = evenly_chosen(len(reader), SAMPLES).tolist()
    few = points[:: -(-len(points) // POINTS)]
    shares = [share for share in (reading_shares(reader[index], few) for index in chosen) if share is not None]
    if not shares:
        return
    mean = torch.stack(shares).mean(0)
    best = int(mean.argmax())
    if mean[best] > mean[0] + MARGIN:
        raise ValueError(
            f"{source}: expected the object's points inside the masks, got {mean[0]:.0%} of them; {mean[best]:.0%} "
            f"with the rotations read {[*READINGS][best]}: correct the order or the direction"
        )


def reading_shares(sample: Sample, points: Float[Tensor, "points 3"]) -> Float[Tensor, " readings"] | None:
    """Part of the points that lies on the object in the picture, for each of `READINGS`; None without a camera or mask.

    Example:
        >>> reading_shares(Sample(torch.zeros(3, 8, 8), torch.eye(3)), torch.zeros(1, 3)) is None
        True
    """
    mask = sample.mask if sample.mask is not None else plain_background_mask(sample.image)
    if mask is None or sample.translation is None or sample.intrinsics is None or not bool(mask.any()):
        return None
    wide = torch.nn.functional.max_pool2d(mask[None, None].float(), 2 * SLACK + 1, 1, SLACK)[0, 0] > 0
    shares = []
    for reading in READINGS.values():
        pixels = project(points, reading(sample.rotation), sample.translation, sample.intrinsics)
        shares.append(_inside(pixels, wide).float().mean())
    return torch.stack(shares)


def _inside(pixels: Float[Tensor, "points 2"], mask: Bool[Tensor, "height width"]) -> Bool[Tensor, " points"]:
    height, width = mask.shape
    column, row = pixels.nan_to_num(-1.0, -1.0, -1.0).clamp(-1, max(width, height)).round().long().unbind(-1)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return seen & mask[row.clamp(0, height - 1), column.clamp(0, width - 1)]
