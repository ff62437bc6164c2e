"""Random views of pictures with normals: mirrored, cut, and in another light.

A mirror takes (n_x, n_y, n_z) at column u to (-n_x, n_y, n_z) at column w - 1 - u. A cut keeps normals as they are: it
is a view through a lens of another focal length and centre.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from armillary.data.normals.store import NormalBatch


@dataclass(frozen=True)
class NormalAugmentation:
    """Random changes of a batch; call it with a batch and a generator.

    Example:
        >>> batch = NormalBatch(torch.rand(2, 3, 12, 16), torch.zeros(2, 3, 12, 16), torch.ones(2, 12, 16).bool())
        >>> NormalAugmentation()(batch, torch.Generator().manual_seed(0)).images.shape
        torch.Size([2, 3, 12, 16])
    """

    # Probability of a mirrored picture.
    flip: float = 0.5
    # A cut has at least this share of the picture's width; 1 cuts nothing.
    crop: float = 0.75
    # Brightness varies by a factor in [1 - gain, 1 + gain], each colour by half of that besides.
    gain: float = 0.3
    # Middle tones are raised or lowered: x + tone x (1 - x).
    tone: float = 0.4
    # Standard deviation of the pixel noise, drawn per picture from [0, noise].
    noise: float = 0.03

    def __post_init__(self) -> None:
        bounds = {"flip": (0.0, 1.0), "crop": (0.1, 1.0), "gain": (0.0, 0.99), "tone": (0.0, 1.0), "noise": (0.0, 1.0)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"expected {name} from {low:g} to {high:g}, got {getattr(self, name)}; choose another")

    def __call__(self, batch: NormalBatch, generator: torch.Generator | None = None) -> NormalBatch:
        """A random view of each picture."""
        count, device = len(batch.images), batch.images.device

        def draw(*shape: int) -> Tensor:
            source = device if generator is None else generator.device
            return torch.rand(count, *shape, generator=generator, device=source).to(device)

        batch = mirrored(batch, draw() < self.flip)
        if self.crop < 1.0:
            scale = self.crop + (1 - self.crop) * draw()
            batch = cut(batch, scale, (2 * draw(2) - 1) * (1 - scale)[:, None])
        brightness = 1 + self.gain * (2 * draw(1, 1, 1) - 1)
        colour = 1 + self.gain / 2 * (2 * draw(3, 1, 1) - 1)
        images = (batch.images * brightness * colour).clamp(0, 1)
        images = images + self.tone * (2 * draw(1, 1, 1) - 1) * images * (1 - images)
        source = device if generator is None else generator.device
        noise = torch.randn(images.shape, generator=generator, device=source).to(device)
        images = images + self.noise * draw(1, 1, 1) * noise
        return NormalBatch(images.clamp(0, 1), batch.normals, batch.mask)


def mirrored(batch: NormalBatch, chosen: Bool[Tensor, " batch"]) -> NormalBatch:
    """The batch with the chosen pictures mirrored left to right: twice is the batch itself.

    Example:
        >>> batch = NormalBatch(torch.rand(1, 3, 2, 2), torch.ones(1, 3, 2, 2), torch.ones(1, 2, 2).bool())
        >>> mirrored(batch, torch.tensor([True])).normals[0, :, 0, 0]
        tensor([-1.,  1.,  1.])
    """
    pick = chosen[:, None, None, None]
    sign = torch.tensor([-1.0, 1.0, 1.0], device=batch.normals.device)[:, None, None]
    return NormalBatch(
        torch.where(pick, batch.images.flip(-1), batch.images),
        torch.where(pick, batch.normals.flip(-1) * sign, batch.normals),
        torch.where(pick[:, 0], batch.mask.flip(-1), batch.mask),
    )


def cut(batch: NormalBatch, scale: Float[Tensor, " batch"], shift: Float[Tensor, "batch 2"]) -> NormalBatch:
    """Parts of the pictures at their full size: `scale` of the width, moved by `shift` half widths and heights."""
    count, _, height, width = batch.images.shape
    affine = torch.zeros(count, 2, 3, device=batch.images.device)
    affine[:, 0, 0] = affine[:, 1, 1] = scale
    affine[:, :, 2] = shift
    grid = functional.affine_grid(affine, [count, 3, height, width], align_corners=False)
    images = functional.grid_sample(batch.images, grid, "bilinear", "border", align_corners=False)
    exact = torch.cat([batch.normals, batch.mask[:, None].to(batch.normals.dtype)], 1)
    exact = functional.grid_sample(exact, grid, "nearest", "zeros", align_corners=False)
    return NormalBatch(images, exact[:, :3], exact[:, 3] > 0.5)
