"""The shell of a room: floor, walls and ceiling in patterns, with skirting, windows, doors and pictures.

World frame: z up, the floor at z = 0, the back wall at y = depth, side walls at x = 0 and x = width; the front is open.
Surfaces are grids of tiles whose corner colours darken towards edges and under furniture, as daylight does in a room.
"""

from dataclasses import dataclass

import numpy as np
import torch

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.primitive import box, make_mesh
from armillary.data.shapes.zoo.assembly import FABRICS, PAINTS, WHITE, WOODS, Colour, Rng, at, pick, shade

# How far the floor and the side walls reach in front of the room, metres: behind the camera.
FRONT = 3.0
WALLS: tuple[Colour, ...] = (
    (0.86, 0.84, 0.8), (0.78, 0.8, 0.82), (0.82, 0.76, 0.64), (0.66, 0.74, 0.7), (0.72, 0.62, 0.6), (0.55, 0.62, 0.72)
)  # fmt: skip
STONES: tuple[Colour, ...] = ((0.72, 0.7, 0.66), (0.5, 0.5, 0.52), (0.62, 0.5, 0.42))
SKY: Colour = (0.75, 0.88, 1.0)


@dataclass(frozen=True)
class RoomSize:
    """Inner edges in metres, and which walls beside the back one there are."""

    width: float
    depth: float
    height: float
    left: bool
    right: bool
    ceiling: bool


# Ranges in x and y that a piece of furniture covers, metres: (x low, y low, x high, y high).
Footprint = tuple[float, float, float, float]


def random_size(rng: Rng) -> RoomSize:
    """The size of a room with a back wall and one or two side walls.

    Example:
        >>> random_size(np.random.default_rng(0)).left
        True
    """
    sides = rng.integers(4)
    return RoomSize(
        width=rng.uniform(3.2, 6.0),
        depth=rng.uniform(3.0, 5.5),
        height=rng.uniform(2.3, 3.0),
        left=bool(sides != 0),
        right=bool(sides != 1),
        ceiling=bool(rng.random() < 0.7),
    )


def make_shell(rng: Rng, size: RoomSize, footprints: list[Footprint]) -> list[Mesh]:
    """The surfaces of a room in which furniture covers the footprints."""
    wall = pick(rng, WALLS)
    long = size.depth + FRONT
    parts = [_floor(rng, size, footprints)]
    # Each wall by its lower left corner, its direction along the floor and its length.
    walls = [((0.0, size.depth), (1.0, 0.0), size.width)]
    walls += [((0.0, -FRONT), (0.0, 1.0), long)] * size.left + [((size.width, -FRONT), (0.0, 1.0), long)] * size.right
    skirting = shade(wall, 1.15) if rng.random() < 0.5 else pick(rng, WOODS)
    for place, (start, along, length) in enumerate(walls):
        colour = wall if rng.random() < 0.75 else pick(rng, WALLS)
        grid = _panel((*start, 0.0), (*along, 0.0), (0.0, 0.0, 1.0), length, size.height, 0.3, lambda c, r: np.ones(1))
        parts.append(_shaded(grid.coloured(colour), size, []))
        parts.append(_on_wall(start, along, (length / 2, 0.05), (length, 0.1), 0.03, skirting))
        parts += _fittings(rng, size, start, along, length if place == 0 else size.depth, 0.0 if place == 0 else FRONT)
    if size.ceiling:
        top = (-0.0, -FRONT, size.height)
        grid = _panel(top, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), size.width, long, 0.4, lambda c, r: np.ones(1))
        parts.append(_shaded(grid.coloured(WHITE), size, []))
    return parts


def _floor(rng: Rng, size: RoomSize, footprints: list[Footprint]) -> Mesh:
    style, tile = rng.integers(3), 0.2
    # Where a side wall is missing the floor goes on.
    left, right = 0.0 if size.left else -1.5, size.width + (0.0 if size.right else 1.5)
    base = pick(rng, (WOODS, STONES, FABRICS)[style])
    variety = rng.uniform(0.75, 1.0, (97, 97))
    patterns = {
        0: lambda column, row: variety[column % 97, (row // 6 + 3 * column) % 97],  # planks along y
        1: lambda column, row: np.where((column // 2 + row // 2) % 2 == 0, 1.0, 0.82),  # stone tiles
        2: lambda column, row: 0.95 + 0.05 * variety[column % 97, row % 97],  # carpet
    }
    corner = (left, -FRONT, 0.0)
    grid = _panel(corner, (1.0, 0, 0), (0, 1.0, 0), right - left, size.depth + FRONT, tile, patterns[int(style)])
    colours = grid.vertex_colours * torch.tensor(base)
    return _shaded(Mesh(grid.vertices, grid.faces, colours), size, footprints)


def _panel(corner, across, up, wide, high, tile, pattern) -> Mesh:  # noqa: ANN001 - numbers and vectors of three
    """A rectangle of tiles; the pattern gives the grey of the tile in a column and a row."""
    columns, rows = max(1, round(wide / tile)), max(1, round(high / tile))
    column, row = (index.ravel() for index in np.meshgrid(np.arange(columns), np.arange(rows)))
    u = (column[:, None] + np.array([0, 1, 1, 0])) * wide / columns
    v = (row[:, None] + np.array([0, 0, 1, 1])) * high / rows
    vertices = np.array(corner) + u[..., None] * np.array(across) + v[..., None] * np.array(up)
    quads = np.arange(4 * len(column)).reshape(-1, 4)
    mesh = make_mesh(vertices.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
    grey = np.broadcast_to(pattern(column, row), column.shape).repeat(4)
    return Mesh(mesh.vertices, mesh.faces, torch.tensor(grey, dtype=torch.float32)[:, None].expand(-1, 3).contiguous())


def _shaded(mesh: Mesh, size: RoomSize, footprints: list[Footprint]) -> Mesh:
    """Darker near the edges of the room, and on the floor near furniture."""
    x, y, z = mesh.vertices.double().numpy().T
    distances = [z, size.depth - y, size.height - z if size.ceiling else np.full_like(z, 9.0)]
    distances += [x] * size.left + [size.width - x] * size.right
    # The least distance is to the surface itself: the next one is to the edge.
    edge = np.sort(np.stack(distances), axis=0)[1]
    light = 1 - 0.3 * np.exp(-np.maximum(edge, 0) / 0.3)
    for low_x, low_y, high_x, high_y in footprints:
        aside = np.maximum(np.maximum(low_x - x, x - high_x), 0)
        before = np.maximum(np.maximum(low_y - y, y - high_y), 0)
        light *= 1 - 0.5 * np.exp(-np.hypot(aside, before) / 0.12)
    return Mesh(mesh.vertices, mesh.faces, mesh.vertex_colours * torch.tensor(light, dtype=torch.float32)[:, None])


def _fittings(rng: Rng, size: RoomSize, start, along, length: float, skip: float) -> list[Mesh]:  # noqa: ANN001
    """Windows, doors and pictures on a wall, from `skip` metres along it."""
    parts: list[Mesh] = []
    place = skip + rng.uniform(0.3, 1.0)
    while place < skip + length - 1.2:
        kind = rng.integers(4)
        if kind == 0:
            wide, high = rng.uniform(0.7, 1.3), rng.uniform(0.8, 1.2)
            middle = (place + wide / 2, 0.9 + high / 2)
            frame = WHITE if rng.random() < 0.6 else pick(rng, WOODS)
            parts.append(_on_wall(start, along, middle, (wide, high), 0.06, frame))
            for half in (-1, 1):
                pane = (middle[0] + half * wide / 4, middle[1])
                parts.append(_on_wall(start, along, pane, (wide / 2 - 0.09, high - 0.12), 0.07, SKY))
        elif kind == 1:
            wide = 0.85
            parts.append(_on_wall(start, along, (place + wide / 2, 1.0), (wide, 2.0), 0.05, pick(rng, (*WOODS, WHITE))))
            parts.append(_on_wall(start, along, (place + 0.75, 1.0), (0.08, 0.03), 0.12, (0.6, 0.6, 0.55)))
        elif kind == 2:
            wide, high = rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.7)
            middle = (place + wide / 2, rng.uniform(1.3, 1.7))
            parts.append(_on_wall(start, along, middle, (wide, high), 0.03, pick(rng, WOODS)))
            parts.append(_on_wall(start, along, middle, (wide - 0.07, high - 0.07), 0.04, pick(rng, FABRICS + PAINTS)))
        else:
            wide = rng.uniform(0.3, 0.8)
        place += wide + rng.uniform(0.2, 0.9)
    return parts


def _on_wall(start, along, middle, extent, thick: float, colour: Colour) -> Mesh:  # noqa: ANN001
    """A board flat on a wall: its middle (along the wall, up), its extent, and how far it stands out."""
    x, y = (start[axis] + along[axis] * middle[0] for axis in (0, 1))
    size = tuple(extent[0] if along[axis] else 2 * thick for axis in (0, 1)) + (extent[1],)
    return at(box(size), x, y, middle[1], colour)
