"""Triangle meshes: vertices in metres, faces, one colour per vertex, optional shading normals per corner.

A mesh need not be closed nor consistently wound: the renderer shades both sides of each face.
Files are read in ``mesh_file.py``; points without faces become a mesh in ``surfels.py``.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from math import cos

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# A light grey that leaves room for highlights: the colour of a mesh that brings none.
GREY = (0.6, 0.6, 0.6)


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in its object frame.

    Vertices are in metres, colours in [0, 1]. ``normals`` holds one unit shading normal per corner of each face
    (``None``: each face is flat and shaded with its geometric normal). Colours default to grey.

    Example:
        >>> triangle = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
        >>> triangle.face_normals()
        tensor([[0.5774, 0.5774, 0.5774]])
        >>> triangle.watertight
        False
    """

    vertices: Float[Tensor, "vertices 3"]
    faces: Int[Tensor, "faces 3"]
    colours: Float[Tensor, "vertices 3"] | None = None
    normals: Float[Tensor, "faces 3 3"] | None = None
    # The faces are patches drawn for points that had none (see ``surfels``).
    patches: bool = False

    def __post_init__(self) -> None:
        if self.faces.numel() == 0 or self.vertices.numel() == 0:
            raise ValueError("expected a mesh with at least one face, got none; make one of points by surfels")
        if not bool(torch.isfinite(self.vertices).all()):
            bad = int((~torch.isfinite(self.vertices)).any(dim=1).sum())
            raise ValueError(f"expected finite vertices, got {bad} with NaN or infinity; remove or repair them")
        if int(self.faces.min()) < 0 or int(self.faces.max()) >= len(self.vertices):
            raise ValueError(
                f"expected face indices in 0..{len(self.vertices) - 1}, got {int(self.faces.min())}.."
                f"{int(self.faces.max())}; the file is damaged or counts from one"
            )
        object.__setattr__(self, "vertices", self.vertices.float())
        object.__setattr__(self, "faces", self.faces.long())
        colours = torch.tensor(GREY).repeat(len(self.vertices), 1) if self.colours is None else self.colours
        object.__setattr__(self, "colours", colours.float().clamp(0, 1))

    @property
    def vertex_colours(self) -> Float[Tensor, "vertices 3"]:
        """The colours, never ``None``."""
        assert self.colours is not None
        return self.colours

    @property
    def watertight(self) -> bool:
        """Whether each edge belongs to exactly two faces (vertices at equal positions count as one)."""
        faces = _places(self.vertices)[self.faces]
        edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        # One number per edge: sorting numbers is many times faster than sorting rows.
        numbers = edges.amin(1) * len(self.vertices) + edges.amax(1)
        return bool((torch.unique(numbers, return_counts=True)[1] == 2).all())

    def face_normals(self) -> Float[Tensor, "faces 3"]:
        """Unit geometric normal of each face, by the right-hand rule of its corner order (zero if degenerate)."""
        return torch.nn.functional.normalize(_area_vectors(self), dim=-1, eps=1e-30)

    def corner_normals(self) -> Float[Tensor, "faces 3 3"]:
        """Shading normal of each corner of each face."""
        if self.normals is not None:
            return self.normals
        return self.face_normals()[:, None].expand(-1, 3, 3)

    def bounding_sphere(self) -> tuple[Float[Tensor, "3"], float]:
        """Centre and radius (m) of the smallest sphere that holds all vertices."""
        centre, radius = _smallest_ball(self.vertices.double().numpy())
        return torch.from_numpy(centre).float(), radius

    def translated(self, offset: Float[Tensor, "3"]) -> "Mesh":
        """The mesh moved by an offset (m)."""
        return replace(self, vertices=self.vertices + offset)

    def rotated(self, rotation: Float[Tensor, "3 3"]) -> "Mesh":
        """The mesh turned about its origin: ``x -> rotation @ x``."""
        rotation = rotation.float()
        normals = None if self.normals is None else self.normals @ rotation.T
        return replace(self, vertices=self.vertices @ rotation.T, normals=normals)

    def centred(self) -> "Mesh":
        """The mesh with the centre of its bounding sphere at the origin."""
        return self.translated(-self.bounding_sphere()[0])

    def scaled(self, radius: float | int = 1.0) -> "Mesh":
        """The mesh scaled about its origin so that its bounding sphere has this radius (m)."""
        return replace(self, vertices=self.vertices * (radius / max(self.bounding_sphere()[1], 1e-30)))

    def coloured(self, colour: tuple[float | int, float | int, float | int]) -> "Mesh":
        """The mesh in one colour (red, green, blue in [0, 1])."""
        return replace(self, colours=torch.tensor(colour, dtype=torch.float32).repeat(len(self.vertices), 1))


def merge_meshes(meshes: list[Mesh]) -> Mesh:
    """One mesh that holds the faces of all; shading normals are kept (flat parts stay flat)."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    smooth = any(mesh.normals is not None for mesh in meshes)
    return Mesh(
        vertices=torch.cat([mesh.vertices for mesh in meshes]),
        faces=torch.cat([mesh.faces + int(offset) for mesh, offset in zip(meshes, offsets, strict=True)]),
        colours=torch.cat([mesh.vertex_colours for mesh in meshes]),
        normals=torch.cat([mesh.corner_normals() for mesh in meshes]) if smooth else None,
    )


def smooth(mesh: Mesh, crease: float = 0.6) -> Mesh:
    """The mesh with shading normals averaged over faces that meet at less than the crease angle (rad).

    At each corner the area-weighted normals of the faces around the vertex are added, each turned to the side of the
    corner's own face first, so that inconsistent winding does no harm; faces across a sharper edge are left out.
    """
    corners = _places(mesh.vertices)[mesh.faces].flatten()
    # All pairs (corner, face at the same vertex): sort corners by vertex, then each corner meets its vertex's run.
    order = corners.argsort()
    counts = torch.bincount(corners)
    starts = counts.cumsum(0) - counts
    repeats = counts[corners]
    first = torch.repeat_interleave(torch.arange(len(corners)), repeats)
    within = torch.arange(len(first)) - torch.repeat_interleave(repeats.cumsum(0) - repeats, repeats)
    second_face = order[starts[corners[first]] + within] // 3
    area, unit = _area_vectors(mesh), mesh.face_normals()
    cosine = (unit[first // 3] * unit[second_face]).sum(-1)
    weight = torch.where(cosine.abs() >= cos(crease), cosine.sign(), torch.zeros_like(cosine))
    total = torch.zeros(len(corners), 3).index_add_(0, first, weight[:, None] * area[second_face])
    return replace(mesh, normals=torch.nn.functional.normalize(total, dim=-1, eps=1e-30).reshape(-1, 3, 3))


def _places(vertices: Float[Tensor, "vertices 3"]) -> Int[Tensor, "vertices"]:
    """A number below the count of vertices for each, the same for those at equal positions."""
    place = torch.zeros(len(vertices), dtype=torch.int64)
    for coordinate in vertices.T:
        values, rank = torch.unique(coordinate, return_inverse=True)
        place = torch.unique(place * len(values) + rank, return_inverse=True)[1]
    return place


def _area_vectors(mesh: Mesh) -> Float[Tensor, "faces 3"]:
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(dim=1)
    return torch.linalg.cross(b - a, c - a).float()


def _smallest_ball(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Smallest enclosing ball by pivoting: add the farthest point, keep the few points that carry the ball."""
    support = points[[0]]
    centre, radius = points[0], 0.0
    scale = float(np.abs(points - points[0]).max()) + 1e-30
    for _ in range(1000):
        distances = np.linalg.norm(points - centre, axis=1)
        farthest = int(distances.argmax())
        if distances[farthest] <= radius + 1e-9 * scale:
            break
        centre, radius, support = _ball_of_few(np.vstack([support, points[farthest]]), scale)
    return centre, float(np.linalg.norm(points - centre, axis=1).max())


def _ball_of_few(points: np.ndarray, scale: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Smallest ball around at most five points: the smallest circumsphere of a subset that holds them all."""
    best: tuple[np.ndarray, float, np.ndarray] | None = None
    for size in range(1, min(len(points), 4) + 1):
        for chosen in combinations(range(len(points)), size):
            subset = points[list(chosen)]
            edges = subset[1:] - subset[0]
            centre = subset[0].copy()
            if size > 1:
                # The centre lies in the affine hull: 2 edges . x = |edges|^2 with the least norm.
                centre += np.linalg.lstsq(2 * edges, (edges**2).sum(1), rcond=None)[0]
            radius = float(np.linalg.norm(subset - centre, axis=1).max())
            holds = np.linalg.norm(points - centre, axis=1).max() <= radius + 1e-10 * scale
            if holds and (best is None or radius < best[1]):
                best = (centre, radius, subset)
    assert best is not None, "five points always have a smallest ball"
    return best
