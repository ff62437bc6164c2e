"""From light to a picture: optics, exposure, electrons, grey values.

In this order: wings of the point spread and blooming, blur, vignetting, exposure, shot and read noise, contrast over
a pedestal, tone curve, saturation. Each view draws its own numbers from the ranges of the camera.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

Range = tuple[float, float]


@dataclass(frozen=True)
class Sensor:
    """A camera with its settings, as ranges: uniform between the two."""

    # Radiance 1 becomes this part of full scale.
    exposure: Range = (1.0, 1.0)
    # Tone curve: grey = signal ** gamma.
    gamma: Range = (1.0, 1.0)
    # Grey of no light, and what full scale is above it.
    pedestal: Range = (0.0, 0.0)
    contrast: Range = (1.0, 1.0)
    # Standard deviation of the blur, in thousandths of the picture's width.
    blur: Range = (1.0, 1.0)
    # Share of the light that the optics scatter widely, and share of what a full pixel spills around itself.
    scatter: Range = (0.0, 0.0)
    bloom: Range = (0.0, 0.0)
    # How much darker the corners are.
    vignetting: Range = (0.0, 0.0)
    # Electrons of a full pixel, which set shot noise, and read noise as a share of full scale.
    electrons: Range = (2e4, 2e4)
    read_noise: Range = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse ranges the wrong way round."""
        for field in fields(self):
            low, high = getattr(self, field.name)
            if not 0 <= low <= high:
                raise ValueError(f"expected {field.name} of zero or more, lowest first, got {low:g} and {high:g}")


def expose(
    radiance: Float[Tensor, "views height width"], sensor: Sensor, generator: torch.Generator
) -> UInt8[Tensor, "views height width"]:
    """Grey pictures of radiances; views differ in what the sensor's ranges leave open.

    Example:
        >>> expose(torch.full((1, 30, 48), 2.0), Sensor(), torch.Generator())[0, 15, 20]
        tensor(255, dtype=torch.uint8)
    """
    count = len(radiance)

    def draw(span: Range) -> Float[Tensor, "views 1 1"]:
        return span[0] + (span[1] - span[0]) * torch.rand(count, 1, 1, generator=generator)

    signal = radiance * draw(sensor.exposure)
    if sensor.scatter[1] > 0 or sensor.bloom[1] > 0:
        signal = _spread(signal, draw(sensor.scatter), draw(sensor.bloom))
    if sensor.blur[1] > 0:
        signal = blurred(signal, draw(sensor.blur)[:, 0, 0] / 1000 * radiance.shape[2])
    if sensor.vignetting[1] > 0:
        signal *= 1 - draw(sensor.vignetting) * _square_radius(signal)
    variance = (signal / draw(sensor.electrons)).add_(draw(sensor.read_noise).square())
    noise = torch.randn(signal.shape, generator=generator)
    signal.addcmul_(noise, variance.sqrt_())
    # A full pixel holds no more; then the amplifier, whose numbers end at full scale too.
    signal = signal.clamp_(0, 1) * draw(sensor.contrast) + draw(sensor.pedestal)
    grey = signal.clamp_(1e-6, 1).pow_(draw(sensor.gamma))
    return grey.mul_(255).round_().to(torch.uint8)


def blurred(
    pictures: Float[Tensor, "views height width"], deviation: Float[Tensor, " views"]
) -> Float[Tensor, "views height width"]:
    """Under a Gaussian of so many pixels each, edges continued.

    Example:
        >>> blurred(torch.ones(1, 8, 8), torch.ones(1)).allclose(torch.ones(1, 8, 8))
        True
    """
    reach = int(3 * float(deviation.max())) + 1
    place = torch.arange(-reach, reach + 1, dtype=pictures.dtype, device=pictures.device)
    kernel = (-0.5 * (place / deviation[:, None].clamp_min(1e-3)).square()).clamp_min(-80).exp()
    kernel = (kernel / kernel.sum(-1, keepdim=True))[:, None, None]
    # A group for each picture: batches of one channel are several times slower on a processor.
    padded = functional.pad(pictures[None], (reach, reach, reach, reach), mode="replicate")
    half = functional.conv2d(padded, kernel, groups=len(pictures))
    return functional.conv2d(half, kernel.mT.contiguous(), groups=len(pictures))[0]


def _spread(
    signal: Float[Tensor, "views height width"], scatter: Float[Tensor, "views 1 1"], bloom: Float[Tensor, "views 1 1"]
) -> Float[Tensor, "views height width"]:
    """Wide wings: a share of all light, and more of what exceeds a full pixel; on a picture of a quarter's size."""
    height, width = signal.shape[1:]
    cell = 4 if min(height, width) >= 64 else 1
    share = scatter * signal + bloom * (signal - 1).clamp_min(0)
    small = functional.avg_pool2d(share[:, None], cell, ceil_mode=True)[:, 0]
    near, far = (blurred(small, torch.full((len(small),), part * width / cell)) for part in (0.008, 0.03))
    wings = functional.interpolate((0.6 * near + 0.4 * far)[:, None], (height, width), mode="bilinear")[:, 0]
    return signal * (1 - scatter) + wings


def _square_radius(pictures: Float[Tensor, "views height width"]) -> Float[Tensor, "height width"]:
    """Squared distance from the middle, 1 in the corners."""
    height, width = pictures.shape[1:]
    down, across = torch.linspace(-height, height, height), torch.linspace(-width, width, width)
    return (down.square()[:, None] + across.square()) / (height**2 + width**2)
