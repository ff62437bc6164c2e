r"""Changes to training pictures that a new light, another camera or another background would make, and labels survive.

For training in one domain and use in others that training never sees: a network that has met wilder changes than there
are between domains takes the next domain for one more of them. Nothing here moves a pixel, so rotations and positions
stay true. All channels of a picture change alike: grey pictures stay grey.

References: https://arxiv.org/abs/2007.13003 (random convolutions), https://arxiv.org/abs/2105.11120 (amplitudes mixed),
https://arxiv.org/abs/2203.04275 (what the winners on SPEED+ do).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from armillary.data.rendering.lighting import random_backgrounds

Images = Float[Tensor, "batch channels height width"]
_MOST = {"gain": 5.0, "contrast": 1.0, "convolution": 1.0, "amplitude": 1.0, "light": 5.0, "side": 1.0}


@dataclass(frozen=True)
class DomainAugmentation:
    """Random changes of pictures with values in [0, 1], each with its probability and, after it, its strength.

    Example:
        >>> images = torch.rand(2, 3, 32, 32)
        >>> changed = DomainAugmentation()(images, torch.Generator().manual_seed(0))
        >>> changed.shape, bool(changed.min() >= 0), bool(changed.max() <= 1)
        (torch.Size([2, 3, 32, 32]), True, True)
    """

    # Another background where the mask is 0: a colour, a ramp, clouds. Left out without masks.
    background: float = 0.25
    # The background as it is, inverted. Left out without masks.
    inversion: float = 0.05
    # The sun: a gain that rises by up to e^light across the picture in a random direction, smoothly or at an edge.
    sun: float = 0.25
    light: float = 1.5
    # Another look: one random convolution of 3 x 3, mixed in by up to this share.
    texture: float = 0.15
    convolution: float = 0.7
    # Another look: amplitudes of the Fourier transform mixed with those of another picture, by up to this share.
    spectrum: float = 0.15
    amplitude: float = 0.5
    # Exposure by up to e^gain either way, a random gamma, contrast down by up to this share over a pedestal.
    tone: float = 0.4
    gain: float = 0.9
    contrast: float = 0.6
    # A halo around what is bright, by up to this share of its light.
    bloom: float = 0.15
    halo: float = 0.5
    # Out of focus, or moved, by up to this share of the width.
    blur: float = 0.2
    reach: float = 0.03
    # Shot and read noise: standard deviation at full scale, and of black, up to these.
    noise: float = 0.3
    shot: float = 0.10
    read: float = 0.05
    # A rectangle of one grey, sides up to this share of the picture's.
    cutout: float = 0.15
    side: float = 0.4

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name in _PROBABILITIES else _MOST.get(field.name, 1.0)
            if not 0 <= value <= most:
                raise ValueError(f"expected {field.name} from 0 to {most:g}, got {value:g}; 0 turns it off")

    @classmethod
    def off(cls) -> "DomainAugmentation":
        """Nothing changes.

        Example:
            >>> images = torch.rand(1, 1, 32, 32)
            >>> DomainAugmentation.off()(images) is images
            True
        """
        return cls().scaled(0.0)

    def scaled(self, share: float) -> "DomainAugmentation":
        """The same changes, each this many times as probable.

        Example:
            >>> DomainAugmentation(sun=0.5).scaled(0.5).sun
            0.25
        """
        return replace(self, **{name: min(1.0, share * getattr(self, name)) for name in _PROBABILITIES})

    def __call__(
        self,
        images: Float[Tensor, "batch channels height width"],
        generator: torch.Generator | None = None,
        masks: Float[Tensor, "batch height width"] | Bool[Tensor, "batch height width"] | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Changed copies of the pictures.

        Args:
            images: values in [0, 1].
            generator: of all draws, on the processor or on the images' device.
            masks: 1 where the object is; without them backgrounds stay.
        """
        draw = _Draw(generator, images.device)
        cover = None if masks is None else masks.to(images)[:, None]
        for name, change in _CHANGES.items():
            probability = getattr(self, name)
            if probability == 0 or (cover is None and name in ("background", "inversion")):
                continue
            chosen = (draw(len(images)) < probability).nonzero()[:, 0]
            if len(chosen):
                changed = change(self, images[chosen], draw, None if cover is None else cover[chosen])
                images = images.index_copy(0, chosen, changed.clamp(0, 1))
        return images


@dataclass(frozen=True)
class _Draw:
    """Random numbers in [0, 1), drawn where the generator is."""

    generator: torch.Generator | None
    device: torch.device

    def __call__(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.source).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.source).to(self.device)

    def order(self, count: int) -> Int[Tensor, " count"]:
        return torch.randperm(count, generator=self.generator, device=self.source).to(self.device)

    @property
    def source(self) -> torch.device:
        return self.device if self.generator is None else self.generator.device

    def each(self, images: Tensor) -> Float[Tensor, "batch 1 1 1"]:
        """A number for each picture."""
        return self(len(images), 1, 1, 1)


def _background(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    assert cover is not None
    # That function draws on the processor alone.
    local = torch.Generator().manual_seed(int(draw(1) * 2**24))
    height, width = images.shape[2:]
    behind = random_backgrounds(len(images), height, width, "mixed", local).to(images).mean(-1)[:, None]
    return torch.lerp(behind * draw.each(images), images, cover)


def _inversion(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    assert cover is not None
    return torch.lerp(1 - images, images, cover)


def _sun(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    along, _ = _axes(images, 2 * math.pi * draw.each(images))
    # From a smooth ramp to the edge of a shadow.
    steep = 8 ** (2 * draw.each(images) - 0.5)
    ramp = torch.tanh(steep * (along + draw.each(images) - 0.5))
    return images * (settings.light * draw.each(images) * ramp).exp()


def _texture(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    kernel = draw.normal(len(images), 1, 3, 3) / 3
    # Some kernels invert; the mean stays where it was.
    other = _filtered(images, kernel)
    mean = images.mean((1, 2, 3), keepdim=True)
    other = other - other.mean((1, 2, 3), keepdim=True) + mean
    return torch.lerp(images, other, settings.convolution * draw.each(images))


def _spectrum(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    waves = torch.fft.rfft2(images)
    size = waves.abs().clamp_min(1e-8)
    mixed = torch.lerp(size, size[draw.order(len(images))], settings.amplitude * draw.each(images))
    return torch.fft.irfft2(waves * (mixed / size), s=images.shape[2:])


def _tone(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    exposed = (images * (settings.gain * (2 * draw.each(images) - 1)).exp()).clamp(1e-4, 1)
    curved = exposed ** (settings.gain * (draw.each(images) - 0.5)).exp()
    lost = settings.contrast * draw.each(images)
    return curved * (1 - lost) + lost * draw.each(images)


def _bloom(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    cell = max(1, min(images.shape[2:]) // 16)
    small = functional.avg_pool2d(images.square(), cell, ceil_mode=True)
    wide = _filtered(small, torch.ones(len(images), 1, 3, 3, device=images.device) / 9)
    halo = functional.interpolate(wide, images.shape[2:], mode="bilinear")
    return images + 2 * settings.halo * draw.each(images) * halo


def _blur(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    size = settings.reach * images.shape[3]
    reach = math.ceil(size) + 1
    place = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    radius = size * draw.each(images)
    disc = (radius + 0.5 - place[:, None].hypot(place)).clamp(0, 1)
    angle = math.pi * draw.each(images)
    along, across = (place * turn for turn in (angle.cos(), angle.sin()))
    along, across = along + across.mT, along.mT - across
    path = (radius + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    kernel = torch.where(draw.each(images) < 0.5, disc, path)
    return _filtered(images, kernel / kernel.sum((2, 3), keepdim=True).clamp_min(1e-6))


def _noise(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    shot, read = settings.shot * draw.each(images), settings.read * draw.each(images)
    deviation = (shot.square() * images + read.square()).sqrt()
    return images + deviation * draw.normal(len(images), 1, *images.shape[2:])


def _cutout(settings: DomainAugmentation, images: Images, draw: _Draw, cover: Tensor | None) -> Images:
    height, width = images.shape[2:]

    def within(count: int, dim: int) -> Bool[Tensor, "..."]:
        shape = [1, 1, 1, 1]
        shape[dim] = count
        place = torch.linspace(0, 1, count, device=images.device).reshape(shape)
        return (place - draw.each(images)).abs() < settings.side / 2 * draw.each(images)

    return torch.where(within(height, 2) & within(width, 3), draw.each(images), images)


# In the order in which light, optics and sensor act.
_CHANGES: dict[str, Callable[[DomainAugmentation, Tensor, _Draw, Tensor | None], Tensor]] = {
    "background": _background,
    "inversion": _inversion,
    "sun": _sun,
    "texture": _texture,
    "spectrum": _spectrum,
    "bloom": _bloom,
    "blur": _blur,
    "tone": _tone,
    "noise": _noise,
    "cutout": _cutout,
}
_PROBABILITIES = tuple(_CHANGES)


def _axes(images: Images, angle: Float[Tensor, "batch 1 1 1"]) -> tuple[Tensor, Tensor]:
    """Coordinates along a direction of the picture and across it, -1 to 1 from side to side."""
    height, width = images.shape[2:]
    y, x = (torch.linspace(-1, 1, count, device=images.device) for count in (height, width))
    return x * angle.cos() + y[:, None] * angle.sin(), y[:, None] * angle.cos() - x * angle.sin()


def _filtered(images: Images, kernel: Float[Tensor, "batch 1 rows columns"]) -> Images:
    """Each picture under a filter of its own, edges continued."""
    reach = kernel.shape[-1] // 2
    # Pictures become channels: a group for each is several times faster than a loop over them.
    padded = functional.pad(images.transpose(0, 1), (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(padded, kernel, groups=len(images)).transpose(0, 1)
