"""Symmetry groups of objects: the rotations that leave an object looking the same.

``R`` and ``R @ g`` are the same view for every ``g`` of the group (right action: the group lives in the object frame).
Standard orientation:

- C_n, D_n, C_inf (``axial``) and D_inf (``dihedral_axial``) turn about z; the half-turns of D_n and D_inf include x;
- T has its half-turns about x, y, z and its third-turns about (+-1, +-1, +-1);
- O has its quarter-turns about x, y, z, and contains T;
- I contains T; its fifth-turns are about the cyclic permutations of (0, +-1, +-golden ratio).

Any other orientation: ``conjugate``. A finite group is the list of its elements; a group with a continuous axis is
``{exp(t axis) @ g}`` over all angles t and the listed elements g.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3.rotation import exp, geodesic_distance, nearest_rotation, rotation_defect

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class SymmetryGroup:
    """A subgroup of SO(3): listed elements (identity among them) and, perhaps, a continuous axis.

    Example:
        >>> cube = SymmetryGroup.octahedral()
        >>> cube.order
        24
        >>> cube.distance(torch.eye(3), exp(torch.tensor([0.0, 0.0, torch.pi / 2]))) < 1e-6
        tensor(True)
    """

    discrete: Float[Tensor, "elements 3 3"]
    axis: Float[Tensor, "3"] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        defect = rotation_defect(self.discrete).amax().item()
        # 1e-5 admits elements given in float32; real mistakes (a reflection, a scale) are far beyond it.
        if not defect < 1e-5:
            raise ValueError(
                f"expected rotations as symmetry elements, got a matrix off by {defect:.2g}; check its rows"
            )
        if self.axis is not None and abs(torch.linalg.vector_norm(self.axis).item() - 1) > 1e-5:
            raise ValueError(f"expected a unit vector as symmetry axis, got {self.axis.tolist()}; divide by its length")

    @classmethod
    def trivial(cls) -> "SymmetryGroup":
        """The identity alone: an object without symmetry.

        Example:
            >>> SymmetryGroup.trivial().order
            1
        """
        return cls(_closure(()), name="C1")

    @classmethod
    def cyclic(cls, n: int, axis: Sequence[float | int] = _Z) -> "SymmetryGroup":
        """C_n: turns by multiples of 360/n degrees about an axis.

        Example:
            >>> SymmetryGroup.cyclic(3).order
            3
        """
        return cls(_turns(n, _unit(axis)), name=f"C{n}")

    @classmethod
    def dihedral(cls, n: int) -> "SymmetryGroup":
        """D_n: C_n about z and n half-turns about axes in the xy plane, x among them.

        Example:
            >>> SymmetryGroup.dihedral(2).order
            4
        """
        turns = _turns(n, _unit(_Z))
        return cls(torch.cat([turns, turns @ _turns(2, _unit(_X))[1]]), name=f"D{n}")

    @classmethod
    def tetrahedral(cls) -> "SymmetryGroup":
        """T: the 12 rotations of the regular tetrahedron.

        Example:
            >>> SymmetryGroup.tetrahedral().order
            12
        """
        return cls(_closure(((2, _X), (2, _Z), (3, (1.0, 1.0, 1.0)))), name="T")

    @classmethod
    def octahedral(cls) -> "SymmetryGroup":
        """O: the 24 rotations of the cube and the octahedron.

        Example:
            >>> SymmetryGroup.octahedral().order
            24
        """
        return cls(_closure(((4, _X), (4, _Z))), name="O")

    @classmethod
    def icosahedral(cls) -> "SymmetryGroup":
        """I: the 60 rotations of the icosahedron and the dodecahedron.

        Example:
            >>> SymmetryGroup.icosahedral().order
            60
        """
        golden_ratio = (1 + math.sqrt(5)) / 2
        return cls(_closure(((2, _X), (3, (1.0, 1.0, 1.0)), (5, (0.0, 1.0, golden_ratio)))), name="I")

    @classmethod
    def axial(cls, axis: Sequence[float | int] = _Z) -> "SymmetryGroup":
        """C_inf: every turn about an axis (a cone, a bottle).

        Example:
            >>> SymmetryGroup.axial().order
            inf
        """
        return cls(_closure(()), axis=_unit(axis), name="C_inf")

    @classmethod
    def dihedral_axial(cls) -> "SymmetryGroup":
        """D_inf: every turn about z, and half-turns about every axis in the xy plane (a cylinder).

        Example:
            >>> SymmetryGroup.dihedral_axial().elements(steps=4).shape
            torch.Size([8, 3, 3])
        """
        return cls(_closure(((2, _X),)), axis=_unit(_Z), name="D_inf")

    @property
    def order(self) -> int | float:
        """Number of elements; ``math.inf`` with a continuous axis."""
        return len(self.discrete) if self.axis is None else math.inf

    def elements(self, steps: int = 360) -> Float[Tensor, "elements 3 3"]:
        """The elements, identity first; a continuous axis is sampled at ``steps`` equispaced angles.

        Example:
            >>> SymmetryGroup.cyclic(2).elements()[1].diagonal()
            tensor([-1., -1.,  1.], dtype=torch.float64)
        """
        if self.axis is None:
            return self.discrete
        return (_turns(steps, self.axis)[:, None].to(self.discrete) @ self.discrete).flatten(0, 1)

    def equivalents(self, rotation: Float[Tensor, "*batch 3 3"], steps: int = 360) -> Float[Tensor, "*batch n 3 3"]:
        """All rotations that give the same view, ``rotation @ g``, the given one first.

        Example:
            >>> SymmetryGroup.tetrahedral().equivalents(torch.eye(3)).shape
            torch.Size([12, 3, 3])
        """
        return rotation[..., None, :, :] @ self.elements(steps).to(rotation)

    def distance(
        self, first: Float[Tensor, "*#batch 3 3"], second: Float[Tensor, "*#batch 3 3"]
    ) -> Float[Tensor, "*#batch"]:
        r"""Smallest angle between any two equivalents, in radians; batches broadcast.

        .. math:: d(A, B) = \min_g \theta(A, B g), \qquad
            \min_{t} \theta(A, B \exp(t u) g) = \angle(u,\ g A^\top B u)

        The second form is exact for a continuous axis u: of all rotations that bring one direction to another, the
        smallest turns by the angle between them.

        Example:
            >>> turn = exp(torch.tensor([0.0, 0.0, 1.0]))
            >>> SymmetryGroup.axial().distance(torch.eye(3), turn)
            tensor(0.)
        """
        relative = first.mT @ second
        elements = self.discrete.to(relative)
        if self.axis is not None:
            axis = self.axis.to(relative)
            images = (elements.mT @ axis).broadcast_to(*relative.shape[:-2], len(elements), 3)
            target = (relative @ axis)[..., None, :]
            sin = torch.linalg.vector_norm(torch.linalg.cross(images, target.expand_as(images)), dim=-1)
            return torch.atan2(sin, (images * target).sum(-1)).amin(-1)
        # The largest trace belongs to the smallest angle; only that element's angle is then worked out.
        nearest = torch.einsum("...ij,kji->...k", relative, elements).argmax(-1)
        return geodesic_distance(elements[nearest].mT, relative)

    def conjugate(self, rotation: Float[Tensor, "3 3"]) -> "SymmetryGroup":
        """The symmetry group of the same object after turning it by ``rotation`` in its frame, ``R g R^T``.

        Example:
            >>> SymmetryGroup.axial().conjugate(exp(torch.tensor([torch.pi / 2, 0.0, 0.0]))).axis.round().abs()
            tensor([0., 1., 0.], dtype=torch.float64)
        """
        turn = rotation.to(self.discrete)
        axis = None if self.axis is None else turn @ self.axis
        return SymmetryGroup(turn @ self.discrete @ turn.mT, axis, self.name)

    def to_bop(self) -> dict[str, list]:
        """The symmetry entries of a BOP ``models_info.json``: row-major 4x4 matrices without the identity, and axes.

        Example:
            >>> SymmetryGroup.axial().to_bop()
            {'symmetries_continuous': [{'axis': [0.0, 0.0, 1.0], 'offset': [0.0, 0.0, 0.0]}]}
        """
        entries: dict[str, list] = {}
        if len(self.discrete) > 1:
            rigid = torch.eye(4, dtype=torch.float64).repeat(len(self.discrete) - 1, 1, 1)
            rigid[:, :3, :3] = self.discrete[1:]
            entries["symmetries_discrete"] = rigid.flatten(1).tolist()
        if self.axis is not None:
            entries["symmetries_continuous"] = [{"axis": self.axis.tolist(), "offset": [0.0, 0.0, 0.0]}]
        return entries

    @classmethod
    def from_bop(cls, entries: Mapping) -> "SymmetryGroup":
        """The group of one object's entry in a BOP ``models_info.json``; translations and offsets play no part in it.

        Example:
            >>> SymmetryGroup.from_bop(SymmetryGroup.dihedral(3).to_bop()).order
            6
        """
        listed = [torch.tensor(m, dtype=torch.float64).reshape(4, 4) for m in entries.get("symmetries_discrete", [])]
        discrete = torch.stack([torch.eye(4, dtype=torch.float64), *listed])[:, :3, :3]
        defect = rotation_defect(discrete).amax().item()
        # Files print about four digits; within that, the nearest rotation is what was meant.
        if not defect < 1e-2:
            raise ValueError(
                f"expected rotations in symmetries_discrete, got one off by {defect:.2g}; correct the entry"
            )
        axes = [_unit(entry["axis"]) for entry in entries.get("symmetries_continuous", [])]
        if any(torch.linalg.vector_norm(torch.linalg.cross(axes[0], other)) > 1e-3 for other in axes):
            raise ValueError(
                f"expected one axis in symmetries_continuous, got {len(axes)}; keep one (a sphere has no pose)"
            )
        return cls(_snap(nearest_rotation(discrete)), axis=axes[0] if axes else None, name="BOP")


def _unit(axis: Sequence[float | int]) -> Float[Tensor, "3"]:
    vector = torch.tensor(axis, dtype=torch.float64)
    length = torch.linalg.vector_norm(vector)
    if vector.shape != (3,) or not length > 0:
        raise ValueError(f"expected a symmetry axis of three numbers, not all zero, got {list(axis)}; e.g. (0, 0, 1)")
    return vector / length


def _turns(n: int, axis: Float[Tensor, "3"]) -> Float[Tensor, "{n} 3 3"]:
    """Turns by multiples of 2 pi / n about a unit axis, identity first."""
    if n < 1:
        raise ValueError(f"expected a symmetry of at least one step per turn, got {n}; pass n >= 1")
    angles = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    return _snap(exp(angles[:, None] * axis.double()))


def _snap(elements: Float[Tensor, "k 3 3"]) -> Float[Tensor, "k 3 3"]:
    """Entries within rounding of 0, 1/2 and 1 made exact, so that common groups hold exact matrices."""
    halves = (2 * elements).round() / 2 + 0.0
    return torch.where((elements - halves).abs() < 1e-14, halves, elements)


@functools.cache
def _closure(generators: tuple[tuple[int, tuple[float, float, float]], ...]) -> Float[Tensor, "k 3 3"]:
    """All products of the generators ``(n, axis)``, turns by multiples of 360/n degrees; identity first."""
    turns = torch.cat([_turns(1, _unit(_Z))] + [_turns(n, _unit(axis)) for n, axis in generators])
    elements = turns[:1]
    while True:
        # Distinct elements of the groups here differ by more than 0.1 in some entry; products agree to 1e-15.
        products = (turns[:, None] @ elements).flatten(0, 1)
        different = (products[:, None] - products).abs().amax((-2, -1)) > 1e-6
        first_of_its_kind = (different | torch.ones_like(different).triu()).all(-1)
        found = _snap(products[first_of_its_kind])
        if len(found) == len(elements):
            return found
        elements = found
