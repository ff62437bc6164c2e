"""What BOP's errors need of an object: its surface, its diameter, and the motions that leave it looking the same."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.bop.model import MM_PER_METRE, mesh_diameter
from armillary.data.record import read_json
from armillary.data.shapes import Mesh, Shape, load_mesh
from armillary.so3 import exp

# A vertex on a continuous symmetry's rim moves by at most this part of the diameter from step to step (BOP).
SYMMETRY_STEP = 0.01


def symmetry_transforms(
    entry: Mapping, step: float = SYMMETRY_STEP, unit: float = 1 / MM_PER_METRE
) -> tuple[Float[Tensor, "motions 3 3"], Float[Tensor, "motions 3"]]:
    r"""Rotations and translations of an entry of models_info.json, identity first, as BOP's toolkit lists them.

    A continuous symmetry becomes :math:`\lceil \pi / step \rceil` turns, each after every discrete one; its offset is a
    point of its axis: :math:`x \mapsto R (x - o) + o`.

    Args:
        entry: with symmetries_discrete (4 x 4, row-major) and symmetries_continuous (axis, offset), or neither.
        step: see `SYMMETRY_STEP`.
        unit: metres in a unit of the entry.

    Example:
        >>> turns, shifts = symmetry_transforms({"symmetries_continuous": [{"axis": [0, 0, 1], "offset": [5, 0, 0]}]})
        >>> len(turns), shifts[157].abs().round(decimals=4).tolist()
        (315, [0.01, 0.0, 0.0])
    """
    listed = [torch.tensor(m, dtype=torch.float64).reshape(4, 4) for m in entry.get("symmetries_discrete", [])]
    discrete = torch.stack([torch.eye(4, dtype=torch.float64), *listed])
    discrete[:, :3, 3] *= unit
    continuous = [_turns(each, step, unit) for each in entry.get("symmetries_continuous", [])]
    motions = discrete
    if continuous:
        motions = (torch.cat(continuous) @ discrete[:, None]).flatten(0, 1)
    return motions[:, :3, :3], motions[:, :3, 3]


def _turns(entry: Mapping, step: float, unit: float) -> Float[Tensor, "turns 4 4"]:
    """The turns about one axis."""
    count = math.ceil(math.pi / step)
    axis, offset = (torch.tensor(entry[key], dtype=torch.float64).reshape(3) for key in ("axis", "offset"))
    angles = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    motions = torch.eye(4, dtype=torch.float64).repeat(count, 1, 1)
    motions[:, :3, :3] = exp(angles[:, None] * axis / torch.linalg.vector_norm(axis))
    motions[:, :3, 3] = unit * (offset - motions[:, :3, :3] @ offset)
    return motions


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """A surface (metres), its diameter (metres), and motions of the object frame that nobody sees.

    Example:
        >>> from armillary.data import make_solid
        >>> cube = ObjectModel.of_shape(make_solid("cube"))
        >>> len(cube.turns), cube.turns.dtype
        (24, torch.float64)
    """

    mesh: Mesh
    diameter: float
    turns: Float[Tensor, "motions 3 3"]
    shifts: Float[Tensor, "motions 3"]

    @classmethod
    def of_shape(cls, shape: Shape, step: float = SYMMETRY_STEP) -> "ObjectModel":
        """Of a solid, a member of the zoo or a mesh with its group."""
        return cls(shape.mesh, mesh_diameter(shape.mesh), *symmetry_transforms(shape.symmetry.to_bop(), step))

    @classmethod
    def of_bop(cls, models: Path, object_id: int, step: float = SYMMETRY_STEP) -> "ObjectModel":
        """Of an object in the models folder of a BOP data set (models_eval, to score as BOP does)."""
        remedy = "restore it from the dataset's models archive"
        file = models / "models_info.json"
        entry = read_json(file, remedy).get(str(object_id))
        if not isinstance(entry, dict) or not isinstance(entry.get("diameter"), int | float):
            raise ValueError(f"{file}: expected object {object_id} with its diameter, got none; {remedy}")
        mesh = load_mesh(models / f"obj_{object_id:06d}.ply")
        mesh = replace(mesh, vertices=mesh.vertices / MM_PER_METRE)
        try:
            motions = symmetry_transforms(entry, step)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:80]
            raise ValueError(
                f"{file}: object {object_id}: expected symmetries as BOP has them, got '{reason}'; {remedy}"
            ) from error
        return cls(mesh, entry["diameter"] / MM_PER_METRE, *motions)
