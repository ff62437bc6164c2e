"""The eight shapes of SYMSOL with their exact symmetry groups.

tet, cube, icosa, cone and cyl are plain; sphX, cylO and tetX carry a mark that makes every pose unique (trivial group)
but is seen only from some sides. All have bounding radius 1 m, centred at the origin, in the frame in which
``SymmetryGroup`` states its groups: half-turn axes of tet, cube and icosa along x, y, z; cone and cylinder about z.

Reference: Implicit-PDF (Murphy et al., 2021), section 4.1, https://arxiv.org/abs/2106.05965
"""

from collections.abc import Callable
from difflib import get_close_matches
from itertools import combinations
from math import cos, pi, sin, sqrt

import numpy as np

from armillary.data.shapes.mesh import Mesh, merge_meshes
from armillary.data.shapes.primitive import ball, box, convex, lathe, make_mesh
from armillary.data.shapes.shape import Shape
from armillary.so3 import SymmetryGroup

BODY = (0.78, 0.78, 0.8)
MARK = (0.75, 0.12, 0.1)
# The marks float this far above the surface, so that they win the depth test; 1/250 of a pixel in a 128 px picture.
LIFT = 1e-3
# Turned edges are 128-gons: they leave their circle by 1 - cos(pi / 128) = 3e-4 of the radius, 1/60 px at 128 px.
SEGMENTS = 128


def make_tet() -> Shape:
    """Regular tetrahedron with corners (1, 1, 1), (1, -1, -1), ...; group T."""
    return Shape("tet", _tetrahedron().coloured(BODY), SymmetryGroup.tetrahedral())


def make_cube() -> Shape:
    """Cube with faces across x, y and z; group O."""
    edge = 2 / sqrt(3)
    return Shape("cube", box((edge, edge, edge)).coloured(BODY), SymmetryGroup.octahedral())


def make_icosa() -> Shape:
    """Regular icosahedron with corners (0, ±1, ±golden ratio) and cyclic; group I."""
    golden = (1 + sqrt(5)) / 2
    corner = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    vertices = np.array([np.roll(c, turn) for c in corner for turn in range(3)])
    faces = [
        triple for triple in combinations(range(12), 3)
        if all(np.linalg.norm(vertices[i] - vertices[j]) < 2.1 for i, j in combinations(triple, 2))
    ]  # fmt: skip
    mesh = convex(vertices / sqrt(1 + golden**2), np.array(faces))
    return Shape("icosa", mesh.coloured(BODY), SymmetryGroup.icosahedral())


def make_cone() -> Shape:
    """Cone about z, tip up, as high as its base is wide; group C_inf."""
    # Tip and base circle lie on the unit sphere: with base at z = -h the height 1 + h equals the width 2 sqrt(1 - h^2).
    base = 3 / 5
    width = sqrt(1 - base**2)
    mesh = lathe([(0, -base), (width, -base), (0, 1)], SEGMENTS)
    return Shape("cone", mesh.coloured(BODY), SymmetryGroup.axial())


def make_cyl() -> Shape:
    """Cylinder about z, as high as wide; group D_inf."""
    return Shape("cyl", _cylinder().coloured(BODY), SymmetryGroup.dihedral_axial())


def make_sphere_marked() -> Shape:
    """Sphere with an X and a dot beside it around +z; trivial group."""
    planar, faces = _mark_x(0.55, 0.13)
    angle = np.linalg.norm(planar, axis=1)
    sideways = np.sinc(angle / pi)[:, None] * planar
    points = np.concatenate([sideways, np.cos(angle)[:, None]], axis=1)
    mark = make_mesh(points * (1 + LIFT), faces, points[faces])
    mesh = merge_meshes([ball(1.0, rings=48, segments=96).coloured(BODY), mark.coloured(MARK)])
    return Shape("sphX", mesh, SymmetryGroup.trivial())


def make_cylinder_marked() -> Shape:
    """Cylinder with a dot beside the centre of its upper end; trivial group."""
    planar, faces = _disc(0.16, (0.4, 0.0))
    height = np.full((len(planar), 1), 1 / sqrt(2) + LIFT)
    dot = make_mesh(np.concatenate([planar, height], axis=1), faces)
    mesh = merge_meshes([_cylinder().coloured(BODY), dot.coloured(MARK)])
    return Shape("cylO", mesh, SymmetryGroup.trivial())


def make_tet_marked() -> Shape:
    """Tetrahedron with an X and a dot on the face across from (1, 1, 1); trivial group."""
    planar, faces = _mark_x(0.42, 0.1)
    normal = -np.ones(3) / sqrt(3)
    right = np.array([1, -1, 0]) / sqrt(2)
    points = planar @ np.stack([right, np.cross(normal, right)]) + normal * (1 / 3 + LIFT)
    mesh = merge_meshes([_tetrahedron().coloured(BODY), make_mesh(points, faces).coloured(MARK)])
    return Shape("tetX", mesh, SymmetryGroup.trivial())


SOLIDS: dict[str, Callable[[], Shape]] = {
    "tet": make_tet,
    "cube": make_cube,
    "icosa": make_icosa,
    "cone": make_cone,
    "cyl": make_cyl,
    "sphX": make_sphere_marked,
    "cylO": make_cylinder_marked,
    "tetX": make_tet_marked,
}


def make_solid(name: str) -> Shape:
    """The solid of this name: tet, cube, icosa, cone, cyl, sphX, cylO or tetX.

    Example:
        >>> make_solid("cube").symmetry.order
        24
    """
    if name not in SOLIDS:
        close = get_close_matches(name, SOLIDS, n=1) or ["tet"]
        raise ValueError(f"expected a solid among {', '.join(SOLIDS)}, got '{name}'; did you mean '{close[0]}'?")
    return SOLIDS[name]()


def _tetrahedron() -> Mesh:
    vertices = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / sqrt(3)
    return convex(vertices, np.array(list(combinations(range(4), 3))))


def _cylinder() -> Mesh:
    side = 1 / sqrt(2)
    return lathe([(0, -side), (side, -side), (side, side), (0, side)], SEGMENTS)


def _disc(radius: float, centre: tuple[float, float], segments: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Points of a planar disc and its triangles, with rings close enough to follow a sphere."""
    rings = 4
    points, faces = [centre], []
    for ring in range(1, rings + 1):
        for turn in range(segments):
            angle = 2 * pi * turn / segments
            size = radius * ring / rings
            points.append((centre[0] + size * cos(angle), centre[1] + size * sin(angle)))
    for turn in range(segments):
        after = (turn + 1) % segments
        faces.append((0, 1 + turn, 1 + after))
        for ring in range(rings - 1):
            a, b = 1 + ring * segments + turn, 1 + ring * segments + after
            faces += [(a, a + segments, b + segments), (a, b + segments, b)]
    return np.array(points), np.array(faces)


def _bar(length: float, width: float, angle: float, steps: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Points of a planar bar through the origin, cut along its length, and its triangles."""
    along, across = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
    lines = [
        np.linspace(-length, length, steps + 1)[:, None] * along + offset * across for offset in (-width, 0, width)
    ]
    faces = []
    for line in range(2):
        for step in range(steps):
            a, b = line * (steps + 1) + step, (line + 1) * (steps + 1) + step
            faces += [(a, a + 1, b + 1), (a, b + 1, b)]
    return np.concatenate(lines), np.array(faces)


def _mark_x(size: float, dot: float) -> tuple[np.ndarray, np.ndarray]:
    """An X of two bars with a dot in one of its gaps: no turn maps it to itself."""
    parts = [_bar(size, size / 8, pi / 4), _bar(size, size / 8, -pi / 4), _disc(dot, (0.75 * size, 0.0))]
    offsets = np.cumsum([0] + [len(points) for points, _ in parts[:-1]])
    faces = [faces + offset for (_, faces), offset in zip(parts, offsets, strict=True)]
    return np.concatenate([points for points, _ in parts]), np.concatenate(faces)
