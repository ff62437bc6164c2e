r"""Figures of surface normals: angles between prediction and truth at valid pixels, pooled over all pictures.

.. math:: E = \arccos(\hat n \cdot n),\quad \text{mean},\ \text{median},\ \text{rmse} = \sqrt{\overline{E^2}},\quad
    \text{share with } E < 11.25°, 22.5°, 30°

Pooled means that a picture with more valid pixels weighs more, as in the published evaluations of NYUv2.

Reference: Data-driven 3D primitives (Fouhey, Gupta and Hebert, ICCV 2013); Spherical Regression (CVPR 2019), eval_sn.py
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from armillary.data.normals import camera_facing

THRESHOLDS_DEG = (11.25, 22.5, 30.0)


@dataclass(frozen=True)
class NormalFigures:
    """Angles in degrees and shares of pixels below the thresholds, in [0, 1]."""

    mean_deg: float
    median_deg: float
    rmse_deg: float
    within_11_25: float
    within_22_5: float
    within_30: float
    pixels: int

    def to_json(self) -> dict[str, float | int]:
        """Plain numbers that `json.dump` takes."""
        return asdict(self)

    def __str__(self) -> str:
        shares = " / ".join(f"{100 * share:.1f}" for share in (self.within_11_25, self.within_22_5, self.within_30))
        return (
            f"mean {self.mean_deg:.2f}°, median {self.median_deg:.2f}°, rmse {self.rmse_deg:.2f}°, "
            f"{shares} % within 11.25 / 22.5 / 30° ({self.pixels:,} pixels)"
        )


def angles_deg(
    predicted: Float[Tensor, "3 height width"], truth: Float[Tensor, "3 height width"]
) -> Float[Tensor, "height width"]:
    """Angle between unit normals at each pixel, degrees; exact for small angles too.

    Example:
        >>> front, side = torch.tensor([0.0, 0, -1])[:, None, None], torch.tensor([1.0, 0, 0])[:, None, None]
        >>> angles_deg(front, side)
        tensor([[90.]])
    """
    # Half the angle from chords: an arccosine loses half its digits near 0.
    apart, along = (torch.linalg.vector_norm(predicted + sign * truth, dim=0) for sign in (-1.0, 1.0))
    return torch.rad2deg(2 * torch.atan2(apart, along))


def valid_angles_deg(
    predicted: Float[Tensor, "3 rows columns"],
    truth: Float[Tensor, "3 height width"],
    mask: Bool[Tensor, "height width"],
) -> Float[Tensor, " pixels"]:
    """The angles of the pixels in the mask, degrees; ValueError if there are none or the prediction has no direction.

    Example:
        >>> front = torch.tensor([0.0, 0, -1])[:, None, None].expand(3, 2, 2)
        >>> valid_angles_deg(front, front, torch.tensor([[True, True], [False, True]])).tolist()
        [0.0, 0.0, 0.0]
    """
    if predicted.shape != truth.shape:
        raise ValueError(
            f"expected normals of {tuple(truth.shape[1:])} pixels as the truth, got {tuple(predicted.shape[1:])}; "
            "resize them (to_full_size)"
        )
    if not bool(mask.any()):
        raise ValueError("expected pixels with a true normal, got an empty mask; leave the picture out")
    length = torch.linalg.vector_norm(predicted[:, mask], dim=0)
    if not bool(((length - 1).abs() < 0.1).all()):
        raise ValueError("expected predicted normals of unit length, got others; normalise them")
    return angles_deg(predicted, truth)[mask]


def sign_accuracy(
    predicted: Float[Tensor, "3 height width"],
    truth: Float[Tensor, "3 height width"],
    mask: Bool[Tensor, "height width"],
) -> float:
    """Share of valid pixels whose normal lies in the right quarter of the xy-plane turned by 45 degrees.

    These are the four sign classes of Spherical Regression: floor, ceiling and the two side walls amid one each.

    Example:
        >>> floor, wall = torch.tensor([0.1, -0.9, -0.4])[:, None, None], torch.tensor([0.9, 0.1, -0.4])[:, None, None]
        >>> sign_accuracy(floor, wall, torch.tensor([[True]]))
        0.0
    """
    right = torch.ones_like(mask)
    for sign in (-1.0, 1.0):
        right &= (predicted[0] + sign * predicted[1] > 0) == (truth[0] + sign * truth[1] > 0)
    return right[mask].double().mean().item()


def to_full_size(
    normals: Float[Tensor, "3 height width"], size: tuple[int, int]
) -> Float[Tensor, "3 full_height full_width"]:
    """Predictions at the size (height, width) of the truth, by the nearest pixel, facing the camera: the official way.

    Example:
        >>> to_full_size(torch.tensor([0.0, 0, -1])[:, None, None], (2, 3)).shape
        torch.Size([3, 2, 3])
    """
    return camera_facing(functional.interpolate(normals[None], size, mode="nearest")[0])


def normal_figures(angles: Sequence[Float[Tensor, " _"]]) -> NormalFigures:
    """Figures of the angles of all pictures, pooled.

    Example:
        >>> normal_figures([torch.tensor([0.0, 10.0]), torch.tensor([20.0])]).median_deg
        10.0
    """
    count = sum(len(each) for each in angles)
    if count == 0:
        raise ValueError("expected angles of at least one pixel, got none; name pictures with normals")
    # Sums picture by picture and a partition: NYUv2's test pictures have 200 million pixels.
    mean = sum(each.double().sum().item() for each in angles) / count
    square = sum(each.double().square().sum().item() for each in angles) / count
    within = [sum(int((each < limit).sum()) for each in angles) / count for limit in THRESHOLDS_DEG]
    median = float(np.median(torch.cat([*angles]).cpu().numpy()))
    return NormalFigures(mean, median, square**0.5, *within, pixels=count)
