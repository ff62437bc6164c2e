"""The nearest-picture baseline of a run: thumbnails and labels of its training views, kept beside the model."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from armillary.data import ImageStore, centre_crop
from armillary.data.atomic import write_atomically
from armillary.data.evenly import evenly_chosen
from armillary.data.record import read_npz
from armillary.evaluation import nearest_neighbour

THUMBNAIL = 16
# Enough to sample one object's views every ten degrees or so; a search among them takes a second.
MOST_VIEWS = 20000


@dataclass(frozen=True)
class Lookup:
    """Training views, shrunk.

    Example:
        >>> from armillary.data import Sample
        >>> store = ImageStore.from_samples([Sample(torch.rand(3, 48, 48), torch.eye(3))], size=48, progress=False)
        >>> Lookup.from_store(store, image_size=32).answer(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 3])
    """

    images: UInt8[Tensor, "views 3 size size"]
    rotations: Float[Tensor, "views 3 3"]

    @classmethod
    def from_store(cls, store: ImageStore, image_size: int) -> "Lookup":
        """Thumbnails of at most `MOST_VIEWS` views, evenly spaced."""
        index = evenly_chosen(len(store), MOST_VIEWS)
        thumbnails = []
        for part in index.split(512):
            pictures = centre_crop(store[part], image_size).images
            small = functional.interpolate(pictures, size=(THUMBNAIL, THUMBNAIL), mode="area")
            thumbnails.append((small * 255).round().to(torch.uint8))
        return cls(torch.cat(thumbnails), store.rotations[index])

    def answer(self, images: Float[Tensor, "views 3 height width"]) -> Float[Tensor, "views 3 3"]:
        """The label of the nearest training picture of each image."""
        return self.rotations[nearest_neighbour(self.images.float() / 255, images, THUMBNAIL)]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=self.images.numpy(), rotations=self.rotations.numpy())
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Lookup | None":
        """The lookup of a run, or None where it has none."""
        if not path.is_file():
            return None
        arrays = read_npz(path, ("images", "rotations"), "delete it and give the train command again")
        return cls(torch.from_numpy(arrays["images"]), torch.from_numpy(arrays["rotations"]))
