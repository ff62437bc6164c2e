r"""The camera of SPEED and SPEED+: a pinhole behind a lens, and pictures as the pinhole alone would take them.

With :math:`x = X/Z,\ y = Y/Z,\ r^2 = x^2 + y^2` a point appears at :math:`u = f_x x' + c_x,\ v = f_y y' + c_y`,

.. math:: x' = x (1 + k_1 r^2 + k_2 r^4 + k_3 r^6) + 2 p_1 x y + p_2 (r^2 + 2 x^2)

and likewise for y (Brown). In SPEED+ that moves the corners of a picture by 25 pixels. The files place the principal
point at half the picture's size, (960, 600): coordinates in which the top-left pixel's centre is (0.5, 0.5).
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.record import read_json

_REMEDY = "restore camera.json from the data set"


@dataclass(frozen=True)
class LensCamera:
    """Focal lengths and principal point in pixels (centre of the top-left pixel at (0, 0)), lens, picture size.

    Example:
        >>> half = SPEED_CAMERA.resized(960, 600)
        >>> half.cx, SPEED_CAMERA.cx
        (479.5, 959.5)
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    # k1, k2, p1, p2, k3.
    lens: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def intrinsics(self) -> Float[Tensor, "3 3"]:
        """Pinhole matrix, float64."""
        return torch.tensor([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=torch.float64)

    def resized(self, width: int, height: int) -> "LensCamera":
        """The camera of the picture stretched to another size; the lens acts before that and stays."""
        across, down = width / self.width, height / self.height
        cx, cy = (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        return replace(self, fx=self.fx * across, fy=self.fy * down, cx=cx, cy=cy, width=width, height=height)

    def project(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
        """Where points in the camera frame appear in the picture as taken, pixels."""
        bent = self._bent(points[..., :2] / points[..., 2:])
        return bent * points.new_tensor([self.fx, self.fy]) + points.new_tensor([self.cx, self.cy])

    def straighten(
        self, picture: Float[Tensor, "channels height width"], nearest: bool = False
    ) -> Float[Tensor, "channels height width"]:
        """The picture that the pinhole alone would take, black where the lens did not reach.

        Args:
            picture: as taken.
            nearest: take the nearest pixel instead of the mean of four, as for masks.
        """
        if not any(self.lens):
            return picture
        mode = "nearest" if nearest else "bilinear"
        grid = _sources(self).to(picture)
        return torch.nn.functional.grid_sample(picture[None], grid, mode, "zeros", align_corners=False)[0]

    def _bent(self, flat: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Through the lens: x', y' of x, y."""
        k1, k2, p1, p2, k3 = self.lens
        x, y = flat.unbind(-1)
        square = x * x + y * y
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        across = x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x)
        down = y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y
        return torch.stack([across, down], -1)


# Focal length 17.6 mm, pixels of 5.86 um: https://gitlab.com/EuropeanSpaceAgency/speed-utils, utils.py.
SPEED_CAMERA = LensCamera(0.0176 / 5.86e-6, 0.0176 / 5.86e-6, 959.5, 599.5, 1920, 1200)
# What camera.json of SPEED+ holds.
SPEEDPLUS_CAMERA = LensCamera(
    fx=2988.5795163815555,
    fy=2988.3401159176124,
    cx=959.5,
    cy=599.5,
    width=1920,
    height=1200,
    lens=(
        -0.22383016606510672,
        0.51409797089106379,
        -0.00066499611998340662,
        -0.00021404771667484594,
        -0.13124227429077406,
    ),
)


@functools.lru_cache(maxsize=4)
def _sources(camera: LensCamera) -> Float[Tensor, "1 height width 2"]:
    """Where each pixel of the straight picture lies in the one taken, in `grid_sample`'s units."""
    rows = (torch.arange(camera.height, dtype=torch.float64) - camera.cy) / camera.fy
    columns = (torch.arange(camera.width, dtype=torch.float64) - camera.cx) / camera.fx
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    pixels = camera.project(torch.stack([across, down, torch.ones_like(down)], -1))
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    return ((2 * pixels + 1) / size - 1).float()[None]


def read_lens_camera(path: Path) -> LensCamera:
    """The camera in a camera.json of SPEED+: Nu, Nv, cameraMatrix (3 x 3) and perhaps distCoeffs (5)."""
    record = read_json(path, _REMEDY)
    size = [record.get(key) for key in ("Nu", "Nv")]
    if not all(isinstance(side, int | float) and side >= 1 and side == int(side) for side in size):
        raise ValueError(f"{path}: expected the picture's size in pixels as Nu and Nv, got {size}; {_REMEDY}")
    matrix = _numbers(record.get("cameraMatrix"), 9, path, "cameraMatrix as 3 x 3 numbers")
    lens = _numbers(record.get("distCoeffs") or [0.0] * 5, 5, path, "distCoeffs as 5 numbers")
    fx, skew, cx, zero, fy, cy = matrix[:6]
    if not (fx > 0 and fy > 0 and skew == zero == 0 and (matrix[6:] == [0, 0, 1]).all()):
        raise ValueError(
            f"{path}: expected cameraMatrix with focal lengths above zero and no skew, got {matrix.tolist()}; {_REMEDY}"
        )
    k1, k2, p1, p2, k3 = lens.tolist()
    return LensCamera(
        float(fx),
        float(fy),
        float(cx) - 0.5,
        float(cy) - 0.5,
        int(record["Nu"]),
        int(record["Nv"]),
        (k1, k2, p1, p2, k3),
    )


def _numbers(values: object, count: int, path: Path, what: str) -> Float[np.ndarray, "{count}"]:
    try:
        array = np.array(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        array = np.empty(0)
    if len(array) != count or not np.isfinite(array).all():
        raise ValueError(f"{path}: expected {what}, got {' '.join(f'{values!r:.60}'.split())}; {_REMEDY}")
    return array
