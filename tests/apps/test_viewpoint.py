"""A model of viewpoints through the commands: rendered from the view sphere, trained, evaluated, asked a picture."""

import json
from pathlib import Path

import pytest
import torch

from armillary.apps.cli import main
from armillary.data import open_dataset
from armillary.evaluation.viewpoint_table import read_viewpoints
from armillary.so3 import geodesic_distance, viewpoint_to_matrix

SMALL = [
    "--image-size",
    "32",
    "--hidden",
    "16",
    "--steps",
    "3",
    "--batch-size",
    "8",
    "--kind",
    "flat",
    "--threads",
    "1",
]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewpoint") / "set"
    words = ["render", "tetX", "cone", "--views", "6", "--scene.size", "40", "--backend", "torch", "--out", str(folder)]
    assert main([*words, "--scene.poses", "viewsphere", "--scene.elevation-deg", "-5", "40"]) == 0
    return folder


@pytest.fixture(scope="module")
def run(standing: Path) -> Path:
    folder = standing.parent / "run"
    assert main(["train", "--data", str(standing), "--recipe", "viewpoint", "--out", str(folder), *SMALL]) == 0
    return folder


def test_an_evaluation_leaves_the_angles_and_the_table(
    standing: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    words = ["evaluate", str(run), "--data", str(standing), "--legacy", "--threads", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "Acc@pi/24" in capsys.readouterr().out
    table = (tmp_path / "viewpoint_table.txt").read_text()
    assert [line.split()[0] for line in table.splitlines()[1:4]] == ["tetX", "cone", "MEAN"]
    assert "legacy: errors divided by the square root of 2" in table
    names, viewpoints = read_viewpoints(tmp_path / "viewpoints.txt")
    assert len(names) == 12
    # The file's angles are in the camera of the picture, so its errors are those of the table.
    reader = open_dataset(standing)
    truth = torch.stack([reader[index].rotation for index in range(12)]).double()
    error = geodesic_distance(viewpoint_to_matrix(*viewpoints.T), truth).rad2deg()
    medians = (error[:6].quantile(0.5) + error[6:].quantile(0.5)) / 2
    # Four decimals of angles in degrees, three of the table.
    assert float(table.splitlines()[3].split()[1]) == pytest.approx(medians.item(), abs=2e-3)


def test_a_prediction_tells_the_viewpoint(run: Path, photo: Path, tmp_path: Path) -> None:
    assert main(["predict", str(run), str(photo), "--out", str(tmp_path / "said")]) == 0
    said = json.loads((tmp_path / "said" / "photo.json").read_text())
    angles = torch.tensor([said[f"{name}_deg"] for name in ("azimuth", "elevation", "tilt")]).double().deg2rad()
    # The JSON holds float32 matrices.
    torch.testing.assert_close(viewpoint_to_matrix(*angles), torch.tensor(said["rotation"]).double(), rtol=0, atol=1e-5)
    assert 0 <= said["azimuth_deg"] < 360 and "z axis up" in said["viewpoint_convention"]
