"""``armillary track``: frames in order, what is left behind, and what is said of a bad film."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.apps.film import timed_frames
from armillary.apps.plots.drawing import drawings_png
from armillary.apps.plots.frame_axes import FrameAxes
from armillary.apps.plots.timeline import Timeline


@pytest.fixture
def frames(tmp_path):
    """Five pictures, one of them of one colour, and a table that names four and leaves one out."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 3, 10, 20):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels if number != 3 else pixels * 0 + 99).save(folder / f"{number}.png")
    (folder / "times.csv").write_text("file,time\n1.png,0.0\n2.png,0.1\n,0.2\n3.png,0.5\n20.png,0.6\n")
    return folder


def test_frames_are_in_order_of_the_numbers_in_their_names(frames):
    found = timed_frames(frames, 5.0)
    assert [frame.file.name for frame in found] == ["1.png", "2.png", "3.png", "10.png", "20.png"]
    assert [frame.time for frame in found] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    listed = timed_frames(frames / "times.csv", 5.0)
    assert listed[2].file is None and [frame.time for frame in listed] == [0.0, 0.1, 0.2, 0.5, 0.6]


def test_track_leaves_a_record_a_plot_and_a_strip(frames, run, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["track", str(frames / "times.csv"), "--model", str(run), "--symmetry", "C2", "--out", str(out)]
    assert main(words) == 0
    assert {path.name for path in out.iterdir()} == {"track.json", "track.png", "strip.png"}
    assert "5 frames" in capsys.readouterr().out
    record = json.loads((out / "track.json").read_text())
    events = [frame["event"] for frame in record["frames"]]
    # The missing frame and the one of a single colour say nothing.
    assert all(events[index] in ("predicted", "unseen") for index in (2, 3))
    for frame in record["frames"]:
        if frame["rotation"] is not None:
            rotation = torch.tensor(frame["rotation"])
            torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-5, rtol=0)
            assert 0 <= frame["confidence_15_deg"] <= 1
    with Image.open(out / "strip.png") as strip:
        assert strip.width > 200


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("file,time\n1.png,0.5\n2.png,0.2\n", "line 3: expected a time of 0.5 s or later, got 0.2 s"),
        ("file,time\n1.png,soon\n", "line 2: expected a time in seconds, got 'soon'"),
        ("file,time\n1.png,inf\n", "line 2: expected a time in seconds"),
        ("file,time\n1.png\n", "line 2: expected a time in seconds"),
        ("file,time\n7.png,0.1\n", "7.png: no such picture"),
        ("name,when\n1.png,0.1\n", "expected columns file and time, got name, when"),
        ("", "expected columns file and time, got no rows"),
    ],
)
def test_a_bad_table_is_told_in_one_line(table, expected, frames, run, tmp_path, capsys):
    (frames / "times.csv").write_text(table)
    words = ["track", str(frames / "times.csv"), "--model", str(run), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "times.csv" in line and expected in line
    assert not (tmp_path / "out").exists()


def test_other_mistakes_are_told_in_one_line(frames, run, tmp_path, capsys):
    def said(*words: str) -> str:
        assert main(["track", *words, "--out", str(tmp_path / "out")]) == 2
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    assert "gone: no such folder of frames" in said(str(tmp_path / "gone"), "--model", str(run))
    assert "expected frames per second above zero" in said(str(frames), "--model", str(run), "--fps", "0")
    assert "symmetry C0: expected" in said(str(frames), "--model", str(run), "--symmetry", "C0")
    assert "expected acceleration of zero or more" in said(str(frames), "--model", str(run), "--acceleration", "-1")
    assert "expected pictures" in said(str(tmp_path), "--model", str(run))
    assert "no such folder" in said(str(frames), "--model", str(tmp_path / "gone"))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    assert "bytes.csv: expected a CSV file of text" in said(str(tmp_path / "bytes.csv"), "--model", str(run))
    (frames / "2.png").write_bytes(b"broken")
    assert "2.png" in said(str(frames), "--model", str(run))


def test_axes_point_where_the_rotation_has_them_and_unknown_ones_are_left_out():
    image = torch.full((3, 21, 21), 0.5)
    unknown = drawings_png([[FrameAxes(image, torch.full((3, 3), torch.nan)), FrameAxes(image)]])
    assert unknown == drawings_png([[FrameAxes(image), FrameAxes(image)]])
    assert unknown != drawings_png([[FrameAxes(image, torch.eye(3)), FrameAxes(image)]])


def test_a_timeline_draws_dots_lines_and_gaps():
    time = torch.linspace(0, 1, 5)
    drawn = drawings_png([[Timeline(time, {"a": time}, {"b": 1 - time}, "value", (0.0, 1.5), ((0.2, 0.4),))]])
    assert drawn[1:4] == b"PNG"
