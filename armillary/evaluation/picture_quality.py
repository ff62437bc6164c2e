r"""How near a picture is to the true one: absolute error, signal-to-noise ratio, structural similarity.

.. math:: \mathrm{L1} = \overline{|x - y|},\qquad \mathrm{PSNR} = -10 \log_{10} \overline{(x - y)^2}\ \text{dB}

for values in [0, 1]; means over pixels and colours, one figure for each picture. Averages are over pictures, so that of
PSNR is a mean of logarithms, as usual.
"""

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from armillary.data.structural_similarity import ssim

# Mean squared error below which pictures count as equal: PSNR is at most 100 dB, and averages stay finite.
LEAST_ERROR = 1e-10
# Pictures of 64 px in single precision that fit into the processor's cache with all that is computed of them.
AT_ONCE = 32


@dataclass(frozen=True)
class QualityFigures:
    """Means over pictures."""

    l1: float
    psnr: float
    ssim: float

    def to_json(self) -> dict[str, float]:
        """Plain numbers that `json.dump` takes."""
        return asdict(self)


@dataclass(frozen=True)
class PictureQuality:
    """Figures of each picture.

    Example:
        >>> quality = picture_quality(torch.ones(2, 3, 16, 16), torch.zeros(2, 3, 16, 16))
        >>> quality.mean(torch.tensor([True, False])).l1
        1.0
    """

    l1: Float[Tensor, " pictures"]
    psnr: Float[Tensor, " pictures"]
    ssim: Float[Tensor, " pictures"]

    def mean(self, chosen: Bool[Tensor, " pictures"]) -> QualityFigures | None:
        """Of the chosen pictures; None if there are none."""
        if not bool(chosen.any()):
            return None
        l1, psnr_, ssim_ = (each[chosen].double().mean().item() for each in (self.l1, self.psnr, self.ssim))
        return QualityFigures(l1, psnr_, ssim_)


def psnr(
    pictures: Float[Tensor, "*batch colours height width"], truth: Float[Tensor, "*batch colours height width"]
) -> Float[Tensor, "*batch"]:
    """Peak signal-to-noise ratio of each picture with values in [0, 1], dB; 100 for equal pictures.

    Example:
        >>> psnr(torch.full((3, 16, 16), 0.1), torch.zeros(3, 16, 16))
        tensor(20.)
    """
    error = (pictures - truth).square().mean((-3, -2, -1)).clamp_min(LEAST_ERROR)
    return 10 * error.reciprocal().log10()


def picture_quality(
    pictures: Float[Tensor, "pictures 3 height width"] | UInt8[Tensor, "pictures 3 height width"],
    truth: Float[Tensor, "pictures 3 height width"] | UInt8[Tensor, "pictures 3 height width"],
) -> PictureQuality:
    """All figures of pictures with values in [0, 1], or of bytes.

    Example:
        >>> white, black = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8), torch.zeros(1, 3, 16, 16)
        >>> picture_quality(white, black).psnr
        tensor([0.])
    """
    parts = [_quality(*pair) for pair in zip(pictures.split(AT_ONCE), truth.split(AT_ONCE), strict=True)]
    l1, psnr_, ssim_ = (torch.cat(part) for part in zip(*parts, strict=True))
    return PictureQuality(l1, psnr_, ssim_)


def unit(pictures: Tensor) -> Float[Tensor, "*batch"]:
    """Bytes as values in [0, 1]; floats as they are.

    Example:
        >>> unit(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([0., 1.])
    """
    return pictures if pictures.is_floating_point() else pictures.float() / 255


def _quality(pictures: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    pictures, truth = unit(pictures), unit(truth)
    return (pictures - truth).abs().mean((-3, -2, -1)), psnr(pictures, truth), ssim(pictures, truth)
