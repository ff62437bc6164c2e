"""Labels that a symmetric object makes equivalent: one at random in place of the one that is written down."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.so3 import SymmetryGroup, exp


def random_equivalents(
    rotations: Float[Tensor, "batch 3 3"],
    category: Int[Tensor, " batch"],
    symmetries: Sequence[SymmetryGroup],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch 3 3"]:
    """R g, with g uniform in the symmetry group of each object.

    Args:
        rotations: one label each.
        category: index into the groups.
        symmetries: one group for each category.
        generator: source of the draw.

    Example:
        >>> half_turn = random_equivalents(torch.eye(3)[None], torch.tensor([0]), [SymmetryGroup.cyclic(2)])
        >>> half_turn[0].diagonal()[2]
        tensor(1.)
    """
    turned = rotations.clone()
    for number, group in enumerate(symmetries):
        chosen = (category == number).nonzero().flatten()
        if group.order > 1 and len(chosen):
            turned[chosen] = rotations[chosen] @ _members(group, len(chosen), generator).to(rotations)
    return turned


def _members(group: SymmetryGroup, count: int, generator: torch.Generator | None) -> Float[Tensor, "{count} 3 3"]:
    device = "cpu" if generator is None else generator.device
    place = torch.randint(len(group.discrete), (count,), generator=generator, device=device).cpu()
    members = group.discrete[place]
    if group.axis is None:
        return members
    angle = 2 * torch.pi * torch.rand(count, generator=generator, device=device).to(members)
    return exp(angle[:, None] * group.axis.to(members)) @ members
