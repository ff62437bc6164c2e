"""What the user did wrong is one line on stderr and exit status 2, and leaves nothing half-written."""

import errno
import os
import re
from pathlib import Path

import pytest

from armillary.apps.cli import main


def said(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that a failing command says."""
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_unknown_words_get_the_closest_match(capsys, tmp_path):
    assert "did you mean train?" in said(["trian"], capsys)
    assert "did you mean --minutes?" in said(["demo", "--out", "x", "--minuts", "3"], capsys)
    words = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert "did you mean photos?" in said([*words, "--recipe", "fotos"], capsys)
    assert "did you mean --lmax?" in said([*words, "--lmx", "3"], capsys)
    assert "did you mean cube?" in said(["render", "cubes", "--out", str(tmp_path / "out")], capsys)


def test_missing_and_wrong_options_are_named(capsys):
    assert "missing --out" in said(["demo"], capsys)
    assert "--minutes" in said(["demo", "--out", "x", "--minutes", "soon"], capsys)
    assert "expected minutes and views above zero" in said(["demo", "--out", "x", "--minutes", "0"], capsys)


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_an_unreadable_image_is_named_and_nothing_is_written(content, run, photo, tmp_path, capsys):
    bad = tmp_path / "bad.png"
    bad.write_bytes(content)
    line = said(["predict", str(run), str(photo), str(bad), "--out", str(tmp_path / "out")], capsys)
    assert "bad.png" in line
    assert not (tmp_path / "out").exists()


def test_missing_files_are_named(run, tmp_path, capsys):
    gone = str(tmp_path / "gone")
    assert "gone" in said(["train", "--data", gone, "--out", str(tmp_path / "run")], capsys)
    assert "gone" in said(["predict", gone, gone, "--out", str(tmp_path / "out")], capsys)
    assert "gone" in said(["evaluate", str(run), "--data", gone, "--out", str(tmp_path / "out")], capsys)
    assert "gone.stl" in said(["render", f"{gone}.stl", "--out", str(tmp_path / "out")], capsys)


@pytest.mark.parametrize("text", ["OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "OFF\n3 1 0\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n"])
def test_a_mesh_without_faces_or_with_nan_is_named(text, tmp_path, capsys):
    (tmp_path / "part.off").write_text(text)
    line = said(["render", str(tmp_path / "part.off"), "--out", str(tmp_path / "out")], capsys)
    assert "part.off" in line
    assert not (tmp_path / "out").exists()


def test_an_open_mesh_is_rendered_and_mentioned(tmp_path, capsys):
    (tmp_path / "sail.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    words = ["render", str(tmp_path / "sail.off"), "--views", "1", "--scene.size", "16", "--backend", "torch"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "sail.off: the surface is not closed" in capsys.readouterr().err


def test_an_unfinished_run_says_how_to_finish(tmp_path, rendered, photo, capsys):
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(tmp_path / "run")]
    assert main([*words, "--stop-after", "2"]) == 0
    assert "not finished" in said(["predict", str(tmp_path / "run"), str(photo), "--out", str(tmp_path / "o")], capsys)
    assert main(words) == 0
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_a_run_with_other_options_is_not_overwritten(rendered, run, capsys):
    words = ["train", "--data", str(rendered), "--recipe", "debug", "--out", str(run), "--learning-rate", "0.5"]
    assert "another learning_rate" in said(words, capsys)


def test_a_full_disk_is_one_line_and_leaves_no_half_file(rendered, run, tmp_path, capsys, monkeypatch):
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "report" in path.name:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr("armillary.apps.assessment.SHOWN", 1)
    line = said(["evaluate", str(run), "--data", str(rendered), "--out", str(tmp_path / "ev")], capsys)
    assert "report.html" in line and re.search("full|space", line)
    assert {path.name for path in (tmp_path / "ev").iterdir()} == {"predictions.npz", "metrics.json"}


def test_symmetries_are_checked(tmp_path, capsys):
    (tmp_path / "part.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    words = ["render", str(tmp_path / "part.off"), "--out", str(tmp_path / "out"), "--symmetry"]
    assert "expected NAME=GROUP" in said([*words, "C4"], capsys)
    assert "expected C2, C3" in said([*words, "part=X"], capsys)
    assert "did you mean part?" in said([*words, "prt=C2"], capsys)
