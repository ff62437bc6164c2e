"""Pairs of views of one shape: drawn at random, and how far an answer about one is off.

Views are those of a `rendered_store`: as many of each shape, one shape after the other.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.so3 import SymmetryGroup


def random_views(
    shape: Int[Tensor, " draws"], per_shape: int, generator: torch.Generator | None = None
) -> Int[Tensor, " draws"]:
    """Place of a random view of each shape, of so many that each has.

    Example:
        >>> random_views(torch.tensor([0, 2]), per_shape=1)
        tensor([0, 2])
    """
    return shape * per_shape + torch.randint(per_shape, (len(shape),), generator=generator)


def median_error_deg(
    symmetries: Sequence[SymmetryGroup],
    found: Float[Tensor, "pairs 3 3"],
    first: Float[Tensor, "pairs 3 3"],
    second: Float[Tensor, "pairs 3 3"],
) -> float:
    """Median angle between relative rotations found and the nearest right ones, degrees.

    Args:
        symmetries: of the shape that each pair shows.
        found: R with R Q_2 = Q_1.
        first: Q_1.
        second: Q_2.

    Example:
        >>> median_error_deg([SymmetryGroup.trivial()], *torch.eye(3).expand(3, 1, 3, 3))
        0.0
    """
    turned = found.double() @ second.double()
    pairs = zip(symmetries, first.double(), turned, strict=True)
    return torch.stack([group.distance(*pair) for group, *pair in pairs]).median().rad2deg().item()
