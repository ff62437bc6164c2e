"""Spherical maps kept on disk: one file for each mesh and rotation, found by its content.

::

    folder/
      3f/3f9c...e1.npz     values (channels, rings, azimuths) float32, centre, radius; named by the SHA-256 of what
                           they depend on

A file is whole or absent; a damaged one is made anew. The same folder serves any number of data sets and settings.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.atomic import replacing
from armillary.data.shapes.mesh import Mesh
from armillary.data.spherical.body import Centre
from armillary.data.spherical.grid import SphereGrid
from armillary.data.spherical.maps import CHANNELS, HULL_CHANNELS, SphericalMaps, spherical_maps

# Raise it when maps of the same content change.
VERSION = 1
# Maps made between writes.
MADE_AT_ONCE = 64


def cached_maps(
    folder: Path,
    meshes: Sequence[Mesh],
    size: int = 64,
    grid: SphereGrid = "equiangular",
    rotations: Float[Tensor, "meshes 3 3"] | None = None,
    centre: Centre = "centroid",
    hull: bool = False,
    beyond: bool = False,
    device: torch.device | str = "cpu",
) -> SphericalMaps:
    """``spherical_maps`` that reads what the folder holds and makes and keeps the rest.

    Example:
        >>> import tempfile
        >>> from armillary.data.shapes import make_shape
        >>> folder = tempfile.TemporaryDirectory()
        >>> first = cached_maps(Path(folder.name), [make_shape("mug").mesh], size=16)
        >>> torch.equal(cached_maps(Path(folder.name), [make_shape("mug").mesh], size=16).values, first.values)
        True
        >>> folder.cleanup()
    """
    if not meshes:
        raise ValueError("expected at least one mesh, got none; check the list")
    settings = json.dumps([VERSION, size, grid, centre, hull, beyond])
    contents = {id(mesh): _digest(mesh) for mesh in meshes}
    turns = [b"" if rotations is None else _bytes(rotations[i]) for i in range(len(meshes))]
    keys = [
        hashlib.sha256(settings.encode() + contents[id(mesh)] + turn).hexdigest()
        for mesh, turn in zip(meshes, turns, strict=True)
    ]
    paths = [folder / key[:2] / f"{key}.npz" for key in keys]
    channels = HULL_CHANNELS if hull else ()
    held = {index: _read(path, CHANNELS + channels, grid) for index, path in enumerate(paths)}
    missing = [index for index, maps in held.items() if maps is None]
    for start in range(0, len(missing), MADE_AT_ONCE):
        chosen = missing[start : start + MADE_AT_ONCE]
        turned = None if rotations is None else rotations[chosen]
        made = spherical_maps([meshes[i] for i in chosen], size, grid, turned, centre, hull, beyond, device)
        for place, index in enumerate(chosen):
            one = replace(made[place : place + 1], values=made.values[place : place + 1].cpu())
            _write(paths[index], one)
            held[index] = one
    return SphericalMaps.cat([maps for maps in held.values() if maps is not None])


def _digest(mesh: Mesh) -> bytes:
    parts = [mesh.vertices, mesh.faces, *([] if mesh.normals is None else [mesh.normals])]
    return hashlib.sha256(b"".join(hashlib.sha256(_bytes(part)).digest() for part in parts)).digest()


def _bytes(tensor: Tensor) -> bytes:
    return str((tensor.dtype, tuple(tensor.shape))).encode() + tensor.detach().cpu().contiguous().numpy().tobytes()


def _write(path: Path, maps: SphericalMaps) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, values=maps.values[0].numpy(), centre=maps.centres[0].numpy(), radius=maps.radii[0].numpy())


def _read(path: Path, channels: tuple[str, ...], grid: SphereGrid) -> SphericalMaps | None:
    """What the file holds; None where there is none or it is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes())) as file:
            values, centre, radius = (torch.from_numpy(file[name][None]) for name in ("values", "centre", "radius"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return SphericalMaps(values, channels, centre, radius, grid)
