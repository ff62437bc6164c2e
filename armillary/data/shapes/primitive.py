"""Building blocks of procedural objects: polyhedra, surfaces of revolution, prisms and tubes, as meshes.

All lengths in metres; z is up. Curved parts carry exact or averaged shading normals, so that facets do not show.
"""

from math import pi

import numpy as np
import torch

from armillary.data.shapes.mesh import Mesh, smooth

# Spelled out because the type checker of the tests takes int and float apart.
Number = float | int
Point = tuple[Number, ...]


def make_mesh(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray | None = None) -> Mesh:
    """A grey mesh from arrays."""
    return Mesh(
        vertices=torch.tensor(np.asarray(vertices), dtype=torch.float32),
        faces=torch.tensor(np.asarray(faces), dtype=torch.int64),
        normals=None if normals is None else torch.tensor(np.asarray(normals), dtype=torch.float32),
    )


def convex(vertices: np.ndarray, faces: np.ndarray) -> Mesh:
    """A convex polyhedron around the origin; faces are turned outwards."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = (normal * corners.mean(axis=1)).sum(axis=1) < 0
    return make_mesh(vertices, np.where(inward[:, None], faces[:, ::-1], faces))


def box(size: Point, centre: Point = (0.0, 0.0, 0.0)) -> Mesh:
    """A cuboid with the given edge lengths along x, y, z."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = np.array([[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [0, 2, 6, 4], [1, 3, 7, 5]])
    mesh = convex(corners, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))
    vertices = mesh.vertices * torch.tensor(size) + torch.tensor(centre)
    return make_mesh(vertices.numpy(), mesh.faces.numpy())


def lathe(profile: list[Point], segments: int = 64, crease: Number = 0.6) -> Mesh:
    """The surface swept by a profile of (radius, z) points turned about the z axis.

    Shading normals are exact around the axis; along the profile they are averaged where it bends by less than the
    crease angle (rad).
    """
    points = np.array(profile, dtype=float)
    steps = np.diff(points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    points, steps = np.concatenate([points[:1], points[1:][lengths > 1e-9]]), steps[lengths > 1e-9]
    lengths = lengths[lengths > 1e-9]
    across = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / lengths[:, None]  # normal of each piece: (radial, z)
    left = 2 * pi * np.arange(segments) / segments
    right, middle = np.roll(left, -1), left + pi / segments
    corners, normals = [], []
    for piece, (start, end) in enumerate(zip(points[:-1], points[1:], strict=True)):
        first, last = (_joined(across, lengths, piece, other, crease) for other in (piece - 1, piece + 1))
        # At a tip both sides meet: the one corner kept there looks along the middle of its segment.
        if end[0] > 1e-9:
            tip = left if start[0] > 1e-9 else middle
            triangle = ((start, first, tip), (end, last, right), (end, last, left))
            corners.append(np.stack([_turned(point, angle) for point, _, angle in triangle], axis=1))
            normals.append(np.stack([_turned(normal, angle) for _, normal, angle in triangle], axis=1))
        if start[0] > 1e-9:
            tip = right if end[0] > 1e-9 else middle
            triangle = ((start, first, left), (start, first, right), (end, last, tip))
            corners.append(np.stack([_turned(point, angle) for point, _, angle in triangle], axis=1))
            normals.append(np.stack([_turned(normal, angle) for _, normal, angle in triangle], axis=1))
    vertices = np.concatenate(corners).reshape(-1, 3)
    return _shared(vertices, np.arange(len(vertices)).reshape(-1, 3), np.concatenate(normals))


def _turned(point: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """A point (radius, z) turned about the z axis by each angle."""
    return np.stack([point[0] * np.cos(angles), point[0] * np.sin(angles), np.full(len(angles), point[1])], axis=1)


def _joined(across: np.ndarray, lengths: np.ndarray, piece: int, other: int, crease: Number) -> np.ndarray:
    """Normal at the end where a piece of a profile meets another one."""
    if not 0 <= other < len(across) or across[piece] @ across[other] < np.cos(crease):
        return across[piece]
    total = across[piece] * lengths[piece] + across[other] * lengths[other]
    return total / np.linalg.norm(total)


def _shared(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> Mesh:
    """The mesh with equal positions (to a relative 1e-9) stored once and without faces that so lose a corner."""
    step = 1e-9 * float(np.abs(vertices).max())
    _, first, index = np.unique(np.round(vertices / step), axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return make_mesh(vertices[first], faces[whole], normals[whole])


def cylinder(radius: Number, height: Number, segments: int = 48, top: Number | None = None) -> Mesh:
    """A closed cylinder about z, centred; ``top`` is the radius of the upper end (0: a cone)."""
    upper = radius if top is None else top
    half = height / 2
    return lathe([(0, -half), (radius, -half), (upper, half), (0, half)], segments)


def ball(radius: Number = 1.0, rings: int = 32, segments: int = 64) -> Mesh:
    """A sphere about the origin."""
    angles = pi * np.arange(rings + 1) / rings
    sphere = lathe([(radius * np.sin(a), -radius * np.cos(a)) for a in angles], segments)
    corners = sphere.vertices[sphere.faces]
    return Mesh(sphere.vertices, sphere.faces, normals=torch.nn.functional.normalize(corners, dim=-1))


def rounded_box(size: Point, radius: Number, steps: int = 4) -> Mesh:
    """A cuboid about the origin whose edges and corners are rounded with the given radius."""
    half = np.array(size) / 2
    radius = min(radius, float(half.min()) * 0.999)
    quarter = np.linspace(0, pi / 2, steps + 1)
    latitude = np.concatenate([quarter - pi / 2, quarter])
    upper = np.repeat([-1.0, 1.0], steps + 1)
    longitude = np.concatenate([quarter + turn * pi / 2 for turn in range(4)])
    east, north = np.repeat([[1, 1], [-1, 1], [-1, -1], [1, -1]], steps + 1, axis=0).T
    direction = np.stack(np.broadcast_arrays(
        np.cos(latitude)[:, None] * np.cos(longitude),
        np.cos(latitude)[:, None] * np.sin(longitude),
        np.sin(latitude)[:, None],
    ), axis=-1)  # fmt: skip
    side = np.stack(np.broadcast_arrays(east, north, upper[:, None]), axis=-1)
    points = radius * direction + side * (half - radius)
    faces = _ring_faces(len(points), points.shape[1], closed=False)
    rim = np.arange(1, points.shape[1] - 1)
    top = (len(points) - 1) * points.shape[1]
    caps = [np.stack([0 * rim, rim + 1, rim], axis=1), np.stack([0 * rim, rim, rim + 1], axis=1) + top]
    faces = np.concatenate([faces, *caps])
    return _shared(points.reshape(-1, 3), faces, direction.reshape(-1, 3)[faces])


def prism(outline: list[Point], height: Number, crease: Number = 0.0) -> Mesh:
    """A simple polygon (x, y), counter-clockwise, extruded along z and centred at z = 0.

    With a crease angle (rad) the side faces are shaded smoothly across gentler bends.
    """
    from manifold3d import triangulate

    ring = np.array(outline, dtype=float)
    count = len(ring)
    flat = np.asarray(triangulate([ring]))
    vertices = np.concatenate([np.c_[ring, np.full(count, z)] for z in (-height / 2, height / 2)])
    faces = np.concatenate([flat[:, ::-1], flat + count, _ring_faces(2, count, closed=False)])
    mesh = make_mesh(vertices, faces)
    return smooth(mesh, crease) if crease > 0 else mesh


def loft(rings: np.ndarray, crease: Number = 0.6, closed: bool = False) -> Mesh:
    """The skin over a sequence of rings of points (rings, points, 3), with flat ends unless the sequence is closed."""
    count, segments, _ = rings.shape
    vertices, faces = rings.reshape(-1, 3), [_ring_faces(count, segments, closed)]
    if not closed:
        vertices = np.concatenate([vertices, rings[[0, -1]].mean(axis=1)])
        turn = np.arange(segments)
        after = (turn + 1) % segments
        last = (count - 1) * segments
        faces.append(np.stack([after, turn, np.full(segments, count * segments)], axis=1))
        faces.append(np.stack([turn + last, after + last, np.full(segments, count * segments + 1)], axis=1))
    return smooth(make_mesh(vertices, np.concatenate(faces)), crease)


def tube(path: np.ndarray, radius: Number | np.ndarray, segments: int = 16, closed: bool = False) -> Mesh:
    """A round tube along a path of points (points, 3); its rings are carried along without twist."""
    path = np.asarray(path, dtype=float)
    ahead = np.roll(path, -1, axis=0) - path
    behind = np.roll(ahead, 1, axis=0)
    if not closed:
        ahead[-1], behind[0] = path[-1] - path[-2], ahead[0]
    tangents = ahead / np.linalg.norm(ahead, axis=1)[:, None] + behind / np.linalg.norm(behind, axis=1)[:, None]
    tangents /= np.linalg.norm(tangents, axis=1)[:, None]
    side = np.eye(3)[np.abs(tangents[0]).argmin()]
    radii = np.broadcast_to(radius, (len(path),))
    angles = 2 * pi * np.arange(segments) / segments
    rings = []
    for point, tangent, size in zip(path, tangents, radii, strict=True):
        side = side - tangent * (side @ tangent)
        side /= np.linalg.norm(side)
        rings.append(
            point + size * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * np.cross(tangent, side))
        )
    return loft(np.array(rings), crease=0.9, closed=closed)


def _ring_faces(count: int, segments: int, closed: bool) -> np.ndarray:
    """Triangles between neighbouring rings of points."""
    ring = np.arange(count if closed else count - 1)[:, None] * segments
    above = (ring + segments) % (count * segments)
    turn = np.arange(segments)
    after = (turn + 1) % segments
    a, b, c, d = ring + turn, ring + after, above + turn, above + after
    return np.concatenate([np.stack([a, b, d], axis=-1), np.stack([a, d, c], axis=-1)]).reshape(-1, 3)
