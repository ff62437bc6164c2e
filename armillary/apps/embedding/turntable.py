"""A picture turned: its embedding, turned on the sphere, drawn again from there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.embedding.chain import stage_folder
from armillary.harmonics import rotate_s2
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.models.view_synthesis import ViewSynthesiser
from armillary.so3 import rotation_x, rotation_y, rotation_z

# Views that are drawn at once.
AT_ONCE = 64

# About which axis of the camera an object is turned.
Axis = Literal["vertical", "horizontal", "optical"]
AXES: dict[str, Callable[[Tensor], Tensor]] = {
    "vertical": rotation_y,
    "horizontal": rotation_x,
    "optical": rotation_z,
}


@dataclass(frozen=True)
class Turntable:
    """Student and synthesiser of a chain, in eval mode, and where they compute."""

    student: SphericalEmbedding
    synthesiser: ViewSynthesiser
    device: torch.device = torch.device("cpu")

    def __post_init__(self) -> None:
        given, expected = self.student.config, self.synthesiser.config
        if (given.channels, given.lmax) != (expected.channels, expected.lmax):
            raise ValueError(
                f"expected a synthesiser of the student's embedding ({given.channels} channels, lmax {given.lmax}), "
                f"got one of {expected.channels} channels, lmax {expected.lmax}; take both from one chain"
            )

    def embed(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels coeffs"]:
        """Coefficients of pictures of the student's size."""
        with torch.no_grad():
            return self.student(pictures.to(self.device))

    def views(
        self, picture: Float[Tensor, "3 size size"], rotations: Float[Tensor, "views 3 3"]
    ) -> Float[Tensor, "views 3 height width"]:
        """What a picture shows, turned in the camera frame."""
        given = picture[None].to(self.device)
        coeffs, colours = self.embed(given)[0], self.synthesiser.colours(given)
        parts = []
        with torch.no_grad():
            for part in rotations.to(self.device).split(AT_ONCE):
                repeated = None if colours is None else colours.expand(len(part), -1)
                parts.append(self.synthesiser(rotate_s2(coeffs, part[:, None]), repeated))
        return torch.cat(parts).cpu()


def turns(axis: Axis, count: int) -> Float[Tensor, "count 3 3"]:
    """A whole turn about an axis of the camera in equal steps, from the identity on.

    Example:
        >>> turns("optical", 4)[1] @ torch.tensor([1.0, 0, 0]) > 0.5
        tensor([False,  True, False])
    """
    return AXES[axis](2 * torch.pi * torch.arange(count) / count)


def load_turntable(run: Path, device: torch.device) -> Turntable:
    """The turntable of a run folder of `armillary train embedding`."""
    folders = stage_folder(run, "student"), stage_folder(run, "synthesiser")
    student = SphericalEmbedding.from_pretrained(folders[0]).to(device)
    return Turntable(student, ViewSynthesiser.from_pretrained(folders[1]).to(device), device)
