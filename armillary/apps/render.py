"""``armillary render``: meshes and procedural shapes to a data set in BOP format."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import tyro

from armillary.apps.machine import check_output
from armillary.apps.parse import closest, parse
from armillary.data import (
    FAMILIES,
    SOLIDS,
    Renderer,
    SceneSettings,
    Shape,
    load_mesh,
    make_shape,
    make_solid,
    write_bop,
)
from armillary.data.rendering.renderer import Backend
from armillary.data.shapes.mesh_file import SUFFIXES
from armillary.so3 import SymmetryGroup, rotation_x, rotation_y

# Radius in metres a mesh is scaled to when its unit is not given: about what a hand holds.
FIT_RADIUS = 0.1
UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}

DESCRIPTION = f"""Render random views of meshes or procedural shapes into a data set (BOP format).

Sources are mesh files ({", ".join(SUFFIXES)}; a scan without faces too),
solids ({", ".join(SOLIDS)}),
or families of the zoo, of which every member is another ({", ".join(FAMILIES)}).
The same command again completes an interrupted data set; another split or seed makes further views.

examples:
  armillary render part.stl --views 2000 --out rendered
  armillary render part.stl --views 200 --out rendered --split test --scene.seed 1
  armillary render vase.ply gear.obj --symmetry vase=Cinf gear=C12:x --out rendered
  armillary render tet cube icosa --views 1000 --out solids
  armillary render chair mug --members 20 --views 100 --out zoo
  armillary render chair mug --views 500 --scene.poses viewsphere --scene.elevation-deg 0 45 --out standing
"""


@dataclass(frozen=True)
class RenderCommand:
    """Options of rendering."""

    # Mesh files, names of solids, families of the zoo; one category each.
    sources: tyro.conf.Positional[tuple[str, ...]]

    # The data set's folder.
    out: Path

    # Pictures of each shape.
    views: int = 1000

    # How many different members of each family of the zoo.
    members: int = 1

    # Member number to begin with: take others for another split.
    first_member: int = 0

    # Name of the part of the data set: train, val, test, ...
    split: str = "train"

    # Unit of the mesh files: m, cm or mm; by default a mesh is scaled to a radius of 0.1 m.
    unit: Literal["m", "cm", "mm"] | None = None

    # Rotational symmetry of meshes, NAME=GROUP: C2, C3, ..., Cinf (a vase), D2, ..., Dinf (a cylinder), T, O or I,
    # about the mesh's z axis or, as in Cinf:y, about another. Rotations that look the same then count as the same.
    symmetry: tuple[str, ...] = ()

    # How the shapes are photographed.
    scene: SceneSettings = field(default_factory=SceneSettings)

    # Write normal maps too.
    normals: bool = False

    # What draws: OpenGL through EGL (fast), torch (needs nothing), or whichever works.
    backend: Backend = "auto"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(RenderCommand, arguments, "armillary render", description=DESCRIPTION)
    if not command.sources:
        raise ValueError("expected mesh files or names of shapes, got none; see armillary render --help")
    if command.views < 1 or command.members < 1:
        raise ValueError(f"expected --views and --members of 1 or more, got {command.views} and {command.members}")
    if command.split != Path(command.split).name or command.split in ("", "..", "models"):
        raise ValueError(f"--split {command.split}: expected the name of a part, not a path; take train, val or test")
    check_output(command.out)
    symmetries = dict(_named_symmetry(entry) for entry in command.symmetry)
    shapes = [shape for source in command.sources for shape in _shapes(source, command, symmetries)]
    unused = [name for name in symmetries if name not in [shape.name for shape in shapes]]
    if unused:
        near = closest(unused[0], [shape.name for shape in shapes])
        raise ValueError(f"--symmetry {unused[0]}=...: no shape of this name; {near}")
    renderer = Renderer(size=command.scene.size, backend=command.backend)
    print(renderer.note, file=sys.stderr)
    renderer.close()
    folder = write_bop(
        command.out, shapes, command.views, command.scene, command.split, command.normals, command.backend
    )
    print(f"{len(shapes) * command.views} pictures in {folder}; next: armillary train --data {command.out} --out RUN")


def _shapes(source: str, command: RenderCommand, symmetries: dict[str, SymmetryGroup]) -> list[Shape]:
    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        return [_mesh_shape(path, command.unit, symmetries)]
    # A name stands for its shape, also beside a folder of that name: `render mug --out mug`, twice.
    if source in SOLIDS:
        return [make_solid(source)]
    if source in FAMILIES:
        first = command.first_member
        return [make_shape(source, seed) for seed in range(first, first + command.members)]
    if path.exists():
        return [_mesh_shape(path, command.unit, symmetries)]
    raise ValueError(f"{source}: neither a mesh file nor a shape's name; {closest(source, [*SOLIDS, *FAMILIES])}")


def _mesh_shape(path: Path, unit: Literal["m", "cm", "mm"] | None, symmetries: dict[str, SymmetryGroup]) -> Shape:
    mesh = load_mesh(path)
    radius = FIT_RADIUS if unit is None else mesh.bounding_sphere()[1] * UNITS[unit]
    if mesh.patches:
        print(f"{path}: points without faces; each is drawn as a small flat patch", file=sys.stderr)
    elif not mesh.watertight:
        print(f"{path}: the surface is not closed; it is rendered from both sides", file=sys.stderr)
    return Shape(path.stem, mesh.scaled(radius), symmetries.get(path.stem, SymmetryGroup.trivial()))


def _named_symmetry(entry: str) -> tuple[str, SymmetryGroup]:
    name, found, group = entry.partition("=")
    if not found:
        raise ValueError(f"--symmetry {entry}: expected NAME=GROUP, as in vase=Cinf or table=C2:y")
    return name, parse_symmetry(group)


def parse_symmetry(text: str) -> SymmetryGroup:
    """The symmetry group of a short name: C4, Cinf, D3, Dinf, T, O, I, with ``:x`` or ``:y`` for another main axis.

    Example:
        >>> parse_symmetry("C4:x").order, parse_symmetry("Dinf").order
        (4, inf)
    """
    match = re.fullmatch(r"(?:(C|D)(inf|[1-9]\d*)|(T|O|I))(?::([xyz]))?", text)
    if match is None:
        raise ValueError(
            f"symmetry {text}: expected C2, C3, ..., Cinf, D2, ..., Dinf, T, O or I, perhaps with :x or :y"
        )
    kind, count, solid, axis = match.groups()
    if solid is not None:
        group = {
            "T": SymmetryGroup.tetrahedral,
            "O": SymmetryGroup.octahedral,
            "I": SymmetryGroup.icosahedral,
        }[solid]()
    elif count == "inf":
        group = SymmetryGroup.axial() if kind == "C" else SymmetryGroup.dihedral_axial()
    else:
        group = SymmetryGroup.cyclic(int(count)) if kind == "C" else SymmetryGroup.dihedral(int(count))
    quarter = torch.tensor(torch.pi / 2, dtype=torch.float64)
    turns = {"x": rotation_y(quarter), "y": rotation_x(-quarter)}
    return group if axis in (None, "z") else group.conjugate(turns[axis])
