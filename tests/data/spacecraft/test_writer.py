"""A rendered satellite is read as SPEED+ is, its labels meet its pictures, and an interruption leaves no trace."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from armillary.data import Renderer, load_mesh, open_dataset
from armillary.data.spacecraft import spacecraft_inventory, spacecraft_splits
from armillary.data.spacecraft.photos import SpacecraftPhotos
from armillary.data.spacecraft.scene import Poses, SatelliteSettings, draw_poses
from armillary.data.spacecraft.writer import write_film, write_satellite

SMALL = SatelliteSettings(width=160, height=100, outside=0.3)
COUNTS = {"train": 18, "validation": 3, "lightbox": 3, "sunlamp": 3}


def render(folder: Path, counts: dict[str, int] | None = None, settings: SatelliteSettings = SMALL) -> Path:
    return write_satellite(folder, counts or COUNTS, settings, progress=False)


def prints(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def satellite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("rendered") / "satellite")


def photos(folder: Path, split: str) -> SpacecraftPhotos:
    reader = open_dataset(folder, split)
    assert isinstance(reader, SpacecraftPhotos)
    return reader


def test_the_splits_are_those_of_speedplus(satellite: Path) -> None:
    assert list(spacecraft_splits(satellite)) == ["train", "validation", "lightbox", "sunlamp"]
    assert {split: len(photos(satellite, split)) for split in COUNTS} == COUNTS
    assert all(not len(photos(satellite, split).faults) for split in COUNTS)


def test_a_rendered_satellite_lacks_nothing(satellite: Path) -> None:
    assert {part.name: (part.found, part.expected) for part in spacecraft_inventory(satellite)} == {
        name: (count, None) for name, count in COUNTS.items()
    }


@pytest.mark.parametrize("split", [*COUNTS])
def test_files_alone_draw_the_masks_again(satellite: Path, split: str) -> None:
    reader, mesh = photos(satellite, split), load_mesh(satellite / "model.ply")
    renderer = Renderer(size=(SMALL.height, SMALL.width), antialias=False)
    for sample in reader:
        assert sample.mask is not None and bool(sample.mask.any()) and sample.translation is not None
        again = renderer.render(mesh, sample.rotation[None], sample.translation[None], sample.intrinsics).mask[0]
        # Labels and camera went through decimals: a pixel on an edge may change sides.
        assert int((again != sample.mask).sum()) <= 1 + 0.005 * int(sample.mask.sum())
    renderer.close()


def test_labels_are_those_of_the_scene(satellite: Path) -> None:
    entries = json.loads((satellite / "synthetic" / "train.json").read_text())
    poses = [draw_poses(SMALL, "train", block) for block in range(2)]
    wanted = torch.cat([block.rotations for block in poses])[:18]
    assert [entry["filename"] for entry in entries[:2]] == ["img000001.jpg", "img000002.jpg"]
    assert torch.allclose(photos(satellite, "train").rotations, wanted, atol=1e-5)
    assert all(abs(np.linalg.norm(entry["q_vbs2tango_true"]) - 1) < 1e-6 for entry in entries)


def test_an_interrupted_rendering_is_taken_up_to_the_same_bytes(satellite: Path, tmp_path: Path) -> None:
    folder = tmp_path / "satellite"
    shutil.copytree(satellite, folder)
    for lost in ("synthetic/images/img000003.jpg", "synthetic/masks/img000017.png", "lightbox/test.json"):
        (folder / lost).unlink()
    (folder / "sunlamp" / "images" / ".img000001.jpg.tmp").write_bytes(b"torn")
    render(folder)
    assert prints(folder) == prints(satellite)


def test_more_pictures_are_added_and_the_old_ones_stay(satellite: Path, tmp_path: Path) -> None:
    folder = render(tmp_path / "satellite", {"lightbox": 2})
    fewer, all_of_them = prints(folder), prints(satellite)
    render(folder, {"lightbox": 3})
    assert all(all_of_them[file] == said for file, said in prints(folder).items())
    assert all(all_of_them[file] == said for file, said in fewer.items() if file != "lightbox/test.json")


def test_another_seed_is_another_data_set_of_the_same_object(satellite: Path, tmp_path: Path) -> None:
    folder = render(tmp_path / "other", {"validation": 3}, SatelliteSettings(width=160, height=100, seed=1))
    first, second = prints(folder), prints(satellite)
    assert first["model.ply"] == second["model.ply"]
    assert first["synthetic/images/val000001.jpg"] != second["synthetic/images/val000001.jpg"]


def test_other_settings_or_files_in_the_folder_are_refused(tmp_path: Path) -> None:
    folder = render(tmp_path / "satellite", {"lightbox": 1})
    with pytest.raises(ValueError, match="expected seed 0 as when it was begun, got others; repeat that command"):
        render(folder, {"lightbox": 1}, SatelliteSettings(width=160, height=100, outside=0.3, seed=1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="expected an empty folder or a rendered satellite, got other files"):
        render(tmp_path / "full")


def test_the_symmetry_of_the_satellite_is_kept(satellite: Path, tmp_path: Path) -> None:
    folder = render(tmp_path / "symmetric", {"lightbox": 1}, SatelliteSettings(member=4, width=160, height=100))
    assert photos(folder, "lightbox").info.symmetries[0].order == 4
    assert photos(satellite, "lightbox").info.symmetries[0].order == 1


def test_a_film_is_a_split_with_times(tmp_path: Path) -> None:
    poses = Poses(*(each[:5] for each in draw_poses(SMALL, "film", 0)))
    film = write_film(tmp_path / "film", poses, np.arange(5) / 10, "sunlamp", SMALL)
    assert torch.allclose(photos(tmp_path / "film", "film").rotations, poses.rotations, atol=1e-5)
    lines = (film / "frames.csv").read_text().splitlines()
    assert lines[0] == "file,time" and lines[4] == "images/img000004.jpg,0.3"
    assert all((film / line.split(",")[0]).is_file() for line in lines[1:])
