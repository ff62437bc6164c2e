"""Second stage: a picture network learns the maps that the teacher makes of the shapes it shows.

The teacher looks at each shape once, as it stands; its map is turned as the shape is turned in the picture, exactly.
No rotation is asked of the student: its targets are maps alone, unless the pair loss is switched on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data import ImageStore, centre_crop
from armillary.data.rendering import shapes_of
from armillary.distributions import TurnedGrid
from armillary.harmonics import align_s2, rotate_s2
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.nn.sphere_map_loss import (
    contrast_loss,
    in_plane_loss,
    pair_loss,
    relative_map_error,
    spectral_loss,
    weighted_huber,
)
from armillary.so3 import SymmetryGroup
from armillary.training.embedding.pairs import median_error_deg, random_views
from armillary.training.stage import Draw, Stage

# Views of held-out shapes looked at in one validation, two of each shape.
HELD_OUT_VIEWS = 512


@dataclass(frozen=True)
class MapLoss:
    """Weights of the terms (nn/sphere_map_loss.py); a term of weight 0 costs nothing."""

    # Huber loss of the map's values, by area.
    huber: float = 1.0
    # Difference beyond which it is linear; channels have variance 1.
    delta: float = 1.0
    # Squared distance of the coefficients.
    spectral: float = 0.0
    # How well each map is told from those of the other pictures of the batch.
    contrast: float = 0.3
    # Of that comparison: cosines are multiplied by it.
    contrast_sharpness: float = 20.0
    # Pictures of one shape that a batch holds together, which makes the comparison one of poses.
    views: int = 2
    # How far the answer is from turning with the picture.
    in_plane: float = 0.0
    # Cross entropy of the relative rotation of two views: a pose loss.
    pair: float = 0.0
    # Of that density: the correlation is multiplied by it.
    sharpness: float = 50.0

    def __post_init__(self) -> None:
        weights = (self.huber, self.spectral, self.contrast, self.in_plane, self.pair)
        positive = (self.delta, self.contrast_sharpness, self.sharpness)
        if min(weights) < 0 or not any((self.huber, self.spectral, self.contrast, self.pair)) or min(positive) <= 0:
            raise ValueError(
                "expected weights of 0 or more, one of them above, delta and sharpnesses above 0, got "
                f"{weights} and {positive}; correct the loss"
            )
        if self.views < 1 or (self.pair > 0 and self.views % 2):
            raise ValueError(f"expected views of 1 or more, of the pair loss an even number, got {self.views}; use 2")


class StudentStage(Stage[SphericalEmbedding]):
    """Pictures to the teacher's maps.

    Args:
        network: with fresh weights, for maps of the teacher's size.
        views: to learn from, named SHAPE/VIEW, as many of each shape.
        maps: the teacher's, of the shapes as they stand.
        held_out: views of other shapes.
        held_out_maps: of those.
        symmetries: of those, one for each.
        loss: weights of its terms.
    """

    name = "student"

    def __init__(
        self,
        network: SphericalEmbedding,
        views: ImageStore,
        maps: Float[Tensor, "shapes channels coeffs"],
        held_out: ImageStore,
        held_out_maps: Float[Tensor, "others channels coeffs"],
        symmetries: Sequence[SymmetryGroup],
        loss: MapLoss,
    ) -> None:
        self.network, self.views, self.maps = network, views, maps
        self.weights = loss
        chosen = _pairs(shapes_of(held_out))
        shown = shapes_of(held_out)[chosen]
        self.seen, self.seen_maps = held_out[chosen], held_out_maps[shown]
        self.symmetries = [symmetries[shape] for shape in shown[::2].tolist()]

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Pictures, rotations, maps of shapes as they stand; rows that follow each other show one shape."""
        views, per_shape = self.weights.views, len(self.views) // len(self.maps)
        shape = torch.randint(len(self.maps), (-(-count // views),), generator=generator)
        shape = shape.repeat_interleave(views)[:count]
        chosen = self.views[random_views(shape, per_shape, generator)]
        batch = centre_crop(chosen, self.network.config.image_size)
        return Draw((batch.images, batch.rotations, self.maps[shape]))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """The weighted sum of the terms."""
        images, rotations, standing = draw.tensors
        weights, predicted = self.weights, self.network(images)
        with torch.autocast(images.device.type, enabled=False):
            target, transform = rotate_s2(standing, rotations[:, None]), self.network.transform
            total = predicted.new_zeros(())
            if weights.huber:
                values = transform.synthesis(predicted), transform.synthesis(target)
                huber = weighted_huber(*values, transform.polar_weights, weights.delta)
                total = total + weights.huber * huber.mean()
            if weights.spectral:
                total = total + weights.spectral * spectral_loss(predicted, target).mean()
            if weights.contrast:
                contrast = contrast_loss(predicted, target, weights.contrast_sharpness)
                total = total + weights.contrast * contrast.mean()
            if weights.pair:
                first, second, pose, other = predicted[::2], predicted[1::2], rotations[::2], rotations[1::2]
                likelihood = pair_loss(first, second, pose @ other.mT, weights.sharpness, TurnedGrid())
                total = total + weights.pair * likelihood.mean()
        if weights.in_plane:
            total = total + weights.in_plane * self._in_plane(images, predicted)
        return total

    def _in_plane(self, images: Tensor, predicted: Tensor) -> Tensor:
        """Of pictures turned by a quarter, which is exact."""
        turned = self.network(images.rot90(-1, (-2, -1)))
        quarter = torch.full_like(images[:, 0, 0, 0], torch.pi / 2)
        with torch.autocast(images.device.type, enabled=False):
            return in_plane_loss(turned, predicted, quarter).mean()

    def figures(self) -> Mapping[str, float]:
        """Relative error of the maps, and the median error of the relative rotation of two views, in degrees."""
        device = next(self.network.parameters()).device
        images = centre_crop(self.seen, self.network.config.image_size).images
        predicted = torch.cat([self.network(part.to(device)).cpu() for part in images.split(128)])
        target = rotate_s2(self.seen_maps, self.seen.rotations[:, None])
        found = align_s2(predicted[::2], predicted[1::2], channel_dim=-2).rotation[:, 0]
        error = median_error_deg(self.symmetries, found, self.seen.rotations[::2], self.seen.rotations[1::2])
        return {"map_error": relative_map_error(predicted, target).mean().item(), "relative_median_deg": error}

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """The network, with what a program needs to feed it."""
        info = {"data": self.views.info.to_json(), "margin": self.views.margin}
        self.network.save_pretrained(folder, {**metadata, **info})


def _pairs(shape: Int[Tensor, " views"]) -> Int[Tensor, " chosen"]:
    """The first two views of shapes, evenly chosen."""
    first = torch.nonzero(torch.cat([shape.new_ones(1), shape.diff()]))[:, 0]
    first = first[:: max(1, -(-2 * len(first) // HELD_OUT_VIEWS))]
    return torch.stack([first, first + 1], 1).flatten()
