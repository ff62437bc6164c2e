"""The baseline printed beside every figure: the label of the training picture whose pixels are nearest.

A model that does not beat it has learned nothing that a lookup does not know.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def nearest_neighbour(
    train_images: Float[Tensor, "train 3 height width"],
    images: Float[Tensor, "views 3 rows columns"],
    size: int = 16,
) -> Int[Tensor, " views"]:
    """Index of the training picture nearest in colour, both shrunk to ``size`` pixels, contrast normalised.

    Example:
        >>> train = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> nearest_neighbour(train, train[[3, 1]] * 0.9)
        tensor([3, 1])
    """
    return torch.cdist(_thumbnails(images, size), _thumbnails(train_images, size)).argmin(dim=1)


def _thumbnails(images: Float[Tensor, "views 3 height width"], size: int) -> Float[Tensor, "views pixels"]:
    small = functional.interpolate(images, size=(size, size), mode="area").flatten(1)
    centred = small - small.mean(dim=1, keepdim=True)
    return functional.normalize(centred, dim=1)
