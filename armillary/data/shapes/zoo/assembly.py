"""Putting parts together: place, turn and colour meshes; random numbers and colours with one meaning each.

Object frame of the whole zoo: z up, front towards +x, left towards +y, metres.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import torch

from armillary.data.shapes.mesh import Mesh, merge_meshes
from armillary.data.shapes.primitive import Number
from armillary.so3 import SymmetryGroup, rotation_x, rotation_y, rotation_z

Colour = tuple[Number, Number, Number]
Rng = np.random.Generator

WOODS: tuple[Colour, ...] = ((0.62, 0.42, 0.25), (0.45, 0.28, 0.16), (0.78, 0.62, 0.42), (0.35, 0.24, 0.18))
METALS: tuple[Colour, ...] = ((0.62, 0.64, 0.67), (0.48, 0.5, 0.54), (0.75, 0.68, 0.5), (0.3, 0.31, 0.34))
FABRICS: tuple[Colour, ...] = (
    (0.65, 0.25, 0.22), (0.25, 0.4, 0.6), (0.35, 0.52, 0.38), (0.75, 0.66, 0.5), (0.5, 0.45, 0.55), (0.8, 0.58, 0.25)
)  # fmt: skip
PAINTS: tuple[Colour, ...] = (
    (0.8, 0.18, 0.15), (0.15, 0.38, 0.75), (0.9, 0.72, 0.15), (0.2, 0.58, 0.36), (0.88, 0.88, 0.9), (0.9, 0.45, 0.15)
)  # fmt: skip
DARK: Colour = (0.16, 0.16, 0.18)
GLASS: Colour = (0.35, 0.5, 0.6)
WHITE: Colour = (0.92, 0.92, 0.92)


@dataclass(frozen=True)
class Assembly:
    """Parts of one object in its own frame, and the rotations about the origin that map it to itself."""

    parts: list[Mesh]
    symmetry: SymmetryGroup


def pick(rng: Rng, choices: tuple[Colour, ...], spread: Number = 0.05) -> Colour:
    """One of the colours, slightly varied in brightness and less in hue."""
    change = rng.uniform(-spread, spread) + rng.uniform(-spread, spread, 3) / 3
    colour = np.clip(np.array(choices[rng.integers(len(choices))]) + change, 0, 1)
    return (float(colour[0]), float(colour[1]), float(colour[2]))


def shade(colour: Colour, factor: Number) -> Colour:
    """A darker (factor below 1) or lighter colour."""
    red, green, blue = (min(1.0, channel * factor) for channel in colour)
    return (red, green, blue)


def at(mesh: Mesh, x: Number = 0.0, y: Number = 0.0, z: Number = 0.0, colour: Colour | None = None) -> Mesh:
    """The mesh moved, and coloured if a colour is given."""
    moved = mesh.translated(torch.tensor([x, y, z], dtype=torch.float32))
    return moved if colour is None else moved.coloured(colour)


def turn(mesh: Mesh, axis: str, angle: Number) -> Mesh:
    """The mesh turned about the x, y or z axis by an angle (rad)."""
    rotation = {"x": rotation_x, "y": rotation_y, "z": rotation_z}[axis]
    return mesh.rotated(rotation(torch.tensor(angle, dtype=torch.float64)))


def stretched(mesh: Mesh, x: Number, y: Number, z: Number) -> Mesh:
    """The mesh scaled by a factor along each axis."""
    factors = torch.tensor([x, y, z], dtype=torch.float32)
    normals = None if mesh.normals is None else torch.nn.functional.normalize(mesh.normals / factors, dim=-1)
    return Mesh(mesh.vertices * factors, mesh.faces, mesh.colours, normals)


def along_x(mesh: Mesh) -> Mesh:
    """A mesh built along z laid down: its z axis becomes x, its x axis becomes -z."""
    return turn(mesh, "y", pi / 2)


def upright(mesh: Mesh) -> Mesh:
    """A prism of a side view: its outline (x, y) becomes (x, z), its height runs along y."""
    return turn(mesh, "x", pi / 2)


def around(mesh: Mesh, count: int) -> list[Mesh]:
    """Copies of the mesh at equal angles about the z axis."""
    return [turn(mesh, "z", 2 * pi * index / count) for index in range(count)]


def mirrored(mesh: Mesh) -> list[Mesh]:
    """The mesh and its reflection y -> -y."""
    flip = torch.tensor([1.0, -1.0, 1.0])
    normals = None if mesh.normals is None else (mesh.normals * flip)[:, [0, 2, 1]]
    return [mesh, Mesh(mesh.vertices * flip, mesh.faces[:, [0, 2, 1]], mesh.colours, normals)]


def assemble(assembly: Assembly) -> Mesh:
    """One mesh with bounding radius 1 m, centred at the origin; its symmetries stay rotations about the origin."""
    mesh = merge_meshes(assembly.parts)
    centre = mesh.bounding_sphere()[0].double()
    # The centre lies on every symmetry axis up to rounding; the group mean puts it there exactly.
    centre = (assembly.symmetry.elements(steps=16).double() @ centre).mean(dim=0)
    return mesh.translated(-centre.float()).scaled(1.0)
