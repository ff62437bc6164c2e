"""Pictures with normals in memory, all of one size, from any reader.

A picture is cut in the middle to the wanted shape and then made larger or smaller: normals hold in pictures of square
pixels alone. Colours are averaged, normals and masks taken from the nearest pixel.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float16, Int, UInt8
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from armillary.data.normals.sample import NormalReader, NormalSample


@dataclass(frozen=True)
class NormalBatch:
    """Pictures and their normals for a step: as `NormalSample`, stacked."""

    images: Float[Tensor, "batch 3 height width"]
    normals: Float[Tensor, "batch 3 height width"]
    mask: Bool[Tensor, "batch height width"]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class NormalStore:
    """Pictures of one size.

    Example:
        >>> wall = torch.tensor([0.0, 0, -1])[:, None, None].expand(3, 30, 40)
        >>> sample = NormalSample(torch.rand(3, 30, 40), wall, torch.ones(30, 40, dtype=torch.bool), "0")
        >>> store = NormalStore.from_samples([sample], (12, 16), progress=False)
        >>> len(store), store[[0]].normals.shape
        (1, torch.Size([1, 3, 12, 16]))
    """

    images: UInt8[Tensor, "pictures 3 height width"]
    normals: Float16[Tensor, "pictures 3 height width"]
    mask: Bool[Tensor, "pictures height width"]
    names: tuple[str, ...]

    @classmethod
    def from_samples(
        cls,
        samples: NormalReader | Sequence[NormalSample],
        size: tuple[int, int],
        pictures: int | None = None,
        progress: bool = True,
    ) -> "NormalStore":
        """Read samples and bring them to a height and width.

        Args:
            samples: of any sizes.
            size: height and width, pixels.
            pictures: so many of them, evenly chosen; by default all.
            progress: show a bar.
        """
        count, (height, width) = min(len(samples), pictures or len(samples)), size
        images = torch.zeros(count, 3, height, width, dtype=torch.uint8)
        normals = torch.zeros(count, 3, height, width, dtype=torch.float16)
        mask = torch.zeros(count, height, width, dtype=torch.bool)

        def read(index: int) -> str:
            sample = resized(samples[index * len(samples) // count], size)
            images[index] = (sample.image * 255).round().to(torch.uint8)
            normals[index], mask[index] = sample.normals.half(), sample.mask
            return sample.name

        # Decoding releases the interpreter's lock.
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            bar = tqdm(
                pool.map(read, range(count)),
                total=count,
                desc="reading",
                unit="picture",
                disable=not progress,
                delay=1.0,
            )
            names = tuple(bar)
        return cls(images, normals, mask, names)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.images.shape[-2], self.images.shape[-1]

    def __getitem__(self, index: Int[Tensor, " batch"] | list[int] | slice) -> NormalBatch:
        images = self.images[index].float() / 255
        # Halves of floats are off by 5e-4; made unit again after widening.
        normals = functional.normalize(self.normals[index].float(), dim=1, eps=1e-6)
        return NormalBatch(images, normals, self.mask[index])

    def part(self, index: Int[Tensor, " chosen"]) -> "NormalStore":
        """The store of some of the pictures."""
        names = tuple(self.names[place] for place in index.tolist())
        return NormalStore(self.images[index], self.normals[index], self.mask[index], names)


def resized(sample: NormalSample, size: tuple[int, int]) -> NormalSample:
    """A sample cut in the middle to the shape of a size (height, width), then of that size.

    Example:
        >>> wide = NormalSample(torch.rand(3, 8, 20), torch.zeros(3, 8, 20), torch.zeros(8, 20, dtype=torch.bool))
        >>> resized(wide, (4, 4)).image.shape
        torch.Size([3, 4, 4])
    """
    top, left, height, width = middle_box(sample.image.shape[-2], sample.image.shape[-1], size)
    rows, columns = slice(top, top + height), slice(left, left + width)
    image, normals = sample.image[:, rows, columns], sample.normals[:, rows, columns]
    mask = sample.mask[rows, columns]
    if (height, width) == size:
        return NormalSample(image, normals, mask, sample.name)
    image = functional.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]
    normals = functional.interpolate(normals[None], size, mode="nearest-exact")[0]
    mask = functional.interpolate(mask[None, None].float(), size, mode="nearest-exact")[0, 0] > 0.5
    return NormalSample(image.clamp(0, 1), normals, mask, sample.name)


def middle_box(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest middle part that has the shape of a size.

    Example:
        >>> middle_box(100, 100, (3, 4))
        (12, 0, 75, 100)
    """
    part_height = min(height, max(1, round(width * size[0] / size[1])))
    part_width = min(width, max(1, round(height * size[1] / size[0])))
    return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width
