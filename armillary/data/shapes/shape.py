"""What can be photographed: a name, a surface and a symmetry group."""

from dataclasses import dataclass

from armillary.data.shapes.mesh import Mesh
from armillary.so3 import SymmetryGroup


@dataclass(frozen=True)
class Shape:
    """A solid, a member of the zoo or a mesh from a file.

    Example:
        >>> import torch
        >>> square = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
        >>> Shape("sail", square).symmetry.order
        1
    """

    # The category; shapes of one name share it.
    name: str
    mesh: Mesh
    # The rotations g of the object frame for which poses R and R @ g look alike.
    symmetry: SymmetryGroup = SymmetryGroup.trivial()
