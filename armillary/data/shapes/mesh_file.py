"""Mesh files: OFF, OBJ, PLY, STL and GLB through trimesh, with their colours; points without faces become patches."""

from pathlib import Path

import numpy as np
import torch

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.surfels import surfels

# Scans are dense but uneven: larger patches close their gaps and hardly blunt their edges.
SCAN_STRETCH = 1.0
SUFFIXES = (".off", ".obj", ".ply", ".stl", ".glb", ".gltf")


def load_mesh(path: str | Path) -> Mesh:
    """Read an OFF, OBJ, PLY, STL or GLB file; a scene is merged into one mesh.

    Vertex colours are kept, face colours and textures become vertex colours, and a file without any is grey.
    A file of points without faces gives their ``surfels``; ``Mesh.patches`` then says so.
    Vertices stay in the file's own unit and frame: see ``Mesh.centred`` and ``Mesh.scaled``.
    """
    path = Path(path)
    if not path.is_file():
        got = "a folder; name the files in it" if path.is_dir() else "no such file; check the path"
        raise FileNotFoundError(f"{path}: expected a mesh file, got {got}")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: expected one of {', '.join(SUFFIXES)}, got '{path.suffix}'; convert the mesh first")
    import trimesh

    try:
        geometry = trimesh.load(path, process=False)
        if isinstance(geometry, trimesh.Scene):
            geometry = geometry.to_mesh() if geometry.geometry else None
    except Exception as error:  # each of trimesh's readers fails in its own way
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ValueError(f"{path}: expected a readable mesh, got '{reason}'; export the file again") from error
    if isinstance(geometry, trimesh.PointCloud) and len(geometry.vertices):
        return _mesh_from_points(geometry, path)
    if not isinstance(geometry, trimesh.Trimesh) or len(geometry.faces) == 0:
        raise ValueError(f"{path}: expected a mesh with faces, got none; export a surface, or points as .ply")
    return _mesh_from_trimesh(geometry, path)


def _mesh_from_points(cloud: "trimesh.PointCloud", path: Path) -> Mesh:  # type: ignore[name-defined]
    points = torch.tensor(np.asarray(cloud.vertices), dtype=torch.float32)
    colours = None if cloud.colors is None else np.asarray(cloud.colors)
    if colours is not None and colours.shape != (len(points), 4):
        colours = None
    colours = None if colours is None else torch.tensor(colours[:, :3] / 255.0, dtype=torch.float32)
    try:
        return surfels(points, colours, stretch=SCAN_STRETCH)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _mesh_from_trimesh(geometry: "trimesh.Trimesh", path: Path) -> Mesh:  # type: ignore[name-defined]
    vertices, faces = np.asarray(geometry.vertices), np.asarray(geometry.faces)
    visual = geometry.visual
    colours = None
    if visual.defined and visual.kind == "face":
        colours = np.repeat(np.asarray(visual.face_colors), 3, axis=0)
        vertices, faces = vertices[faces.ravel()], np.arange(faces.size).reshape(-1, 3)
    elif visual.defined:
        coloured = visual.to_color() if visual.kind == "texture" else visual
        colours = np.asarray(coloured.vertex_colors)
    if colours is not None and colours.shape != (len(vertices), 4):
        colours = np.broadcast_to(colours.reshape(-1, 4)[:1], (len(vertices), 4))
    if np.isfinite(vertices).all() and not (vertices.max(0) > vertices.min(0)).any():
        raise ValueError(f"{path}: expected a surface, got all vertices in one point; export the file again")
    try:
        return Mesh(
            vertices=torch.tensor(vertices, dtype=torch.float32),
            faces=torch.tensor(faces, dtype=torch.int64),
            colours=None if colours is None else torch.tensor(colours[:, :3] / 255.0, dtype=torch.float32),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
