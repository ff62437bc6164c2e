"""The signs of a point's coordinates as classes: the other half of a point whose magnitudes are positive.

A `SignTable` numbers the sign vectors that occur, and is all that a classifier of signs needs to know. The three of
Spherical Regression (its programs regEulerNet.py:173-181, regNormalNet.py:110-117 and regQuatNet.py:258-271):

| task | coordinates | classes | sign of 0 |
|---|---|---|---|
| angle | cos, sin | 0 (+,+), 1 (-,+), 2 (-,-), 3 (+,-) | + |
| surface normal | y, z, x; z < 0 | 2 [y > 0] + [x > 0] | - |
| rotation | quaternion a, b, c, d; a >= 0 | 4 [b >= 0] + 2 [c >= 0] + [d >= 0] | + |
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.nn.spherical_exponential import spherical_flat


def sign_vectors(coordinates: int, fixed: Mapping[int, int] | None = None) -> tuple[tuple[int, ...], ...]:
    """All vectors of -1 and 1, the last coordinate changing fastest; those in ``fixed`` have one sign.

    Example:
        >>> sign_vectors(3, fixed={0: 1})
        ((1, -1, -1), (1, -1, 1), (1, 1, -1), (1, 1, 1))
    """
    free = fixed or {}
    return tuple(itertools.product(*((free[axis],) if axis in free else (-1, 1) for axis in range(coordinates))))


@dataclass(frozen=True)
class SignTable:
    """Numbered sign vectors.

    Attributes:
        rows: The sign vector of each class; coordinates of one sign in all rows are fixed and not looked at.
        zero: The sign that a coordinate of 0 counts as.

    Example:
        >>> table = SignTable.quaternions()
        >>> table.label(torch.tensor([0.5, -0.5, 0.1, -0.7])), table.rows[2]
        (tensor(2), (1, -1, 1, -1))
    """

    rows: tuple[tuple[int, ...], ...]
    zero: int = 1

    def __post_init__(self) -> None:
        lengths, values = {len(row) for row in self.rows}, {sign for row in self.rows for sign in row}
        if len(lengths) != 1 or not values <= {-1, 1} or self.zero not in (-1, 1):
            raise ValueError(f"expected rows of -1 and 1 of one length, got {self.rows}; see sign_vectors")
        if {*self._codes()} != {*range(2 ** len(self.free))} or len(self.rows) != 2 ** len(self.free):
            raise ValueError(
                f"expected each combination of the signs that vary once, got {self.rows}; see sign_vectors"
            )

    @classmethod
    def angles(cls) -> "SignTable":
        """Quadrants of (cos, sin), counter-clockwise."""
        return cls(((1, 1), (-1, 1), (-1, -1), (1, -1)))

    @classmethod
    def normals(cls) -> "SignTable":
        """Normals of visible surfaces in the order (y, z, x), which have z < 0."""
        return cls(sign_vectors(3, fixed={1: -1}), zero=-1)

    @classmethod
    def quaternions(cls) -> "SignTable":
        """Quaternions, scalar first and not negative."""
        return cls(sign_vectors(4, fixed={0: 1}))

    @property
    def coordinates(self) -> int:
        """Coordinates of a point."""
        return len(self.rows[0])

    @property
    def classes(self) -> int:
        """Number of sign vectors."""
        return len(self.rows)

    @property
    def free(self) -> tuple[int, ...]:
        """Coordinates whose sign varies."""
        return tuple(axis for axis, signs in enumerate(zip(*self.rows, strict=True)) if len({*signs}) == 2)

    def vectors(self, like: Tensor) -> Float[Tensor, "classes coordinates"]:
        """The rows as numbers, with the type and device of a tensor."""
        return torch.tensor(self.rows, dtype=like.dtype, device=like.device)

    def label(self, point: Float[Tensor, "*shape"], dim: int = -1) -> Int64[Tensor, "*batch"]:
        """The class of each point; ``dim`` is the axis of the coordinates, and gone from the result."""
        if point.shape[dim] != self.coordinates:
            raise ValueError(
                f"expected {self.coordinates} coordinates along axis {dim}, got {tuple(point.shape)}; set dim"
            )
        positive = point >= 0 if self.zero > 0 else point > 0
        free = positive.movedim(dim, -1)[..., list(self.free)].long()
        place = torch.tensor([2**k for k in range(len(self.free))], device=point.device)
        row_of_code = torch.tensor(self._codes(), device=point.device).argsort()
        return row_of_code[(free * place).sum(-1)]

    def _codes(self) -> list[int]:
        """The free signs of each row as a binary number."""
        return [sum(2**k for k, axis in enumerate(self.free) if row[axis] > 0) for row in self.rows]


def decode(
    magnitude: Float[Tensor, "*shape"], sign_logits: Float[Tensor, "*logits"], table: SignTable, dim: int = -1
) -> Float[Tensor, "*shape"]:
    """Magnitudes with the most probable signs, as the original reads them; not differentiable for the logits.

    Example:
        >>> decode(torch.tensor([0.6, 0.8]), torch.tensor([0.0, 2.0, 1.0, 0.0]), SignTable.angles())
        tensor([-0.6000,  0.8000])
    """
    signs = table.vectors(magnitude)[sign_logits.argmax(dim)]
    return magnitude * signs.movedim(-1, dim)


def expected_decode(
    magnitude: Float[Tensor, "*shape"], sign_logits: Float[Tensor, "*logits"], table: SignTable, dim: int = -1
) -> Float[Tensor, "*shape"]:
    """Direction of the mean over all signs, differentiable: magnitudes times expected signs, made unit length.

    Example:
        >>> expected_decode(torch.tensor([0.6, 0.8]), torch.tensor([2.0, 0.0, 0.0, 2.0]), SignTable.angles())[0]
        tensor(1.)
    """
    expected = sign_logits.movedim(dim, -1).softmax(-1) @ table.vectors(magnitude)
    return spherical_flat(magnitude * expected.movedim(-1, dim), dim)


def atoms(
    magnitude: Float[Tensor, "*shape"], sign_logits: Float[Tensor, "*logits"], table: SignTable, dim: int = -1
) -> tuple[Float[Tensor, "*batch classes coordinates"], Float[Tensor, "*batch classes"]]:
    """The joint answer as what it is: one point for each sign vector, and its probability; coordinates last.

    Example:
        >>> points, probability = atoms(torch.tensor([0.6, 0.8]), torch.zeros(4), SignTable.angles())
        >>> points[2], probability[2]
        (tensor([-0.6000, -0.8000]), tensor(0.2500))
    """
    points = magnitude.movedim(dim, -1)[..., None, :] * table.vectors(magnitude)
    return points, sign_logits.movedim(dim, -1).softmax(-1)
