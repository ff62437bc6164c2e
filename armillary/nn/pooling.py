"""From a feature map to one vector: flattened, which keeps where things are, or averaged over the map."""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from armillary.nn.encoder import Encoder, map_size

Pooling = Literal["flatten", "mean"]


def check_pooling(pooling: str) -> None:
    """ValueError unless this is a way to pool."""
    if pooling not in get_args(Pooling):
        raise ValueError(f"expected pooling 'flatten' or 'mean', got {pooling!r}; use 'flatten'")


def pool(features: Float[Tensor, "batch channels rows columns"], pooling: Pooling) -> Float[Tensor, "batch pooled"]:
    """The vector of each map.

    Example:
        >>> import torch
        >>> pool(torch.ones(2, 8, 3, 3), "flatten").shape, pool(torch.ones(2, 8, 3, 3), "mean").shape
        (torch.Size([2, 72]), torch.Size([2, 8]))
    """
    return features.flatten(1) if pooling == "flatten" else features.mean((-2, -1))


def pooled_size(encoder: Encoder, image_size: int, pooling: Pooling) -> int:
    """Length of the vector of a square image (px), found by one forward pass.

    Example:
        >>> from armillary.nn import SmallEncoder
        >>> pooled_size(SmallEncoder(), 48, "flatten")
        2304
    """
    rows, columns = map_size(encoder, image_size)
    return encoder.channels * (rows * columns if pooling == "flatten" else 1)
