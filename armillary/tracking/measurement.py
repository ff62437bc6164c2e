"""One frame's density as the filter asks it: values at rotations, and where its peaks are."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.distributions import HarmonicDistribution, Mixture, SO3Distribution
from armillary.distributions.families.clouded import CloudedDistribution
from armillary.harmonics import evaluate_on_so3_grid, find_peaks
from armillary.harmonics.constant import constant
from armillary.so3 import so3_grid

MOST = 64  # peaks
DEPTH = 8.0  # nats below the highest that peaks are looked for
SHARP = 25.0  # nats between the highest and the lowest node, from which nodes say too little of the peaks between them
FLAT = 0.1  # nats: a log density whose largest value is less says nothing
LEVEL = 2  # of the grid that a density is looked at, 15 degrees apart
APART = math.radians(24.0)  # a node is a peak if none nearer than this is higher
ROUGH = math.radians(6.0)  # standard deviation of a peak's distance from its node about each axis
TOGETHER = 128  # rotations evaluated at a time: their Wigner matrices stay in the cache


class Peaks(NamedTuple):
    """Peaks of a density, or rotations near them.

    Attributes:
        rotation: Where.
        log_prob: How high.
        width: Standard deviation about each axis that peaks so high have if they hold all the mass.
        rough: Standard deviation about each axis of what the rotations are off their peaks.
    """

    rotation: Float[Tensor, "peaks 3 3"]
    log_prob: Float[Tensor, " peaks"]
    width: float
    rough: float


class Measurement:
    """A density over R_cam_obj, evaluated in its own dtype and on its own device; answers are float64 on the CPU.

    Args:
        density: One distribution, batch shape () or (1,).

    Example:
        >>> from armillary.distributions import MatrixFisher
        >>> Measurement(MatrixFisher.isotropic(torch.eye(3), sigma=0.1)).peaks().rotation.shape
        torch.Size([1, 3, 3])
    """

    def __init__(self, density: SO3Distribution) -> None:
        if density.batch_shape not in ((), (1,)):
            raise ValueError(
                f"expected one density, got a batch of {tuple(density.batch_shape)}; update by one a frame"
            )
        self.density = density
        self._near, self._rough = _summits(density)

    def log_prob(self, rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
        """Log density for Haar probability."""
        value = rotation.reshape(-1, *([1] * len(self.density.batch_shape)), 3, 3).to(self._near)
        with torch.no_grad():
            parts = [self.density.log_prob(part) for part in value.split(TOGETHER)]
        found = torch.cat(parts).reshape(rotation.shape[:-2]).double().cpu()
        return _checked(found).clamp(min=-1e6)

    def peaks(self) -> Peaks:
        """The peaks within reach of the highest; none where the density is flat."""
        rotation = self._near.double().cpu()
        height = self.log_prob(rotation) if len(rotation) else rotation.new_zeros(0)
        if not len(height):
            return Peaks(rotation, height, 0.5, 0.0)
        rotation, height = (each[height > height.max() - DEPTH] for each in (rotation, height))
        # A Gaussian of mass m and variance s^2 is m 8 pi^2 / (2 pi s^2)^(3/2) high.
        width = math.exp((math.log(8 * math.pi**2) - 1.5 * math.log(2 * math.pi) - float(height.logsumexp(0))) / 3)
        return Peaks(rotation, height, min(width, 0.5), self._rough)


@torch.no_grad()
def _summits(density: SO3Distribution) -> tuple[Float[Tensor, "peaks 3 3"], float]:
    """Peaks, or rotations near them and how near, by what is known of the family; none of a flat density."""
    if isinstance(density, HarmonicDistribution) and density.batch_shape.numel() == 1:
        coeffs = density.coeffs.detach().reshape(-1)
        values = evaluate_on_so3_grid(coeffs, LEVEL)
        if values.max() - values.min() < SHARP or not bool(values.isfinite().all()):
            return _highest_nodes(values), ROUGH
        rotation, height = find_peaks(coeffs, MOST, threshold=DEPTH)
        return rotation[height.isfinite()], 0.0
    if isinstance(density, Mixture) and not any(isinstance(group, CloudedDistribution) for group in density.groups):
        return torch.cat([_summits(group)[0] for group in density.groups]), 0.0
    if isinstance(density, CloudedDistribution):
        grid = so3_grid(LEVEL).to(torch.get_default_dtype())
        value = grid.reshape(-1, *([1] * len(density.batch_shape)), 3, 3)
        return _highest_nodes(density.log_prob(value).reshape(-1)), ROUGH
    peaks = density.modes(1)
    return peaks.rotation.flatten(0, -3)[peaks.log_prob.flatten() > FLAT], 0.0


def _highest_nodes(height: Float[Tensor, " nodes"]) -> Float[Tensor, "peaks 3 3"]:
    """Nodes of the grid that are higher than all about them."""
    _checked(height)
    around = _neighbours().to(height.device)
    local = (height >= height[around].amax(-1)) & (height > height.max() - DEPTH)
    local &= height.max() - height.min() > FLAT
    chosen = torch.where(local, height, -torch.inf).topk(MOST).indices
    return so3_grid(LEVEL).to(height)[chosen[local[chosen]]]


def _checked(height: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Log densities without NaN and plus infinity."""
    if not bool((height < torch.inf).all()):
        raise ValueError("expected finite log densities, got one that is not; leave the frame out (density None)")
    return height


@constant
def _neighbours() -> Int64[Tensor, "nodes neighbours"]:
    """For each node those nearer than APART, the node itself where there are fewer than elsewhere."""
    flat = so3_grid(LEVEL).float().flatten(1)
    near = flat @ flat.mT > 1 + 2 * math.cos(APART)
    count = int(near.sum(-1).max())
    found = near.float().topk(count, -1)
    return torch.where(found.values > 0, found.indices, torch.arange(len(flat))[:, None])
