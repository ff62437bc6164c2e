"""The architecture holds: layers import downwards only, importing is light and changes nothing, files stay small."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "armillary"

# What each layer may import besides itself (DESIGN: a promise about direction).
BELOW: dict[str, set[str]] = {
    "so3": set(),
    "harmonics": {"so3"},
    "distributions": {"so3", "harmonics"},
    "tracking": {"so3", "harmonics", "distributions"},
    "nn": {"so3", "harmonics", "distributions"},
    "models": {"so3", "harmonics", "distributions", "nn"},
    "data": {"so3"},
    "training": {"so3", "harmonics", "distributions", "nn", "models", "data"},
    "evaluation": {"so3", "harmonics", "distributions", "data"},
}
BELOW["apps"] = {*BELOW}

# Loaded only by the function that needs them, never by importing a layer.
HEAVY = {"matplotlib", "moderngl", "trimesh", "manifold3d", "transformers", "lightning", "tensorboard", "scipy", "lmdb"}
FILES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_layers(source: str, path: Path) -> set[str]:
    """Layers of armillary that a file's source imports, at its top or inside a function."""
    here = path.relative_to(ROOT).parent.parts
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            modules += [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("armillary.")} & {*BELOW}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_imports_only_from_layers_below_its_own(path: Path) -> None:
    inside, imported = path.relative_to(PACKAGE).parts, imported_layers(path.read_text(), path)
    if len(inside) == 1:
        # The front door and ``python -m armillary`` open onto the applications.
        assert imported <= {"apps"}
    else:
        assert inside[0] in BELOW, f"{inside[0]} is not a layer; say in tests/test_layering.py where it stands"
        assert imported <= BELOW[inside[0]] | {inside[0]}


def test_every_layer_is_in_the_design() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders <= {*BELOW}


@pytest.mark.parametrize(
    "form",
    ["import armillary.nn.head", "from armillary.nn import head", "from armillary import nn", "from ..nn import x"],
)
def test_the_layer_test_sees_every_form_of_import(form: str) -> None:
    source = f"def function():\n    {form}\nfrom .grid import s2_grid\nimport torch"
    assert imported_layers(source, PACKAGE / "so3" / "imagined.py") - {"so3"} == {"nn"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_is_one_noun_of_at_most_300_lines(path: Path) -> None:
    assert path.stem not in {"utils", "util", "misc", "common", "helpers"}
    limit = 40 if path.name == "__init__.py" else 300
    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_has_no_star_import_no_future_annotations_no_bare_except_and_no_hasattr(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__" and node.names[0].name != "*"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None)
        assert not (isinstance(node, ast.Name) and node.id == "hasattr")


def in_fresh_python(code: str, folder: Path) -> dict:
    """What a program prints as JSON, run in a new interpreter, warnings being errors, in an empty folder."""
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_front_door_opens_without_torch(tmp_path: Path) -> None:
    found = in_fresh_python("import sys, json, armillary; print(json.dumps(sorted(sys.modules)))", tmp_path)
    assert {"torch", "numpy", *HEAVY} & {*found} == set()


def test_importing_every_layer_is_light_and_changes_nothing(tmp_path: Path) -> None:
    code = """
import importlib, json, os, random, sys, warnings
import numpy, torch

def state():
    return [
        str(torch.get_default_dtype()), str(torch.get_default_device()), torch.get_num_threads(),
        torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark, torch.initial_seed(), torch.get_rng_state().sum().item(),
        hash(numpy.random.get_state()[1].tobytes()), hash(random.getstate()),
        torch.tensor(1e-310, dtype=torch.float64).mul(1).item(), len(warnings.filters), dict(os.environ), os.listdir(),
    ]

import roma, healpix, jaxtyping, safetensors.torch
before = state()
for layer in %r:
    importlib.import_module("armillary." + layer)
after = state()
print(json.dumps({"changed": [[a, b] for a, b in zip(before, after) if a != b], "modules": sorted(sys.modules)}))
"""
    layers = [layer for layer in BELOW if (PACKAGE / layer / "__init__.py").is_file()]
    found = in_fresh_python(code % (layers,), tmp_path)
    assert found["changed"] == []
    assert HEAVY & {*found["modules"]} == set()
