"""What the inventory of a folder counts, for every published data set, whole and damaged."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from armillary.data.published import CATALOGUE, take_inventory

WritePublished = Callable[[str], Path]


def test_an_inventory_counts_the_samples_of_each_part(published: Path):
    parts = {part.name: part for part in take_inventory(published)}
    assert any(name.startswith("train") for name in parts) and any(name.startswith("test") for name in parts)
    assert sum(part.found for part in parts.values()) > 0


def test_views_and_shapes_that_lack_are_counted(write_published: WritePublished):
    folder = write_published("symsol")
    (folder / "test" / "rotations.npz").unlink()
    (folder / "train" / "images" / "cube_00001.png").unlink()
    parts = {part.name: part for part in take_inventory(folder)}
    assert parts["train tet"].found == 3 and parts["train tet"].expected == 45_000
    assert parts["train cube"].problems == ("1 without a picture (cube_00001)",)
    assert "expected other shapes" in parts["train icosa"].problems[0]
    assert (parts["test"].expected, parts["test"].problems) == (40_000, ("no test/rotations.npz",))
    assert not any(part.complete for part in parts.values())


def test_a_truncated_database_is_a_problem_of_its_part(write_published: WritePublished):
    folder = write_published("modelnet10_lmdb")
    file = folder / "ModelNet10-SO3" / "test_20V.Rawjpg.lmdb" / "data.mdb"
    file.write_bytes(file.read_bytes()[:9000])
    parts = {part.name: part for part in take_inventory(folder)}
    assert parts["train"].found == 5 and parts["test"].found == 0
    assert "truncated" in parts["test"].problems[0]


def test_categories_and_folders_that_lack_are_named(write_published: WritePublished):
    root = write_published("pascal3d")
    parts = {part.name: part for part in take_inventory(root)}
    assert [part.found for part in parts.values()] == [3, 1, 3]
    assert parts["train"].problems[0].startswith("nothing of 10 categories: aeroplane, bicycle, boat")
    assert "no Annotations/chair_pascal" in parts["train"].problems
    assert "no 02691156" in parts["synthetic"].problems


def test_a_single_part_has_an_inventory(modelnet: SimpleNamespace, tmp_path: Path):
    (part,) = take_inventory(modelnet.write_lmdb(tmp_path / "test_20V.Rawjpg.lmdb"))
    assert (part.found, part.expected, part.complete) == (5, None, True)


def test_the_catalogue_claims_no_checksum_that_nobody_publishes():
    assert [entry.sha256 for entry in CATALOGUE] == [None] * 6
    assert all(address.startswith(("http://", "https://", "ftp://")) for e in CATALOGUE for address in e.addresses)


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="got none of their files; see docs/data.md"):
        take_inventory(tmp_path)
