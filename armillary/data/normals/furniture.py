"""Furniture of a room: members of the zoo at their sizes, along walls or free, with smaller things on the tables."""

from dataclasses import dataclass, field

import numpy as np
import torch

from armillary.data.normals.shell import Footprint, RoomSize
from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.primitive import ball, box, cylinder
from armillary.data.shapes.zoo import make_shape
from armillary.data.shapes.zoo.assembly import FABRICS, PAINTS, WOODS, Rng, at, pick, turn

# Bounding radii in metres.
ALONG_WALLS = {"bed": (1.0, 1.2), "bookshelf": (0.75, 1.15), "sofa": (0.9, 1.2), "table": (0.6, 0.9)}
FREE = {
    **{"chair": (0.5, 0.62), "table": (0.55, 0.95), "sofa": (0.8, 1.0), "lamp": (0.5, 0.8)},
    **{"car": (0.3, 0.5), "rocket": (0.3, 0.6), "gear": (0.2, 0.4), "boat": (0.3, 0.6)},
}
ON_TABLES = {
    **{"mug": (0.08, 0.12), "bottle": (0.16, 0.22), "teapot": (0.14, 0.2), "goblet": (0.1, 0.16)},
    **{"monitor": (0.25, 0.36), "lamp": (0.22, 0.32), "aeroplane": (0.15, 0.25), "satellite": (0.15, 0.25)},
}


@dataclass
class Furniture:
    """Makes members of the zoo, each once.

    Args:
        first: number of the first member of each family; another leaves no member in common.
        members: how many of each family there are to choose from.
    """

    first: int = 0
    members: int = 24
    made: dict[tuple[str, int], Mesh] = field(default_factory=dict)

    def piece(self, rng: Rng, family: str, radii: tuple[float, float]) -> Mesh:
        """A random member in a random tint and size, its lowest point on the floor, its middle at x = y = 0."""
        number = self.first + int(rng.integers(self.members))
        if (family, number) not in self.made:
            self.made[family, number] = make_shape(family, number).mesh
        mesh, radius = self.made[family, number], rng.uniform(*radii)
        tint = torch.tensor(rng.uniform(0.75, 1.2) * rng.uniform(0.85, 1.15, 3), dtype=torch.float32)
        # Members of the zoo have a bounding radius of 1 m.
        return standing(Mesh(mesh.vertices * radius, mesh.faces, mesh.vertex_colours * tint, mesh.normals))


def standing(mesh: Mesh) -> Mesh:
    """The mesh moved so that it stands on z = 0 with the middle of its footprint at x = y = 0."""
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    middle = (low + high) / 2
    return at(mesh, -float(middle[0]), -float(middle[1]), -float(low[2]))


def furnish(rng: Rng, furniture: Furniture, size: RoomSize) -> tuple[list[Mesh], list[Footprint]]:
    """Pieces that do not overlap, and where they stand.

    Example:
        >>> from armillary.data.normals.shell import random_size
        >>> rng = np.random.default_rng(0)
        >>> pieces, footprints = furnish(rng, Furniture(members=1), random_size(rng))
        >>> len(pieces) >= len(footprints) > 1
        True
    """
    parts: list[Mesh] = []
    taken: list[Footprint] = []
    for _ in range(int(rng.integers(1, 4))):
        family = str(rng.choice([*ALONG_WALLS]))
        _place(furniture.piece(rng, family, ALONG_WALLS[family]), family, _wall_places(rng, size), size, parts, taken)
    for _ in range(int(rng.integers(2, 6))):
        family = str(rng.choice([*FREE, "solid"]))
        piece = _solid(rng) if family == "solid" else furniture.piece(rng, family, FREE[family])
        _place(piece, family, _free_places(rng, size), size, parts, taken)
    for table in [part for part in parts if _is_table(part)]:
        parts += _things_on(rng, furniture, table)
    return parts, taken


# Where a piece may go: the turn about z, and its middle as parts of the room's width and depth.
_Places = list[tuple[float, float, float]]


def _wall_places(rng: Rng, size: RoomSize) -> _Places:
    walls = [(-np.pi / 2, None, 1.0)] * 2 + [(0.0, 0.0, None)] * size.left + [(np.pi, 1.0, None)] * size.right
    chosen = [walls[int(rng.integers(len(walls)))] for _ in range(4)]
    return [
        (angle, rng.uniform(0.1, 0.9) if x is None else x, rng.uniform(0.35, 0.9) if y is None else y)
        for angle, x, y in chosen
    ]


def _free_places(rng: Rng, size: RoomSize) -> _Places:
    return [(rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.95)) for _ in range(6)]


def _place(
    piece: Mesh, family: str, places: _Places, size: RoomSize, parts: list[Mesh], taken: list[Footprint]
) -> None:
    """Put a piece at the first of the places where there is room; leave it out if there is none."""
    for angle, x, y in places:
        turned = standing(turn(piece, "z", angle))
        half = turned.vertices.amax(0)
        wide, deep = float(half[0]) + 0.03, float(half[1]) + 0.03
        middle_x = min(max(x * size.width, wide), size.width - wide)
        middle_y = min(max(y * size.depth, 0.9 + deep), size.depth - deep)
        own = (middle_x - wide, middle_y - deep, middle_x + wide, middle_y + deep)
        fits = middle_x >= wide and middle_y >= 0.9 + deep and float(half[2]) < size.height
        if fits and not any(_overlap(own, other) for other in taken):
            parts.append(at(turned, middle_x, middle_y))
            taken.append(own)
            return


def _overlap(a: Footprint, b: Footprint) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _solid(rng: Rng) -> Mesh:
    """A box, a ball or a column, as cartons, balls and stools are."""
    colour, kind = pick(rng, FABRICS + PAINTS + WOODS), rng.integers(3)
    if kind == 0:
        return standing(box(tuple(rng.uniform(0.25, 0.7, 3))).coloured(colour))
    if kind == 1:
        return standing(ball(rng.uniform(0.15, 0.4), 16, 32).coloured(colour))
    return standing(cylinder(rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.8), 32).coloured(colour))


def _is_table(part: Mesh) -> bool:
    """Whether much of a piece's surface is a level top, at a height to put things on."""
    normals, top = part.face_normals(), part.vertices[:, 2].max()
    corners = part.vertices[part.faces]
    level = (normals[:, 2].abs() > 0.99) & (corners[..., 2].amin(1) > top - 0.03)
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1) / 2
    low, high = part.vertices.amin(0), part.vertices.amax(0)
    footprint = (high[0] - low[0]) * (high[1] - low[1])
    return bool((area[level].sum() > 0.6 * footprint) & (top > 0.3) & (top < 1.1))


def _things_on(rng: Rng, furniture: Furniture, table: Mesh) -> list[Mesh]:
    low, high = table.vertices.amin(0).tolist(), table.vertices.amax(0).tolist()
    things = []
    # Places on a line across the table, far enough apart.
    for share in rng.permutation([0.3, 0.5, 0.7])[: int(rng.integers(0, 4))]:
        family = str(rng.choice([*ON_TABLES]))
        thing = turn(furniture.piece(rng, family, ON_TABLES[family]), "z", rng.uniform(0, 2 * np.pi))
        x = low[0] + share * (high[0] - low[0])
        y = low[1] + rng.uniform(0.35, 0.65) * (high[1] - low[1])
        things.append(at(thing, x, y, high[2]))
    return things
