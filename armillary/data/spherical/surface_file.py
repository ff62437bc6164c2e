"""Files of surfaces: meshes, and arrays of points or of voxels."""

from pathlib import Path

import numpy as np
import torch

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.mesh_file import SCAN_STRETCH, SUFFIXES, load_mesh
from armillary.data.shapes.surfels import surfels
from armillary.data.spherical.voxels import voxel_mesh

# From which on a cell counts as full.
FULL = 0.5


def load_surface(path: str | Path) -> Mesh:
    """The surface in a mesh file, or in a .npy file of points (k, 3) or of occupancies (x, y, z), full from 1/2 on.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.save(f"{folder.name}/cell.npy", np.ones((1, 1, 1)))
        >>> len(load_surface(f"{folder.name}/cell.npy").faces)
        12
        >>> folder.cleanup()
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        return load_mesh(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an array, got no such file; check the path")
    try:
        array = np.load(path)
        numbers = torch.from_numpy(np.asarray(array, dtype=np.float32))
        if numbers.ndim == 3:
            return voxel_mesh(numbers >= FULL)
        if numbers.ndim == 2 and numbers.shape[1] == 3:
            return surfels(numbers, stretch=SCAN_STRETCH)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from None
    what = "expected points (k, 3) or occupancies (x, y, z)"
    raise ValueError(f"{path}: {what}, got shape {array.shape}; or give a mesh ({', '.join(SUFFIXES)})")
