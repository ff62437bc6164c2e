"""Third stage: pictures are drawn from maps, the teacher's and the student's.

Half of a step's maps are the teacher's, turned as the shape is; the other half are the student's of one view, turned to
another view of the same shape: what the synthesiser will be given.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data import ImageStore, centre_crop
from armillary.data.rendering import shapes_of
from armillary.data.structural_similarity import ssim
from armillary.harmonics import rotate_s2
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.models.view_synthesis import ViewSynthesiser
from armillary.training.embedding.pairs import random_views
from armillary.training.picture_loss import SSIM_WEIGHT, picture_loss
from armillary.training.stage import Draw, Stage

# Pairs of views of held-out shapes looked at in one validation.
HELD_OUT_PAIRS = 256
AT_ONCE = 128


class SynthesiserStage(Stage[ViewSynthesiser]):
    """Maps to pictures.

    Args:
        network: with fresh weights, for maps of the teacher's size and pictures of the student's.
        views: named SHAPE/VIEW, as many of each shape.
        maps: the teacher's, of the shapes as they stand.
        student: trained; its maps of all views are made once.
        held_out: views of other shapes, as many of each.
        student_share: part of a step's maps that are the student's.
        ssim_weight: of the loss.
    """

    name = "synthesiser"

    def __init__(
        self,
        network: ViewSynthesiser,
        views: ImageStore,
        maps: Float[Tensor, "shapes channels coeffs"],
        student: SphericalEmbedding,
        held_out: ImageStore,
        student_share: float = 0.5,
        ssim_weight: float = SSIM_WEIGHT,
    ) -> None:
        if not 0 <= student_share <= 1:
            raise ValueError(f"expected student_share from 0 to 1, got {student_share}; 0.5 takes half of each")
        self.network, self.views, self.maps = network, views, maps
        self.student, self.student_share, self.ssim_weight = student.eval(), student_share, ssim_weight
        self.shape = shapes_of(views)
        pairs = torch.arange(min(HELD_OUT_PAIRS, len(held_out) // 2)) * (len(held_out) // 2 // HELD_OUT_PAIRS or 1) * 2
        self.first, self.second = (self._pictures(held_out, pairs + step) for step in (0, 1))
        self.turn = held_out.rotations[pairs + 1] @ held_out.rotations[pairs].mT

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Maps as they are to be decoded, the pictures that give the colours, and those to be drawn."""
        place = torch.randint(len(self.views), (count,), generator=generator)
        per_shape = len(self.views) // len(self.maps)
        other = random_views(self.shape[place], per_shape, generator)
        inputs, seen = self._pictures(self.views, other), round(count * self.student_share)
        turned = rotate_s2(self.maps[self.shape[place[seen:]]], self.views.rotations[place[seen:]][:, None])
        relative = self.views.rotations[place[:seen]] @ self.views.rotations[other[:seen]].mT
        maps = torch.cat([rotate_s2(self._student_maps(inputs[:seen]), relative[:, None]), turned])
        return Draw((maps, inputs, self._pictures(self.views, place)))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Absolute error and structural similarity."""
        maps, inputs, pictures = draw.tensors
        return picture_loss(self.network(maps, self.network.colours(inputs)), pictures, self.ssim_weight)

    def figures(self) -> Mapping[str, float]:
        """Mean absolute error and similarity of views of held-out shapes, drawn from the student's map of another."""
        maps = rotate_s2(self._student_maps(self.first), self.turn[:, None])
        drawn = draw_views(self.network, maps, self.first)
        error = (drawn - self.second).abs().mean().item()
        return {"l1": error, "ssim": ssim(drawn, self.second).mean().item()}

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """The network."""
        self.network.save_pretrained(folder, metadata)

    def _pictures(self, views: ImageStore, places: Tensor) -> Float[Tensor, "batch 3 height width"]:
        return centre_crop(views[places], self.network.config.image_size).images

    @torch.no_grad()
    def _student_maps(self, pictures: Tensor) -> Float[Tensor, "batch channels coeffs"]:
        device = next(self.student.parameters()).device
        return torch.cat([self.student(part.to(device)).cpu() for part in pictures.split(AT_ONCE)])


@torch.no_grad()
def draw_views(
    network: ViewSynthesiser,
    maps: Float[Tensor, "views channels coeffs"],
    inputs: Float[Tensor, "views 3 rows columns"],
) -> Float[Tensor, "views 3 height width"]:
    """The pictures of turned maps, in the colours of the pictures they were made from; many, on the processor."""
    device = next(network.parameters()).device
    parts = zip(maps.split(AT_ONCE), inputs.split(AT_ONCE), strict=True)
    return torch.cat([network(part.to(device), network.colours(given.to(device))).cpu() for part, given in parts])
