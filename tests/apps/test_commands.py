"""The commands end to end on a miniature: what they leave behind, what they say."""

import json
import re

import pytest
import torch

from armillary.apps.cli import main
from armillary.data import open_dataset
from armillary.evaluation import Predictions


def test_evaluate_leaves_predictions_figures_and_report(evaluated):
    assert {path.name for path in evaluated.iterdir()} == {"predictions.npz", "metrics.json", "report.html"}
    figures = json.loads((evaluated / "metrics.json").read_text())
    assert {"median_error_deg", "acc15", "ll_ipdf", "ll_haar", "spread_deg", "n", "baseline"} <= figures.keys()
    assert figures["n"] == 8 and set(figures["per_category"]) == {"tetX", "cone"}
    assert len(Predictions.load(evaluated / "predictions.npz").names) == 8


def test_the_report_is_one_file_that_names_both_measures(evaluated):
    page = (evaluated / "report.html").read_text()
    assert "data:image/png;base64," in page and "://" not in page
    for expected in ("ll (π² measure)", "ll (Haar)", "tetX", "mean of categories", "How to reproduce", "Learning"):
        assert expected in page


def test_evaluating_again_reuses_the_predictions_and_refuses_others(evaluated, rendered, run, capsys, monkeypatch):
    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    words = ["evaluate", str(run), "--data", str(rendered), "--out", str(evaluated)]
    written = (evaluated / "predictions.npz").stat().st_mtime_ns
    assert main(words) == 0
    assert "8 views: median error" in capsys.readouterr().out
    assert (evaluated / "predictions.npz").stat().st_mtime_ns == written
    assert main([*words, "--split", "train"]) == 2
    assert "never mixed" in capsys.readouterr().err


def test_predict_writes_a_picture_and_a_json(tmp_path, run, photo):
    assert main(["predict", str(run), str(photo), str(tmp_path), "--out", str(tmp_path / "out"), "--modes", "2"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"photo.png", "photo.json", "photo_2.png", "photo_2.json"}
    record = json.loads((tmp_path / "out" / "photo.json").read_text())
    rotation = torch.tensor(record["rotation"])
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0.0)
    assert 1 <= len(record["modes"]) <= 2 and all(0 <= mode["mass"] <= 1 for mode in record["modes"])
    assert 0 < record["credible_region_90"]["share_of_so3"] <= 1 and record["entropy"] <= 1e-3
    assert 0 <= record["confidence_15_deg"] <= 1


def test_train_dry_run_prints_the_configuration_and_leaves_nothing(tmp_path, rendered, capsys):
    words = ["train", "--data", str(rendered), "--out", str(tmp_path / "run"), "--lmax", "3", "--dry-run"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["model"]["config"]["lmax"] == 3
    assert not (tmp_path / "run").exists()


def test_steps_replace_minutes_and_minutes_replace_steps(tmp_path, rendered, capsys):
    words = ["train", "--data", str(rendered), "--out", str(tmp_path / "run"), "--dry-run"]
    main([*words, "--recipe", "photos", "--steps", "7"])
    assert '"minutes": null' in capsys.readouterr().out
    main([*words, "--recipe", "debug", "--minutes", "7"])
    assert '"steps": null' in capsys.readouterr().out


def test_render_takes_meshes_with_units_and_symmetry(tmp_path):
    vertices = "v 0 0 0\nv 100 0 0\nv 0 100 0\nv 0 0 100\n"
    (tmp_path / "part.obj").write_text(vertices + "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    words = ["render", str(tmp_path / "part.obj"), "--unit", "mm", "--symmetry", "part=C3:x", "--views", "3"]
    more = ["--out", str(tmp_path / "set"), "--scene.size", "32", "--backend", "torch"]
    assert main([*words, *more]) == 0
    info = open_dataset(tmp_path / "set").info
    assert info.symmetries[0].order == 3
    assert info.radii is not None and 0.05 < info.radii[0] < 0.1


@pytest.mark.parametrize("command", ["demo", "render", "train", "evaluate", "predict"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert f"  armillary {command} " in said
    # Between an option's name and its default there is always a word of help.
    words = " ".join(said.replace("│", " ").split())
    assert not re.findall(r"--[\w.-]+(?: \S+)? \((?:default|required)", words)


def test_the_demo_leaves_report_and_figures(tmp_path, monkeypatch, capsys):
    from armillary.apps import demo
    from armillary.training import recipe

    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    monkeypatch.setattr(demo, "TEST_VIEWS", 2)
    monkeypatch.setattr(demo, "recipe", lambda name: recipe("debug"))
    monkeypatch.setattr(demo, "budgeted", lambda config, seconds: config)
    assert main(["demo", "--out", str(tmp_path / "demo"), "--minutes", "0.02", "--views", "4"]) == 0
    assert {"report.html", "metrics.json", "predictions.npz", "run"} == {p.name for p in (tmp_path / "demo").iterdir()}
    figures = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    assert {"ll_ipdf", "ll_haar", "spread_deg"} <= figures.keys() and figures["n"] == 10
    assert list(figures["per_category"]) == ["tet", "cube", "icosa", "cone", "cyl"]
    assert "done in" in capsys.readouterr().out


def test_a_shape_is_rendered_into_a_folder_of_its_name_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["render", "cone", "--views", "2", "--scene.size", "16", "--backend", "torch", "--out", "cone"]
    assert main(words) == 0 and main([*words, "--split", "test", "--scene.seed", "1"]) == 0
    assert len(open_dataset(tmp_path / "cone", "test")) == 2


def test_render_takes_members_of_the_zoo(tmp_path):
    words = ["render", "mug", "--members", "2", "--first-member", "3", "--views", "2", "--scene.size", "24"]
    assert main([*words, "--backend", "torch", "--out", str(tmp_path / "set")]) == 0
    reader = open_dataset(tmp_path / "set")
    assert len(reader) == 4 and reader.info.categories == ("mug",)
