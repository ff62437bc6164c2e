"""The rooms of the data layer: imports point one way, and no file imports itself in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "armillary" / "data"
# What each room may import besides itself and the files beside the rooms.
BELOW = {"shapes": set(), "rendering": {"shapes"}, "bop": {"shapes", "rendering"}, "photos": set()}
# Of the files beside the rooms, those that look into them: the doors.
DOORS = {"__init__", "open"}
FILES = {".".join(path.relative_to(DATA).with_suffix("").parts): path for path in sorted(DATA.rglob("*.py"))}


def imported(file: str) -> set[str]:
    """The files of the data layer that a file imports, by their path below it."""
    here, found = ["armillary", "data", *file.split(".")], set()
    for node in ast.walk(ast.parse(FILES[file].read_text())):
        if isinstance(node, ast.ImportFrom):
            module = [*(here[: -node.level] if node.level else []), *filter(None, (node.module or "").split("."))]
            if module[:2] == ["armillary", "data"]:
                name = ".".join(module[2:])
                found.add(name if name in FILES else f"{name}.__init__".removeprefix("."))
    return found


@pytest.mark.parametrize("file", FILES)
def test_imports_between_rooms_point_one_way(file: str):
    room = file.split(".")[0]
    others = {name.split(".")[0] for name in imported(file)} & {*BELOW}
    if room in BELOW:
        assert others <= BELOW[room] | {room}
        assert not DOORS & imported(file)
    elif room not in DOORS:
        assert others == set()


def test_every_folder_is_a_room_and_no_import_runs_in_a_circle():
    assert {path.name for path in DATA.iterdir() if (path / "__init__.py").is_file()} == {*BELOW}
    order = [*TopologicalSorter({file: imported(file) for file in FILES}).static_order()]
    assert {*order} == {*FILES}
