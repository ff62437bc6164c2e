"""Cached maps are those made fresh, are made once, and survive a damaged file."""

import pytest
import torch

from armillary.data.shapes import make_shape
from armillary.data.shapes.primitive import box
from armillary.data.spherical import cache, cached_maps, spherical_maps
from armillary.so3 import random_rotations

MESHES = [make_shape("mug", 1).mesh, box((1.0, 2.0, 3.0)), make_shape("mug", 1).mesh]
ROTATIONS = random_rotations(3, generator=torch.Generator().manual_seed(0))


def test_what_is_read_is_what_is_made(tmp_path, monkeypatch):
    fresh = spherical_maps(MESHES, 16, rotations=ROTATIONS, hull=True)
    made = cached_maps(tmp_path, MESHES, 16, rotations=ROTATIONS, hull=True)
    monkeypatch.setattr(cache, "spherical_maps", None)
    read = cached_maps(tmp_path, MESHES, 16, rotations=ROTATIONS, hull=True)
    for maps in (made, read):
        assert torch.equal(maps.values, fresh.values) and maps.channels == fresh.channels and maps.grid == fresh.grid
        assert torch.equal(maps.centres, fresh.centres) and torch.equal(maps.radii, fresh.radii)


def test_equal_content_is_kept_once_and_every_setting_counts(tmp_path):
    def files() -> int:
        return len(list(tmp_path.rglob("*.npz")))

    cached_maps(tmp_path, MESHES, 16)
    assert files() == 2
    for settings in ({"size": 8}, {"grid": "driscoll-healy"}, {"centre": "origin"}, {"hull": True}, {"beyond": True}):
        before = files()
        cached_maps(tmp_path, MESHES[1:2], **{"size": 16, **settings})
        assert files() == before + 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not whole"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    first = cached_maps(tmp_path, MESHES[:1], 16)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(damage)
    assert torch.equal(cached_maps(tmp_path, MESHES[:1], 16).values, first.values)
    assert path.read_bytes() != damage
