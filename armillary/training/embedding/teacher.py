"""First stage: a spherical CNN learns to name shapes, turned at random."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics import rotate_s2
from armillary.models.spherical_teacher import SphericalTeacher
from armillary.so3 import random_rotations, rotation_z
from armillary.training.embedding.shape_set import ShapeSet
from armillary.training.stage import Draw, Stage

# Rotations of training: any, or about z, the axis objects stand on.
Turns = Literal["so3", "z"]


class TeacherStage(Stage[SphericalTeacher]):
    """Cross entropy of the categories of turned shapes; turning coefficients is exact, and afresh for each step.

    Args:
        network: with fresh weights, for the categories of the shapes.
        shapes: to learn.
        held_out: other shapes of these categories.
        turns: of the training; figures are given for any rotation.
    """

    name = "teacher"

    def __init__(self, network: SphericalTeacher, shapes: ShapeSet, held_out: ShapeSet, turns: Turns = "so3") -> None:
        if network.config.classes != len(shapes.categories):
            raise ValueError(
                f"expected a teacher of {len(shapes.categories)} classes, one for each category, got "
                f"{network.config.classes}; set classes"
            )
        self.network, self.shapes, self.held_out, self.turns = network, shapes, held_out, turns
        network.standardise_input(shapes.coeffs)

    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """Shapes, each with a rotation and its category."""
        chosen = torch.randint(len(self.shapes), (count,), generator=generator)
        rotations = _about_z(count, generator) if self.turns == "z" else random_rotations(count, generator=generator)
        return Draw((self.shapes.coeffs[chosen], rotations, self.shapes.category[chosen]))

    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Cross entropy, that of the second branch's classifier included."""
        coeffs, rotations, category = draw.tensors
        values = self.network.transform(self.network.config.side).synthesis(rotate_s2(coeffs, rotations[:, None]))
        return self.network(values).loss(category)

    def figures(self) -> Mapping[str, float]:
        """Accuracy on held-out shapes as they stand, turned about z, and turned at random."""
        shapes, generator = self.held_out, torch.Generator().manual_seed(0)
        turned = {"z": _about_z(len(shapes), generator), "so3": random_rotations(len(shapes), generator=generator)}
        found = {f"accuracy_{name}": accuracy(self.network, shapes, turn) for name, turn in turned.items()}
        return {"accuracy": accuracy(self.network, shapes), **found}

    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """The network, its embedding of the training shapes brought to mean 0 and variance 1."""
        self.network.standardise_embedding(self.shapes.coeffs.to(self.network.embedding_mean.device))
        self.network.save_pretrained(folder, {**metadata, "categories": list(self.shapes.categories)})


@torch.no_grad()
def accuracy(
    network: SphericalTeacher, shapes: ShapeSet, rotations: Float[Tensor, "shapes 3 3"] | None = None
) -> float:
    """Share of shapes whose category is found, turned if rotations are given."""
    return (predicted(network, shapes.coeffs, rotations) == shapes.category).double().mean().item()


@torch.no_grad()
def predicted(
    network: SphericalTeacher,
    coeffs: Float[Tensor, "shapes channels coeffs"],
    rotations: Float[Tensor, "shapes 3 3"] | None = None,
) -> Int[Tensor, " shapes"]:
    """The category found for each shape."""
    turned = coeffs if rotations is None else rotate_s2(coeffs, rotations[:, None])
    return network.forward_coeffs(turned.to(network.embedding_mean)).logits.argmax(-1).cpu()


def _about_z(count: int, generator: torch.Generator) -> Float[Tensor, "count 3 3"]:
    return rotation_z(2 * math.pi * torch.rand(count, generator=generator))
