"""What stands behind a satellite: space or the Earth, the walls of a laboratory, the glare of a lamp. Radiances."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def earth(
    size: int, height: int, width: int, share: float, generator: torch.Generator
) -> Float[Tensor, "{size} {height} {width}"]:
    """Black space; in a share of the views the Earth with clouds, whole frames of it or its limb.

    Example:
        >>> earth(2, 30, 48, 1.0, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 30, 48])
    """
    # Half the resolution: clouds are smooth.
    down, across = -(-height // 2), -(-width // 2)
    clouds = cloudy(size, down, across, (5, 11, 23, 47), generator)
    sky = 0.10 + 0.75 * ((clouds + 0.1) / 0.6).clamp(0, 1)
    angle, offset, bright, there = torch.rand(4, size, 1, 1, generator=generator)
    angle = 2 * math.pi * angle
    y, x = _plane(down, across)
    along, aside = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    # The limb bends away; its atmosphere is a soft edge.
    limb = ((along + 0.12 * aside.square() + 2.0 * offset - 0.8) / 0.03).clamp(0, 1)
    small = sky * limb * (0.25 + 0.5 * bright) * (there < share)
    return functional.interpolate(small[:, None], (height, width), mode="bilinear")[:, 0]


def laboratory(
    size: int, height: int, width: int, generator: torch.Generator
) -> Float[Tensor, "{size} {height} {width}"]:
    """Grey curtains, their folds and the rails before them, out of focus.

    Example:
        >>> float(laboratory(1, 30, 48, torch.Generator().manual_seed(0)).min()) >= 0
        True
    """
    down, across = -(-height // 2), -(-width // 2)
    base = 0.02 + 0.08 * torch.rand(size, 1, 1, generator=generator)
    wall = base * (1 + 0.8 * cloudy(size, down, across, (2, 4), generator))
    frequency, phase, tilt = torch.rand(3, size, 1, 1, generator=generator)
    y, x = _plane(down, across)
    folds = ((8 + 18 * frequency) * (x + 0.3 * (tilt - 0.5) * y) + 2 * math.pi * phase).sin()
    wall = wall * (1 + 0.25 * folds)
    for _ in range(3):
        angle, place, thick, grey = torch.rand(4, size, 1, 1, generator=generator)
        steep = math.pi * angle
        off = (x * steep.cos() + y * steep.sin() - 1.6 * (place - 0.5)).abs()
        rail = ((0.02 + 0.06 * thick - off) / 0.02).clamp(0, 1)
        wall = torch.lerp(wall, (0.02 + 0.22 * grey).expand_as(wall), rail)
    return functional.interpolate(wall[:, None], (height, width), mode="bilinear")[:, 0]


def glare(
    size: int, height: int, width: int, sun: Float[Tensor, "{size} 3"], generator: torch.Generator
) -> Float[Tensor, "{size} {height} {width}"]:
    """Black walls, and stray light of a lamp from the side of the frame where it stands.

    Example:
        >>> side = torch.tensor([[1.0, 0.0, 0.0]])
        >>> stray = glare(1, 30, 48, side, torch.Generator().manual_seed(0))[0, 15]
        >>> bool(stray[-1] > stray[0])
        True
    """
    y, x = _plane(height, width)
    strength = 0.02 + 0.25 * torch.rand(size, 1, 1, generator=generator).square()
    lamp = 1.3 * functional.normalize(sun[:, :2], dim=-1)[..., None, None]
    return strength * (-1.5 * (x - lamp[:, 0]).hypot(y - lamp[:, 1])).exp()


def cloudy(
    size: int, height: int, width: int, waves: tuple[int, ...], generator: torch.Generator
) -> Float[Tensor, "{size} {height} {width}"]:
    """Smooth noise about 0, summed over octaves of so many waves across, each half as strong as the one before."""
    total = torch.zeros(size, 1, height, width)
    for octave, count in enumerate(waves):
        rough = torch.rand(size, 1, -(-count * height // width) + 1, count + 1, generator=generator) - 0.5
        total += functional.interpolate(rough, (height, width), mode="bilinear", align_corners=True) / 2**octave
    return total[:, 0]


def _plane(height: int, width: int) -> tuple[Float[Tensor, "height width"], Float[Tensor, "height width"]]:
    """Coordinates down and across from the middle; the picture is 2 wide."""
    tall = height / width
    y, x = torch.meshgrid(torch.linspace(-tall, tall, height), torch.linspace(-1, 1, width), indexing="ij")
    return y, x
