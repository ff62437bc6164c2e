"""The models folder of a BOP dataset: surfaces as PLY and models_info.json, in millimetres.

Besides BOP's own keys (diameter, box, symmetries) an object's entry holds its category, ``name``, and its smallest
bounding sphere, ``sphere_centre`` and ``sphere_radius``; other readers ignore them.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.shape import Shape

_MM = 1e3


def write_models(folder: Path, shapes: Sequence[Shape]) -> None:
    """Write shapes as objects 1, 2, ... with their symmetries, boxes and bounding spheres."""
    info = {}
    for number, shape in enumerate(shapes, start=1):
        file = folder / f"obj_{number:06d}.ply"
        if not file.is_file():
            write_atomically(file, _ply(shape.mesh))
        low, high = shape.mesh.vertices.amin(0) * _MM, shape.mesh.vertices.amax(0) * _MM
        centre, radius = shape.mesh.bounding_sphere()
        info[str(number)] = {
            "diameter": _diameter(shape.mesh) * _MM,
            **{f"min_{axis}": low[index].item() for index, axis in enumerate("xyz")},
            **{f"size_{axis}": (high - low)[index].item() for index, axis in enumerate("xyz")},
            **shape.symmetry.to_bop(),
            "name": shape.name,
            "sphere_centre": (centre * _MM).tolist(),
            "sphere_radius": radius * _MM,
        }
    write_atomically(folder / "models_info.json", json.dumps(info, indent=1).encode())


def _diameter(mesh: Mesh) -> float:
    """Largest distance between two vertices (m)."""
    points = _extreme_points(torch.unique(mesh.vertices, dim=0).double())
    return max(torch.cdist(part, points).max().item() for part in points.split(1024))


def _extreme_points(points: Float[Tensor, "points 3"]) -> Float[Tensor, "corners 3"]:
    """Corners of the convex hull; all points of a flat mesh, which has none."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return points[torch.from_numpy(ConvexHull(points.numpy()).vertices).long()]
    except QhullError:
        return points


def _ply(mesh: Mesh) -> bytes:
    """Binary PLY in millimetres with vertex colours."""
    vertices = np.zeros(len(mesh.vertices), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertices["xyz"] = mesh.vertices.numpy() * _MM
    vertices["rgb"] = (mesh.vertex_colours.numpy() * 255).round()
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces.numpy()
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()
