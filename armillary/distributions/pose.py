"""A distribution over poses: rotation and position of an object in a camera, independent given the picture."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution


@dataclass(frozen=True, eq=False)
class PoseDistribution:
    r"""The law of :math:`x \mapsto R x + t`: R of a density on SO(3), t normal, both of one batch shape.

    The density is for normalised Haar measure times metres cubed.

    Example:
        >>> from armillary.distributions import Uniform
        >>> pose = PoseDistribution(Uniform(), torch.tensor([0.0, 0, 5]), 0.01 * torch.eye(3))
        >>> pose.log_prob(torch.eye(3), pose.translation).round(decimals=3)
        tensor(4.1510)
    """

    # R_cam_obj.
    rotation: SO3Distribution
    # Mean of the object's origin in the camera frame, metres.
    translation: Float[Tensor, "*batch 3"]
    # Square metres.
    covariance: Float[Tensor, "*batch 3 3"]

    @property
    def batch_shape(self) -> torch.Size:
        """Of the poses."""
        return self.translation.shape[:-1]

    def log_prob(
        self, rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]
    ) -> Float[Tensor, "*batch"]:
        """Log density at poses, one for each of the batch."""
        return self.rotation.log_prob(rotation) + self.log_prob_translation(translation)

    def log_prob_translation(self, translation: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Log density of positions alone."""
        factor = torch.linalg.cholesky(self.covariance)
        offset = (translation - self.translation)[..., None]
        white = torch.linalg.solve_triangular(factor, offset, upper=False)[..., 0]
        log_volume = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) + 1.5 * math.log(2 * math.pi)
        return -0.5 * white.square().sum(-1) - log_volume

    def turned(self, rotation: Float[Tensor, "*batch 3 3"]) -> "PoseDistribution":
        """The law of (Q R, Q t): the same object as a camera at the same place sees it, Q turning camera axes."""
        moved = (rotation @ self.translation[..., None])[..., 0]
        return PoseDistribution(self.rotation.rotate(rotation), moved, rotation @ self.covariance @ rotation.mT)

    def sample(
        self, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
        """One pose of each."""
        factor = torch.linalg.cholesky(self.covariance)
        noise = torch.randn(self.translation.shape, generator=generator, dtype=factor.dtype, device=factor.device)
        return self.rotation.sample(generator=generator), self.translation + (factor @ noise[..., None])[..., 0]

    def to_json(self) -> list[dict[str, Any]]:
        """For each pose of a batch: most probable rotation, position, and how sure both are."""
        modes, sphere = self.rotation.modes(1), self.rotation.credible_region(0.9).radius
        count = self.batch_shape.numel()
        spread = self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        columns = {
            "rotation": modes.rotation.reshape(count, 3, 3),
            "rotation_log_prob": modes.log_prob.reshape(count),
            # Of the geodesic ball as large as the smallest region that holds 90 %.
            "rotation_region90_deg": sphere.rad2deg().reshape(count),
            "translation": self.translation.reshape(count, 3),
            "translation_deviation": spread.reshape(count, 3),
            "translation_covariance": self.covariance.reshape(count, 3, 3),
        }
        lists = {name: value.detach().cpu().double().tolist() for name, value in columns.items()}
        return [{name: values[place] for name, values in lists.items()} for place in range(count)]
