"""What can be photographed: anything with a name, a mesh and a symmetry group."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from armillary.data.shapes.mesh import Mesh
from armillary.so3 import SymmetryGroup


@runtime_checkable
class Shape(Protocol):
    """Anything with a name, a mesh and a symmetry group: a solid, a member of the zoo, a loaded mesh."""

    @property
    def name(self) -> str:
        """Category."""
        ...

    @property
    def mesh(self) -> Mesh:
        """Surface, metres."""
        ...

    @property
    def symmetry(self) -> SymmetryGroup:
        """Group of the object frame under which the shape looks the same."""
        ...


@dataclass(frozen=True)
class MeshShape:
    """A mesh with a name and, if it has one, a symmetry.

    Example:
        >>> import torch
        >>> square = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
        >>> MeshShape("sail", square).symmetry.order
        1
    """

    name: str
    mesh: Mesh
    symmetry: SymmetryGroup = SymmetryGroup.trivial()
