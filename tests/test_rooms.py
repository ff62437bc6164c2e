"""The rooms of a layer: imports point one way, and no file imports itself in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "armillary"
# For each layer with rooms, what a room may import besides itself and the files beside the rooms.
BELOW = {
    "data": {
        "shapes": set(),
        "rendering": {"shapes"},
        "bop": {"shapes", "rendering"},
        "photos": set(),
        "published": set(),
        "normals": {"shapes", "rendering", "published"},
        "spherical": {"shapes"},
        "spacecraft": {"shapes", "published", "rendering"},
    },
    "distributions": {"integration": set(), "families": {"integration"}, "calculus": {"integration", "families"}},
}
# Of the files beside the rooms, those that look into them: the doors.
DOORS = {"data": {"__init__", "open"}, "distributions": {"__init__", "cells"}}
FILES = {
    layer: {
        ".".join(path.relative_to(PACKAGE / layer).with_suffix("").parts) for path in (PACKAGE / layer).rglob("*.py")
    }
    for layer in BELOW
}
EVERY = [(layer, file) for layer in BELOW for file in sorted(FILES[layer])]


def imported(layer: str, file: str) -> set[str]:
    """The files of a layer that one of them imports, by their path below it."""
    here, found = ["armillary", layer, *file.split(".")], set()
    source = (PACKAGE / layer / file.replace(".", "/")).with_suffix(".py").read_text()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            module = [*(here[: -node.level] if node.level else []), *filter(None, (node.module or "").split("."))]
            if module[:2] == ["armillary", layer]:
                name = ".".join(module[2:])
                found.add(name if name in FILES[layer] else f"{name}.__init__".removeprefix("."))
    return found


@pytest.mark.parametrize(("layer", "file"), EVERY)
def test_imports_between_rooms_point_one_way(layer: str, file: str) -> None:
    rooms, doors, room = BELOW[layer], DOORS[layer], file.split(".")[0]
    others = {name.split(".")[0] for name in imported(layer, file)} & {*rooms}
    if room in rooms:
        assert others <= rooms[room] | {room}
        assert not doors & imported(layer, file)
    elif room not in doors:
        assert others == set()


@pytest.mark.parametrize("layer", BELOW)
def test_every_folder_is_a_room_and_no_import_runs_in_a_circle(layer: str) -> None:
    folders = {path.name for path in (PACKAGE / layer).iterdir() if (path / "__init__.py").is_file()}
    assert folders == {*BELOW[layer]}
    order = TopologicalSorter({file: imported(layer, file) for file in FILES[layer]}).static_order()
    assert {*order} == FILES[layer]
