"""Shapes as coefficients on the sphere, with category and symmetry: what a teacher learns from.

Rays are cast on a grid eight times as fine as the degree and reduced by an exact transform: at one ray for each value
maps alias by a fifth (docs/data.md).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from armillary.data.atomic import replacing
from armillary.data.shapes.shape import Shape
from armillary.data.spherical import spherical_maps
from armillary.harmonics import S2Transform
from armillary.so3 import SymmetryGroup

# Of the maps, one for each branch of the teacher.
CHANNELS = ("distance", "sine")
# Rings of the rays for each degree, and shapes cast between steps of the bar.
FINER, AT_ONCE = 8, 32


@dataclass(frozen=True)
class ShapeSet:
    """Shapes in their canonical pose; ``shapes[index]`` is the set of those.

    Example:
        >>> from armillary.data.shapes.collection import zoo_members
        >>> shapes = ShapeSet.cast(zoo_members(("mug", "bottle"), 0, 2), lmax=3, progress=False)
        >>> shapes.coeffs.shape, shapes.categories, shapes.symmetries[2].name
        (torch.Size([4, 2, 16]), ('mug', 'bottle'), 'C_inf')
    """

    # Of distance and sine (`spherical_maps`).
    coeffs: Float[Tensor, "shapes 2 coeffs"]
    category: Int[Tensor, " shapes"]
    categories: tuple[str, ...]
    symmetries: tuple[SymmetryGroup, ...]

    def __len__(self) -> int:
        return len(self.coeffs)

    def __getitem__(self, index: Int[Tensor, " chosen"] | slice) -> "ShapeSet":
        places = torch.arange(len(self))[index]
        chosen = tuple(self.symmetries[place] for place in places.tolist())
        return replace(self, coeffs=self.coeffs[places], category=self.category[places], symmetries=chosen)

    @classmethod
    def cast(
        cls,
        shapes: Sequence[Shape],
        lmax: int = 15,
        rotations: Float[Tensor, "shapes 3 3"] | None = None,
        progress: bool = True,
    ) -> "ShapeSet":
        """The coefficients up to ``lmax`` of shapes, turned about their centres where rotations are given."""
        size = FINER * (lmax + 1)
        transform = S2Transform(lmax, size, size, "equiangular")
        parts = []
        for start in tqdm(range(0, len(shapes), AT_ONCE), desc="casting rays", disable=not progress, delay=2):
            chosen = slice(start, start + AT_ONCE)
            turned = None if rotations is None else rotations[chosen]
            maps = spherical_maps([shape.mesh for shape in shapes[chosen]], size, rotations=turned)
            parts.append(transform.analysis(torch.stack([maps.channel(name) for name in CHANNELS], 1)))
        categories = tuple(dict.fromkeys(shape.name for shape in shapes))
        category = torch.tensor([categories.index(shape.name) for shape in shapes])
        return cls(torch.cat(parts), category, categories, tuple(shape.symmetry for shape in shapes))

    def save(self, path: Path) -> None:
        """Write one archive."""
        groups = json.dumps([{"name": group.name, **group.to_bop()} for group in self.symmetries])
        coeffs, category = self.coeffs.numpy(), self.category.numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            names, groups = np.asarray(self.categories), np.asarray(groups)
            np.savez(file, coeffs=coeffs, category=category, symmetries=groups, categories=names)

    @classmethod
    def load(cls, path: Path) -> "ShapeSet":
        """The set that `save` wrote."""
        try:
            with np.load(path) as file:
                coeffs, category = (torch.from_numpy(file[name]) for name in ("coeffs", "category"))
                categories, records = tuple(file["categories"].tolist()), json.loads(str(file["symmetries"]))
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{path}: expected shapes, got '{error}'; delete the file to cast them again") from error
        groups = (replace(SymmetryGroup.from_bop(record), name=record["name"]) for record in records)
        return cls(coeffs, category, categories, tuple(groups))
