r"""The symmetry group that equivalent rotations make: which rotations take one of a view's labels to the others.

If the labels of a view are :math:`R_0 g_i` with the same :math:`g_i` in every view, they act on object coordinates and
the :math:`g_i` are the object's group. If they are :math:`g_i R_0`, they are the inverses of such labels.
"""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.so3 import SymmetryGroup, geodesic_distance, log, nearest_rotation

# On which side of a label its equivalents differ; "none" where they make no group.
MemberSide = Literal["right", "left", "none"]
# Labels in float32, and rounded by who made them.
_TOLERANCE = math.radians(0.5)
_LOOKED_FOR = 60


def member_group(members: Float[np.ndarray, "views members 3 3"], continuous: bool) -> tuple[SymmetryGroup, MemberSide]:
    """The group of a shape, and the side on which its members differ; trivial unless that is the right.

    Args:
        members: equivalent labels of some views.
        continuous: the members are steps about an axis of continuous symmetry.

    Example:
        >>> cube = SymmetryGroup.octahedral().discrete
        >>> views = torch.linalg.qr(torch.randn(2, 1, 3, 3, dtype=cube.dtype))[0]
        >>> views = views * torch.linalg.det(views)[..., None, None]
        >>> group, side = member_group((views @ cube).numpy(), continuous=False)
        >>> group.order, side
        (24, 'right')
    """
    labels = torch.from_numpy(members.astype(np.float64))
    if labels.shape[0] == 0 or labels.shape[1] == 1 or not bool(labels.isfinite().all()):
        return SymmetryGroup.trivial(), "none" if labels.shape[0] == 0 else "right"
    first = labels[:, :1]
    right, left = nearest_rotation(first.mT @ labels), nearest_rotation(labels @ first.mT)
    if not _same_sets(right):
        return SymmetryGroup.trivial(), "left" if len(labels) > 1 and _same_sets(left) else "none"
    return (_axial_group(right[0]) if continuous else SymmetryGroup(right[0], name=_name(len(right[0])))), "right"


def _same_sets(elements: Float[Tensor, "views members 3 3"]) -> bool:
    """Whether every view has the same elements, in whatever order; of very many, some of them are looked for."""
    step = -(-elements.shape[1] // _LOOKED_FOR)
    some = elements[1:, ::step, None]
    return bool((geodesic_distance(some, elements[0]).amin(-1) < _TOLERANCE).all())


def _axial_group(elements: Float[Tensor, "members 3 3"]) -> SymmetryGroup:
    """The continuous group whose steps are among the elements, about the axis that most of them share."""
    turns = log(elements)
    angle = torch.linalg.vector_norm(turns, dim=-1)
    axes = turns / angle.clamp_min(1e-9)[:, None]
    moved = angle > _TOLERANCE
    if not bool(moved.any()):
        return SymmetryGroup.trivial()
    parallel = _parallel(axes, axes) & moved & moved[:, None]
    best = int(parallel.sum(-1).argmax())
    axis = torch.nn.functional.normalize(axes[best], dim=0)
    others = elements[moved & ~parallel[best]]
    discrete = torch.eye(3, dtype=elements.dtype)[None]
    # Half-turns that reverse the axis differ from one another by turns about it: one of them is enough.
    reverses = others[(others @ axis + axis).norm(dim=-1) < 2 * _TOLERANCE]
    if len(reverses):
        return SymmetryGroup(torch.cat([discrete, reverses[:1]]), axis=axis, name="D_inf")
    return SymmetryGroup(discrete, axis=axis, name="C_inf")


def _parallel(a: Float[Tensor, "n 3"], b: Float[Tensor, "m 3"]) -> Bool[Tensor, "n m"]:
    return (a @ b.T).abs() > math.cos(2 * _TOLERANCE)


def _name(order: int) -> str:
    return {1: "C1", 12: "T", 24: "O", 60: "I"}.get(order, f"order {order}")
