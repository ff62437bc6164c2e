"""One small run for all tests of the commands: rendered, trained for four steps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.cli import main


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """A command flushes denormals for its process; here others share it."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BOP data set of two solids with two parts."""
    folder = tmp_path_factory.mktemp("apps") / "solids"
    common = ["render", "tetX", "cone", "--out", str(folder), "--scene.size", "48", "--backend", "torch"]
    assert main([*common, "--views", "12"]) == 0
    assert main([*common, "--views", "4", "--split", "test", "--scene.seed", "1"]) == 0
    return folder


@pytest.fixture(scope="session")
def run(rendered: Path) -> Path:
    """A trained run on it."""
    folder = rendered.parent / "run"
    assert main(["train", "--data", str(rendered), "--recipe", "debug", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def evaluated(rendered: Path, run: Path) -> Path:
    """The evaluation of that run."""
    folder = rendered.parent / "evaluated"
    assert main(["evaluate", str(run), "--data", str(rendered), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture file."""
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
    return path
