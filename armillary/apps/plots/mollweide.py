"""The field's picture of a distribution over rotations: points on a sphere, coloured by tilt, sized by probability.

A rotation is drawn where one axis of the object points (longitude and latitude of that direction in the camera frame,
Mollweide projection: equal areas), in the colour of the tilt about it, in a disc with an area in proportion to its
probability. Rings mark the true rotation and everything equivalent to it. The axis is the first column of
``CANONICAL``, no symmetry axis of a common shape, so that equivalent rotations fall on different places. With
``R @ CANONICAL = Rz(a) Ry(b) Rx(c)`` longitude is a, latitude is -b and tilt is c.

Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965, Fig. 2.
"""

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb
from torch import Tensor

from armillary.distributions import SO3Distribution
from armillary.so3 import nearest_cell, nearest_rotation, rotation_x, rotation_y, rotation_z

# Samples drawn per picture and the HEALPix level (7.5 degrees) whose cells they are gathered in.
SAMPLES = 2000
CELL_LEVEL = 3
# Area in square points of the disc that stands for probability one, on an axis 4 inches wide.
FULL_DISC = 1100.0
SMALLEST_DISC = 1.5
# Implicit-PDF's choice: turns of 0.4 rad about each axis.
CANONICAL = rotation_z(torch.tensor(0.4)) @ rotation_y(torch.tensor(0.4)) @ rotation_x(torch.tensor(0.4))


def place(
    rotation: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Longitude, latitude and tilt at which a rotation is drawn, radians.

    Example:
        >>> [round(abs(angle.item()), 3) for angle in place(CANONICAL.mT)]
        [0.0, 0.0, 0.0]
    """
    rotation = rotation @ CANONICAL.to(rotation)
    longitude = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    latitude = torch.asin(rotation[..., 2, 0].clamp(-1.0, 1.0))
    tilt = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    return longitude, latitude, tilt


def concentrate(
    density: SO3Distribution, samples: int = SAMPLES, seed: int = 0
) -> tuple[Float[Tensor, "cells 3 3"], Float[Tensor, " cells"]]:
    """A distribution as few weighted rotations: samples gathered in grid cells, each cell's mean and share.

    Works for any distribution however sharp, because nothing is evaluated on a grid.
    """
    generator = torch.Generator(density.mode.device).manual_seed(seed)
    drawn = density.sample(torch.Size((samples,)), generator=generator).reshape(-1, 3, 3).cpu().double()
    cells, index, counts = nearest_cell(drawn, CELL_LEVEL).unique(return_inverse=True, return_counts=True)
    sums = drawn.new_zeros(len(cells), 3, 3).index_add_(0, index, drawn)
    return nearest_rotation(sums), counts / samples


def draw_mollweide(
    axis: Axes,
    density: SO3Distribution,
    truths: Float[Tensor, "equivalents 3 3"] | None = None,
    samples: int = SAMPLES,
) -> None:
    """Draw one distribution on an axis made with ``projection="mollweide"``.

    Args:
        axis: matplotlib axis in the Mollweide projection.
        density: one distribution (batch shape () or (1,)).
        truths: the true rotation and its equivalents, drawn as rings.
        samples: how many rotations to draw from the distribution.
    """
    rotation, weight = concentrate(density, samples)
    # Small discs on top, so that none hides another.
    order = weight.argsort(descending=True)
    longitude, latitude, tilt = (angle[order].numpy() for angle in place(rotation))
    area = (FULL_DISC * weight[order]).clamp(min=SMALLEST_DISC).numpy()
    axis.scatter(longitude, latitude, s=area, c=_tilt_colours(tilt), alpha=0.85, linewidths=0, zorder=3, clip_on=False)
    if truths is not None:
        longitude, latitude, tilt = (angle.numpy() for angle in place(truths.cpu().double()))
        ring = 70.0 if len(truths) <= 30 else 40.0
        colours = [tuple(hsv_to_rgb((hue, 1.0, 0.75))) for hue in _hue(tilt)]
        for colour, width in (("white", 2.6), (colours, 1.3)):
            axis.scatter(
                longitude,
                latitude,
                s=ring,
                facecolors="none",
                edgecolors=colour,
                linewidths=width,
                zorder=4,
                clip_on=False,
            )
    axis.grid(True, color="0.85", linewidth=0.5, zorder=0)
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    axis.set_facecolor("0.97")


def draw_tilt_legend(axis: Axes) -> None:
    """Draw the wheel that says which colour stands for which tilt, on an axis made with ``projection="polar"``."""
    angles = np.linspace(-np.pi, np.pi, 361)
    centres = (angles[:-1] + angles[1:]) / 2
    axis.pcolormesh(angles, [0.65, 1.0], _tilt_colours(centres)[None])
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.set_xticks([0, np.pi / 2, np.pi, 3 * np.pi / 2], ["0°", "90°", "180°", "270°"], fontsize=7)
    axis.tick_params(pad=-3)
    axis.spines["polar"].set_visible(False)
    axis.grid(False)
    axis.text(0.5, 0.5, "tilt", transform=axis.transAxes, ha="center", va="center", fontsize=8)


def _hue(tilt: np.ndarray) -> np.ndarray:
    return np.mod(tilt / (2.0 * np.pi), 1.0)


def _tilt_colours(tilt: np.ndarray) -> np.ndarray:
    return hsv_to_rgb([[hue, 0.95, 0.9] for hue in _hue(tilt)])
