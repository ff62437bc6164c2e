r"""An octree on SO(3) without poles: four gnomonic cubes, halved along each axis.

A rotation is a unit quaternion (x, y, z, w) up to sign. Divided by its largest component, number ``face``, the other
three lie in :math:`[-1,1]^3`; they are :math:`\tan(\pi u/4)` of the coordinates u of this file, which makes the cells
even: Haar probability is :math:`\rho(u)\,du` on each of the four cubes,

.. math:: \rho(u) = \frac{(\pi/4)^3\prod_i(1+x_i^2)}{\pi^2(1+x_1^2+x_2^2+x_3^2)^2},\qquad x_i=\tan(\pi u_i/4),

between 0.44 and 1 times its value at the centre. A cell of depth d is :math:`\pi/2^d` radians wide at the centre of its
cube.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.so3.rotation import matrix_to_quat_xyzw, quat_xyzw_to_matrix

DEEPEST = 14  # depth of the smallest cells, 2e-4 radians wide: their numbers leave room for others in an int64
BITS = 3 * DEEPEST + 2  # of the numbers
OTHERS = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))  # the components that are the coordinates of each face


def cube_rotation(face: Int[Tensor, "*#batch"], point: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation at coordinates of a cube.

    Example:
        >>> cube_rotation(torch.tensor(3), torch.zeros(3)).diagonal()
        tensor([1., 1., 1.])
    """
    return quat_xyzw_to_matrix(_insert_one(face, (point * (math.pi / 4)).tan()))


def _insert_one(face: Int[Tensor, "*#batch"], slope: Float[Tensor, "*#batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Quaternion (x, y, z, w) whose component ``face`` is 1."""
    shape = torch.broadcast_shapes(face.shape, slope.shape[:-1])
    columns = torch.cat([slope, torch.ones_like(slope[..., :1])], -1).expand(*shape, 4)
    order = torch.tensor([[3, 0, 1, 2], [0, 3, 1, 2], [0, 1, 3, 2], [0, 1, 2, 3]], device=face.device)
    return columns.gather(-1, order[face].expand(*shape, 4))


def cube_density(point: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    r"""Haar probability :math:`\rho(u)` for the volume du, the same on each cube.

    Example:
        >>> cube_density(torch.zeros(3))  # pi / 64
        tensor(0.0491)
    """
    return slope_density(*(point * (math.pi / 4)).tan().square().unbind(-1))


def slope_density(
    x: Float[Tensor, "*#batch"], y: Float[Tensor, "*#batch"], z: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*#batch"]:
    """The same of the three squared slopes, the squared components of the quaternion over its largest.

    Example:
        >>> slope_density(*torch.ones(3)) * 64 / math.pi
        tensor(0.5000)
    """
    return (math.pi / 64) * (1 + x) * (1 + y) * (1 + z) / (1 + x + y + z).square()


def cube_coordinates(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4 3"]:
    """Coordinates of a rotation as each of the four cubes sees it; in [-1, 1] on its own, up to 2 on the others.

    Example:
        >>> cube_coordinates(torch.eye(3))[3].abs()
        tensor([0., 0., 0.])
    """
    return _coordinates(matrix_to_quat_xyzw(rotation))


def _coordinates(quat_xyzw: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4 3"]:
    others = quat_xyzw[..., torch.tensor(OTHERS, device=quat_xyzw.device)]
    sign = torch.where(quat_xyzw < 0, -1.0, 1.0).to(quat_xyzw)[..., None]
    return torch.atan2(others * sign, quat_xyzw.abs()[..., None]) * (4 / math.pi)


def cube_home(
    face: Int[Tensor, " points"], point: Float[Tensor, "points 3"]
) -> tuple[Int[Tensor, " points"], Float[Tensor, "points 3"]]:
    """The cube that points somewhat outside of theirs belong to, and their coordinates there.

    Example:
        >>> cube_home(torch.tensor([3]), torch.tensor([[1.25, 0.0, 0.0]]))
        (tensor([0]), tensor([[0.0000, 0.0000, 0.7500]]))
    """
    outside = (point.abs() > 1).any(-1).nonzero()[:, 0]
    quat_xyzw = _insert_one(face[outside], (point[outside] * (math.pi / 4)).tan())
    home = quat_xyzw.abs().argmax(-1)
    moved = _coordinates(quat_xyzw)[torch.arange(len(home), device=home.device), home]
    return face.index_copy(0, outside, home), point.index_copy(0, outside, moved)


def cube_codes(face: Int[Tensor, " points"], point: Float[Tensor, "points 3"]) -> Int[Tensor, " points"]:
    """Number of the smallest cell about a point of a cube: bits of the face, then of the coordinates in turn.

    The numbers of the smallest cells inside a cell follow each other (Morton order), so of some cells that part the
    cubes the one about a point is the last one that begins no later.

    Example:
        >>> cube_codes(torch.tensor([0, 3]), torch.full((2, 3), -1.0))
        tensor([            0, 13194139533312])
    """
    place = ((point + 1) * 2 ** (DEEPEST - 1)).long().clamp(0, 2**DEEPEST - 1)
    code = face
    for bit in reversed(range(DEEPEST)):
        x, y, z = ((place >> bit) & 1).unbind(-1)
        code = code * 8 + x * 4 + y * 2 + z
    return code


@dataclass(frozen=True)
class Cells:
    """Cells of the octree.

    Attributes:
        face: Cube of each.
        centre: Coordinates of their centres, in float64 (dyadic: exact).
        half: Half their width in coordinates, 2^-depth.
    """

    face: Int[Tensor, " cells"]
    centre: Float[Tensor, "cells 3"]
    half: Float[Tensor, " cells"]

    def __len__(self) -> int:
        """How many."""
        return len(self.face)

    def __getitem__(self, which: Int[Tensor, " some"] | Bool[Tensor, " cells"] | slice) -> "Cells":
        """Some of them."""
        return Cells(self.face[which], self.centre[which], self.half[which])

    def children(self) -> "Cells":
        """The eight halves of each, in a row."""
        corner = torch.tensor([-0.5, 0.5], dtype=self.centre.dtype, device=self.centre.device)
        offset = torch.cartesian_prod(corner, corner, corner)
        centre = self.centre[:, None] + offset * self.half[:, None, None]
        return Cells(self.face.repeat_interleave(8), centre.flatten(0, 1), (self.half / 2).repeat_interleave(8))

    def points(self, unit: Float[Tensor, "points 3"]) -> Float[Tensor, "cells points 3"]:
        """Coordinates of points given in each cell by [-1, 1]^3."""
        return self.centre[:, None] + unit * self.half[:, None, None]

    def codes(self) -> Int[Tensor, " cells"]:
        """Number of the first smallest cell inside each (see `cube_codes`)."""
        corner = self.centre - self.half[:, None] + 2.0 ** -(DEEPEST + 1)
        return cube_codes(self.face, corner)

    def near(self, coordinates: Float[Tensor, "cells 4 3"], margin: float) -> Bool[Tensor, " cells"]:
        """Which cells, made ``margin`` times larger, hold the rotation of these coordinates (`cube_coordinates`)."""
        own = coordinates[torch.arange(len(self), device=self.face.device), self.face]
        return ((own - self.centre).abs() <= margin * self.half[:, None]).all(-1)


def all_cells(depth: int, device: torch.device | str | None = None) -> Cells:
    """The ``4 * 8^depth`` cells of one depth.

    Example:
        >>> len(all_cells(2))
        256
    """
    centre = torch.zeros(4, 3, dtype=torch.float64, device=device)
    cells = Cells(torch.arange(4, device=device), centre, torch.ones(4, dtype=torch.float64, device=device))
    for _ in range(depth):
        cells = cells.children()
    return cells


def join_cells(parts: list[Cells]) -> Cells:
    """All cells of several lists."""
    return Cells(
        torch.cat([part.face for part in parts]),
        torch.cat([part.centre for part in parts]),
        torch.cat([part.half for part in parts]),
    )
