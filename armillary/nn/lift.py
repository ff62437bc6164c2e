"""Lifts: a feature map of the picture becomes signals on the sphere, given by their coefficients.

Frame: the sphere is the camera's (x right, y down, z forward), and its hemisphere that faces the camera, z < 0, is seen
along the optical axis z. Turning the picture by t about its centre therefore turns the signal by Rz(t), as it turns
the object's rotation R into Rz(t) R.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import s2_size, spherical_harmonics
from armillary.nn.activation import S2Activation
from armillary.so3.grid import s2_grid


class Lift(nn.Module, ABC):
    """Feature maps to coefficients of signals on the sphere."""

    @abstractmethod
    def forward(self, features: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch signals coeffs"]:
        """Coefficients of the signals, flat."""


def hemisphere(axis: Literal["z", "y"] = "z", level: int = 2) -> Float[Tensor, "points 3"]:
    """HEALPix points at most 90 degrees from the pole, in the camera's frame, in float64.

    The pole is -z, towards the camera. ``"y"`` puts it where Image2Sphere has it: sideways to the line of sight.

    Example:
        >>> hemisphere().shape
        torch.Size([104, 3])
    """
    points = s2_grid(level).double()
    # 1e-9: the equator's points count, whatever the rounding.
    x, y, z = points[points[:, 2] > -1e-9].unbind(-1)
    return torch.stack((x, y, -z), -1) if axis == "z" else torch.stack((y, z, x), -1)


def picture_position(points: Float[Tensor, "points 3"], axis: Literal["z", "y"]) -> Float[Tensor, "points 2"]:
    """Orthographic picture position (column, row) of points on the sphere, each in [-1, 1].

    Example:
        >>> picture_position(torch.tensor([[0.6, 0.0, -0.8]]), "z")
        tensor([[0.6000, 0.0000]])
    """
    return points[:, :2] if axis == "z" else points[:, ::2]


def _node(count: int) -> Float[Tensor, " count"]:
    """Positions of the map's pixels, from -1 to 1."""
    return torch.linspace(-1, 1, count, dtype=torch.float64) if count > 1 else torch.zeros(1, dtype=torch.float64)


class SpatialLift(Lift):
    """Orthographic projection of the feature map onto the hemisphere that faces the camera.

    Each HEALPix point reads the map, after a 1x1 convolution, with learned weights that start as Gaussians about the
    point's place in the picture and fade out towards the limb. In training a random subset of the points may
    be used (as dropout); in eval mode all of them are, so the result is deterministic.

    Args:
        channels_in: Channels of the feature map.
        channels: Number of signals.
        lmax: Largest degree, inclusive.
        map_size: Rows and columns of the feature map.
        axis: Where the pole is: ``"z"`` aligned with the optical axis; ``"y"`` the original's.
        coverage: Where the limb is in the map, as a fraction of its half size.
        sigma: Of the Gaussians, in half map sizes; 0.6 pixels of the map when None (the original's 0.2 for 7 x 7).
        taper_deg: Polar angle in degrees at which the fade to 0 at 90 degrees begins.
        training_points: Number of random points used in training; all when None.
        frame: Rotation from the camera's frame to the one the coefficients refer to; none when None.

    Reference: Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926, section 4.1

    Example:
        >>> SpatialLift(8, 4, lmax=6, map_size=(3, 3))(torch.rand(2, 8, 3, 3)).shape
        torch.Size([2, 4, 49])
    """

    basis: Tensor

    def __init__(
        self,
        channels_in: int,
        channels: int,
        lmax: int,
        map_size: tuple[int, int],
        axis: Literal["z", "y"] = "z",
        coverage: float = 0.9,
        sigma: float | None = None,
        taper_deg: float = 75.0,
        training_points: int | None = None,
        frame: Float[Tensor, "3 3"] | None = None,
    ) -> None:
        super().__init__()
        if axis not in ("z", "y"):
            raise ValueError(f"expected the lift's axis 'z' or 'y', got {axis!r}; use 'z'")
        points = hemisphere(axis)
        if training_points is not None and not 1 <= training_points <= len(points):
            raise ValueError(f"expected 1 to {len(points)} training points, got {training_points}; use None for all")
        self.training_points = training_points
        self.projection = nn.Conv2d(channels_in, channels, 1)
        column, row = (picture_position(points, axis) * coverage).unbind(-1)
        sigma = sigma or 1.2 / max(max(map_size) - 1, 1)
        squares = (_node(map_size[0])[:, None, None] - row) ** 2 + (_node(map_size[1])[None, :, None] - column) ** 2
        gaussian = torch.exp(-squares / (2 * sigma**2)).flatten(0, 1)
        pole_cosine = -points[:, 2] if axis == "z" else points[:, 1]
        angle = torch.rad2deg(torch.acos(pole_cosine.clamp(-1, 1)))
        taper = ((angle - 90) / (taper_deg - 90)).clamp(0, 1)
        self.weight = nn.Parameter((gaussian / gaussian.sum(0) * taper).to(torch.get_default_dtype()))
        turned = points if frame is None else points @ frame.double().mT
        basis = spherical_harmonics(lmax, turned) / math.sqrt(len(points))
        self.register_buffer("basis", basis.to(torch.get_default_dtype()), persistent=False)

    def forward(self, features: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch signals coeffs"]:
        """Coefficients of the signals, flat."""
        weight, basis = self.weight, self.basis
        if self.training and self.training_points is not None:
            chosen = torch.randperm(len(basis), device=basis.device)[: self.training_points]
            # The factor keeps the expected sum, so that training and eval see signals of one scale.
            weight, basis = weight[:, chosen], basis[chosen] * (len(basis) / self.training_points)
        return torch.relu(self.projection(features).flatten(2) @ weight) @ basis


class HarmonicLift(Lift):
    """Coefficients from pooled features by a small network, then a pointwise activation on the sphere.

    It has no picture geometry: turning the picture turns nothing by construction.

    Args:
        channels_in: Channels of the feature map.
        channels: Number of signals.
        lmax: Largest degree, inclusive.
        hidden: Width of the hidden layer.
        activation: The pointwise activation; our default grid when None.

    Reference: Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926, section 4.1

    Example:
        >>> HarmonicLift(8, 4, lmax=6)(torch.rand(2, 8, 3, 3)).shape
        torch.Size([2, 4, 49])
    """

    def __init__(
        self, channels_in: int, channels: int, lmax: int, hidden: int = 512, activation: S2Activation | None = None
    ) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(channels_in, hidden), nn.ReLU(), nn.Linear(hidden, channels * s2_size(lmax))
        )
        self.channels = channels
        self.activation = activation or S2Activation(lmax)

    def forward(self, features: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch signals coeffs"]:
        """Coefficients of the signals, flat."""
        coeffs = self.network(features.mean((-2, -1)))
        return self.activation(coeffs.unflatten(-1, (self.channels, -1)))
