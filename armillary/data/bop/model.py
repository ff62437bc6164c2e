"""The models folder of a BOP dataset, read and written: surfaces as PLY and models_info.json, in millimetres.

Besides BOP's own keys (diameter, box, symmetries) an object's entry holds its category, ``name``, and its smallest
bounding sphere, ``sphere_centre`` and ``sphere_radius``; other readers ignore them.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.data.record import read_json, write_json
from armillary.data.sample import DatasetInfo
from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.shape import Shape
from armillary.so3 import SymmetryGroup

MM_PER_METRE = 1e3


def write_models(folder: Path, shapes: Sequence[Shape]) -> None:
    """Write shapes as objects 1, 2, ... with their symmetries, boxes and bounding spheres."""
    info = {}
    for number, shape in enumerate(shapes, start=1):
        file = folder / f"obj_{number:06d}.ply"
        if not file.is_file():
            write_atomically(file, _ply(shape.mesh))
        low, high = shape.mesh.vertices.amin(0) * MM_PER_METRE, shape.mesh.vertices.amax(0) * MM_PER_METRE
        centre, radius = shape.mesh.bounding_sphere()
        info[str(number)] = {
            "diameter": mesh_diameter(shape.mesh) * MM_PER_METRE,
            **{f"min_{axis}": low[index].item() for index, axis in enumerate("xyz")},
            **{f"size_{axis}": (high - low)[index].item() for index, axis in enumerate("xyz")},
            **shape.symmetry.to_bop(),
            "name": shape.name,
            "sphere_centre": (centre * MM_PER_METRE).tolist(),
            "sphere_radius": radius * MM_PER_METRE,
        }
    write_json(folder / "models_info.json", info)


def mesh_diameter(mesh: Mesh) -> float:
    """Largest distance between two vertices (m)."""
    points = extreme_points(torch.unique(mesh.vertices, dim=0).double())
    return max(torch.cdist(part, points).max().item() for part in points.split(1024))


def extreme_points(points: Float[Tensor, "points 3"]) -> Float[Tensor, "corners 3"]:
    """Corners of the convex hull; all points of a flat mesh, which has none."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return points[torch.from_numpy(ConvexHull(points.numpy()).vertices).long()]
    except QhullError:
        return points


def _ply(mesh: Mesh) -> bytes:
    """Binary PLY in millimetres with vertex colours."""
    vertices = np.zeros(len(mesh.vertices), dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    vertices["xyz"] = mesh.vertices.numpy() * MM_PER_METRE
    vertices["rgb"] = (mesh.vertex_colours.numpy() * 255).round()
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces.numpy()
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def read_models(split_folder: Path, object_ids: list[int]) -> tuple[DatasetInfo, dict[int, int]]:
    """The info of a split's dataset and the category of each object id; objects of one name share a category."""
    places = [
        root / name for root in (split_folder.parent, split_folder) for name in ("models", "models_eval", "models_cad")
    ]
    file = next((place / "models_info.json" for place in places if (place / "models_info.json").is_file()), None)
    if file is None:
        warnings.warn(
            f"{places[0] / 'models_info.json'}: no such file, so symmetries and sizes of the objects are not known; "
            "restore it from the dataset's models archive",
            stacklevel=2,
        )
    models = {} if file is None else read_json(file, "restore it from the dataset's models archive")
    missing = [object_id for object_id in object_ids if str(object_id) not in models]
    if file is not None and missing:
        raise ValueError(f"{file}: expected object {missing[0]} of {split_folder.name}, got no entry; restore the file")
    names, symmetries, spheres = [], [], []
    for object_id in object_ids:
        entry = models.get(str(object_id), {})
        try:
            names.append(entry.get("name", f"obj_{object_id:06d}"))
            symmetries.append(SymmetryGroup.from_bop(entry))
            spheres += [] if file is None else [_sphere(entry)]
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:80]
            raise ValueError(
                f"{file}: object {object_id}: expected diameter, box and symmetries as BOP has them, got '{reason}'; "
                "restore the file"
            ) from error
    dataset = split_folder.resolve().parent.name
    info, category = DatasetInfo.of_objects(dataset, names, symmetries, None if file is None else spheres)
    return info, dict(zip(object_ids, category, strict=True))


def _sphere(entry: dict) -> tuple[Float[Tensor, "3"], float]:
    """A sphere around the object, metres: the one our writer states, else from box and diameter.

    A set of diameter D fits a ball of radius sqrt(3/8) D (Jung's theorem), a box a ball of half its diagonal.
    """
    if "sphere_radius" in entry:
        centre, radius = torch.tensor(entry["sphere_centre"], dtype=torch.float64), entry["sphere_radius"]
    else:
        low = torch.tensor([entry[f"min_{axis}"] for axis in "xyz"], dtype=torch.float64)
        size = torch.tensor([entry[f"size_{axis}"] for axis in "xyz"], dtype=torch.float64)
        centre, radius = low + size / 2, min(size.norm().item() / 2, math.sqrt(3 / 8) * entry["diameter"])
    return (centre / MM_PER_METRE).float(), radius / MM_PER_METRE
