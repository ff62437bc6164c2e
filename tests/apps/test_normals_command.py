"""`armillary normals`: rooms to a trained model, its figures, and the normals of a user's own picture of any size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.apps.normals.predictor import load_normals
from armillary.apps.plots.normal_map import Column, normal_colours, normal_sheet_png
from armillary.data.normals import open_normals, read_normals

SIZE = ["--height", "32", "--width", "48"]
TINY = [*SIZE, "--channels", "8", "--batch-size", "4", "--log-every", "1"]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts of rendered rooms."""
    folder = tmp_path_factory.mktemp("normals") / "rooms"
    words = ["normals", "render", "--out", str(folder), *SIZE, "--members", "1"]
    assert main([*words, "--scenes", "5"]) == 0
    assert main([*words, "--scenes", "2", "--split", "test"]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(rooms: Path) -> Path:
    """A run of three steps, taken up once."""
    folder = rooms.parent / "run"
    words = ["normals", "train", "--data", str(rooms), "--steps", "3", "--out", str(folder), *TINY]
    assert main([*words, "--stop-after", "2"]) == 0
    assert main(words) == 0
    return folder


def test_evaluation_leaves_figures_a_sheet_and_files(rooms, trained, tmp_path, capsys):
    words = ["normals", "evaluate", str(trained), str(trained / "model"), "--data", str(rooms), "--out", str(tmp_path)]
    assert main([*words, "--files", "16", "--shown", "2"]) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    figures, again = record["runs"].values()
    assert record["pictures"] == 2 and figures == again
    assert 0 < figures["median_deg"] < 120 and figures["within_11_25"] <= figures["within_30"]
    assert "within 11.25 / 22.5 / 30°" in capsys.readouterr().out
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 600
    # The files give the figures again, to the rounding of 16 bits.
    files, out = tmp_path / "normal" / "run", tmp_path / "again"
    assert main(["normals", "evaluate", str(files), "--data", str(rooms), "--out", str(out)]) == 0
    (stored,) = json.loads((out / "metrics.json").read_text())["runs"].values()
    assert stored["kind"] == "files" and abs(stored["mean_deg"] - figures["mean_deg"]) < 0.05
    sample, predictor = open_normals(rooms, "test")[1], load_normals(trained, torch.device("cpu"))
    assert (read_normals(files / f"{sample.name}.png") - predictor(sample.image)).abs().max() < 1e-4
    (files / f"{sample.name}.png").unlink()
    assert main(["normals", "evaluate", str(files), "--data", str(rooms), "--out", str(out)]) == 2
    assert f"expected the normals of picture {sample.name}, got none" in capsys.readouterr().err


def test_the_official_way_differs_by_the_rounding_of_eight_bits_alone(rooms, trained, tmp_path):
    words = ["normals", "evaluate", str(trained), "--data", str(rooms)]
    assert main([*words, "--out", str(tmp_path / "ours")]) == 0
    assert main([*words, "--out", str(tmp_path / "official"), "--official"]) == 0
    ours, official = (
        json.loads((tmp_path / name / "metrics.json").read_text())["runs"][str(trained)]
        for name in ("ours", "official")
    )
    assert ours["pixels"] == official["pixels"]
    # Half a step of 1/128 in each coordinate is 0.4 degrees at most.
    assert abs(ours["mean_deg"] - official["mean_deg"]) < 0.4


@pytest.mark.parametrize("size", [(70, 45), (31, 200), (48, 32)])
def test_a_picture_of_any_size_gets_normals_at_its_size(size, trained, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    assert main(["normals", "predict", str(trained), str(tmp_path / "photo.jpg"), "--out", str(tmp_path / "out")]) == 0
    normals = read_normals(tmp_path / "out" / "normal" / "photo.png")
    assert normals.shape == (3, size[1], size[0])
    assert (torch.linalg.vector_norm(normals, dim=0) - 1).abs().max() < 1e-3
    assert (tmp_path / "out" / "photo.png").stat().st_size > 1000


def test_a_picture_of_the_models_size_is_seen_as_it_is(rooms, trained):
    predictor, sample = load_normals(trained, torch.device("cpu")), open_normals(rooms, "test")[0]
    with torch.no_grad():
        expected = predictor.model(sample.image[None]).normals()[0]
    # Made unit twice.
    assert (predictor(sample.image) - expected).abs().max() < 1e-6


def test_colours_tell_directions_and_where_there_is_none():
    floor, left_wall = torch.tensor([0.0, -1, 0]), torch.tensor([1.0, 0, 0])
    colours = normal_colours(torch.stack([floor, left_wall], 1)[:, None], torch.tensor([[True, False]]))
    assert colours[0].tolist() == [[128, 255, 128], [40, 40, 40]]


def test_a_sheet_of_one_tall_picture_is_drawn():
    png = normal_sheet_png([[Column("tall", image=torch.rand(3, 300, 20))]])
    assert png.startswith(b"\x89PNG")


def test_help_names_the_words_and_a_dry_run_prints_the_configuration(rooms, tmp_path, capsys):
    assert main(["normals"]) == 0
    assert "render | train | evaluate | predict" in capsys.readouterr().out
    words = ["normals", "train", "--data", str(rooms), "--out", str(tmp_path / "run"), "--dry-run", "--kind", "flat"]
    assert main(words) == 0
    config = json.loads(capsys.readouterr().out)
    assert (config["model"]["kind"], config["minutes"]) == ("flat", 15.0)
    assert not (tmp_path / "run").exists()
