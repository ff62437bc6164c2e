"""Some of many, evenly chosen: what is shown of a data set, or looked at when all would take too long."""

import torch
from jaxtyping import Int
from torch import Tensor


def evenly_chosen(total: int, most: int) -> Int[Tensor, " chosen"]:
    """Places of at most so many of a total, first and last among them, in order.

    Example:
        >>> evenly_chosen(9, 3), evenly_chosen(2, 3)
        (tensor([0, 4, 8]), tensor([0, 1]))
    """
    return torch.linspace(0, total - 1, min(most, total)).round().long()
