"""A rival of the student: two pictures of one object straight to the rotation between them, trained with poses."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data import ImageStore, centre_crop
from armillary.data.rendering import shapes_of
from armillary.models.siamese_regression import SiameseRegression
from armillary.so3 import SymmetryGroup
from armillary.training.embedding.pairs import median_error_deg, random_views
from armillary.training.stage import Draw, Stage

# Pairs of held-out views looked at in one validation.
HELD_OUT_PAIRS = 256


class SiameseStage(Stage[SiameseRegression]):
    """Pairs of views of one shape; the loss is to the nearest of the answers that its symmetry makes right.

    Args:
        network: with fresh weights, for pictures of the views' size.
        views: named SHAPE/VIEW, as many of each shape.
        symmetries: of the shapes.
        held_out: views of other shapes, as many of each.
        held_out_symmetries: of those.
    """

    name = "siamese"

    def __init__(
        self,
        network: SiameseRegression,
        views: ImageStore,
        symmetries: Sequence[SymmetryGroup],
        held_out: ImageStore,
        held_out_symmetries: Sequence[SymmetryGroup],
    ) -> None:
        self.network, self.views, self.held_out = network, views, held_out
        self.shape, self.held_out_shape = shapes_of(views), shapes_of(held_out)
        keys = [json.dumps(group.to_bop()) for group in (*symmetries, *held_out_symmetries)]
        known = {key: group for key, group in zip(keys, (*symmetries, *held_out_symmetries), strict=True)}
        self.groups, order = list(known.values()), {key: place for place, key in enumerate(known)}
        places = torch.tensor([order[key] for key in keys])
        self.group, self.held_out_group = places[: len(symmetries)], places[len(symmetries) :]

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """First pictures and rotations, second ones, and which symmetry each pair has."""
        first = torch.randint(len(self.views), (count,), generator=generator)
        per_shape = len(self.views) // len(self.group)
        second = random_views(self.shape[first], per_shape, generator)
        return Draw((*self._look(self.views, first), *self._look(self.views, second), self.group[self.shape[first]]))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Squared distance to the nearest right answer."""
        images, rotations, others, other_rotations, group = draw.tensors
        return self.network.task_loss((images, others), (rotations, other_rotations), self.groups, group)

    def figures(self) -> Mapping[str, float]:
        """Median error of held-out pairs, in degrees."""
        count = len(self.held_out) // len(self.held_out_group)
        first = torch.arange(0, len(self.held_out), count)[:HELD_OUT_PAIRS]
        device = next(self.network.parameters()).device
        (images, rotations), (others, other_rotations) = (self._look(self.held_out, first + k) for k in (0, 1))
        found = self.network(images.to(device), others.to(device)).cpu()
        groups = [self.groups[place] for place in self.held_out_group[self.held_out_shape[first]].tolist()]
        return {"relative_median_deg": median_error_deg(groups, found, rotations, other_rotations)}

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """The network."""
        self.network.save_pretrained(folder, metadata)

    def _look(self, views: ImageStore, places: Tensor) -> tuple[Tensor, Tensor]:
        batch = centre_crop(views[places], self.network.config.image_size)
        return batch.images, batch.rotations
