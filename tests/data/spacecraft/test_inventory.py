"""`armillary data check` on SPEED+ and SPEED."""

from collections.abc import Callable
from pathlib import Path

import pytest

from armillary.apps.cli import main
from armillary.data.published import CATALOGUE
from armillary.data.spacecraft import spacecraft_inventory

Write = Callable[[str], Path]


def test_parts_are_counted_with_what_is_missing_and_what_is_cut_off(write_spacecraft: Write):
    root = write_spacecraft("speedplus")
    (root / "sunlamp" / "images" / "img000101.jpg").unlink()
    parts = {part.name: part for part in spacecraft_inventory(root)}
    assert [*parts] == ["train", "validation", "lightbox", "sunlamp"]
    assert (parts["train"].found, parts["train"].expected) == (4, 47_966)
    assert "kept: 1 partly outside the picture" in str(parts["train"])
    assert parts["sunlamp"].problems == ("1 without a picture (img000101.jpg)",)


def test_a_part_that_lacks_is_named(write_spacecraft: Write):
    root = write_spacecraft("speed")
    parts = {part.name: part for part in spacecraft_inventory(root)}
    assert (parts["real"].found, parts["real"].expected) == (2, 5)
    assert "got 2 without a label" in parts["test"].problems[0]
    assert parts["real_test"].problems == ("no labels or pictures",)
    assert [part.expected for part in spacecraft_inventory(write_spacecraft("speedplus") / "lightbox")] == [None]


def test_the_command_checks_lists_and_draws(write_spacecraft: Write, tmp_path: Path, capsys):
    root = write_spacecraft("speedplus")
    main(["data", "check", str(root)])
    assert "train: 4 of 47,966 samples" in capsys.readouterr().out
    main(["data", "list"])
    listed = capsys.readouterr().out
    assert "SPEED+: " in listed and "md5       5cb3f44219054c49959e2009e597523b" in listed
    main(["data", "sheet", str(root), "--split", "lightbox", "--out", str(tmp_path / "sheet.png")])
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert {"SPEED", "SPEED+"} <= {entry.name for entry in CATALOGUE}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("lightbox/test.json", '[{"filename": "img000101.jpg", "q_vbs', "test.json: expected a whole JSON list, got"),
        ("camera.json", "{", "camera.json: expected JSON, got"),
        ("lightbox/images/img000101.jpg", "no picture", "img000101.jpg: expected a readable picture"),
    ],
)
def test_damage_ends_a_command_with_one_line(
    write_spacecraft: Write, tmp_path: Path, capsys, file: str, content: str, message: str
):
    root = write_spacecraft("speedplus")
    (root / file).write_text(content)
    out = tmp_path / "sheet.png"
    assert main(["data", "sheet", str(root), "--split", "lightbox", "--out", str(out)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    assert len(lines) == 1 and message in lines[0] and not out.exists()
