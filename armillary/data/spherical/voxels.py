"""Voxel grids as meshes: the squares between full and empty cells, moved towards the smooth surface they stand for.

The occupancy, blurred by the binomial weights (1, 3, 3, 1) / 8 along each axis, has a value b and a gradient g at each
corner of a cell. A corner moves by (1/2 - b) g / |g|^2, at most half a cell, and -g is its normal: flat walls stay
where they are, stairs become slopes.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.data.shapes.mesh import Mesh

_BLUR, _SLOPE = (1.0, 3.0, 3.0, 1.0), (-1.0, -1.0, 1.0, 1.0)
# Cells a corner may move.
_FARTHEST = 0.5


def voxel_mesh(occupied: Bool[Tensor, "x y z"], cell: float = 1.0, smooth: bool = True) -> Mesh:
    """The surface of the full cells; cell (i, j, k) is the i-th along x, ..., and the middle of the grid is the origin.

    Args:
        occupied: which cells are full; a solid and its shell look the same from outside.
        cell: edge of a cell (m).
        smooth: move the corners; else the surface is that of the cubes.

    Example:
        >>> mesh = voxel_mesh(torch.ones(1, 1, 1, dtype=torch.bool), smooth=False)
        >>> len(mesh.vertices), len(mesh.faces), mesh.watertight
        (8, 12, True)
    """
    if not bool(occupied.any()):
        raise ValueError(f"expected full cells, got none of {occupied.numel()}; check the threshold of the occupancy")
    shape = torch.tensor(occupied.shape) + 1
    number = torch.arange(int(shape.prod())).reshape(*shape.tolist())
    quads = torch.cat([_squares(occupied.cpu(), number, axis) for axis in range(3)])
    used, corner = torch.unique(quads, return_inverse=True)
    faces = torch.cat([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    vertices = torch.stack(torch.unravel_index(used, tuple(shape.tolist())), -1) - (shape - 1) / 2
    if not smooth:
        return Mesh(vertices * cell, faces)
    value, gradient = _blurred(occupied.cpu(), used)
    normal = torch.nn.functional.normalize(-gradient, dim=-1)
    move = ((value - 0.5) / gradient.norm(dim=-1).clamp_min(1e-9)).clamp(-_FARTHEST, _FARTHEST)
    return Mesh((vertices + move[:, None] * normal) * cell, faces, normals=normal[faces])


def _squares(occupied: Bool[Tensor, "x y z"], number: Int[Tensor, "a b c"], axis: int) -> Int[Tensor, "squares 4"]:
    """Corners of the squares across an axis between a full and an empty cell."""
    across, along = [other for other in range(3) if other != axis]
    padding = [0, 0, 0, 0, 0, 0]
    padding[4 - 2 * axis : 6 - 2 * axis] = [1, 1]
    full = torch.nn.functional.pad(occupied, padding)
    place = torch.nonzero(full.narrow(axis, 1, full.shape[axis] - 1) != full.narrow(axis, 0, full.shape[axis] - 1))
    stride = number.stride()
    first = (place * torch.tensor(stride)).sum(-1)
    steps = torch.tensor([0, stride[across], stride[across] + stride[along], stride[along]])
    return first[:, None] + steps


def _blurred(
    occupied: Bool[Tensor, "x y z"], used: Int[Tensor, " corners"]
) -> tuple[Float[Tensor, " corners"], Float[Tensor, "corners 3"]]:
    """The blurred occupancy and its gradient (per cell) at corners."""
    blur, slope = torch.tensor(_BLUR) / 8, torch.tensor(_SLOPE) / 4
    axes = [[blur, blur, blur], [slope, blur, blur], [blur, slope, blur], [blur, blur, slope]]
    kernels = torch.stack([torch.einsum("i,j,k->ijk", *kernel) for kernel in axes])[:, None]
    padded = torch.nn.functional.pad(occupied.float(), (2, 2, 2, 2, 2, 2))[None, None]
    fields = torch.nn.functional.conv3d(padded, kernels)[0].flatten(1)[:, used]
    return fields[0], fields[1:].T
