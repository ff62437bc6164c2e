"""The README's first block runs as printed, and gives the shapes that its comments print."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.data import DatasetInfo, open_dataset
from armillary.distributions import SO3Distribution
from armillary.models import HarmonicRegressionConfig

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCK = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's ``run`` (an untrained model of the size that training takes) and ``photo.jpg``."""
    model = HarmonicRegressionConfig(lmax=2, image_size=64).build()
    info = DatasetInfo("part", ("part",))
    metadata = {"data": info.to_json(), "store_size": 96, "margin": 1.5, "image_size": 64}
    model.save_pretrained(tmp_path / "run", metadata)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed_shapes(line: str) -> dict[str, tuple[int, ...]]:
    """What a line's comment says: expression to shape."""
    found = re.findall(r"([\w.]+): \((\d+(?:, \d+)+)\)", line.partition("#")[2])
    return {expression: tuple(int(n) for n in numbers.split(", ")) for expression, numbers in found}


def test_five_lines_lead_from_image_to_distribution(folder: Path) -> None:
    names: dict = {}
    lines = BLOCK.strip().splitlines()
    assert len(lines) == 5
    for line in lines:
        exec(line, names)
        for expression, shape in printed_shapes(line).items():
            value = eval(expression, names)
            assert tuple(getattr(value, "shape", value)) == shape, expression
    assert sum(len(printed_shapes(line)) for line in lines) >= 4
    density, modes = names["density"], names["modes"]
    assert isinstance(density, SO3Distribution)
    assert density.log_prob(torch.eye(3)[None]).shape == density.batch_shape == (1,)
    assert ((modes.mass >= 0) & (modes.mass <= 1)).all()


def test_photographs_written_as_the_readme_says_are_read(folder: Path) -> None:
    (written,) = re.findall(r"```python\n(import numpy.*?)```", README, re.DOTALL)
    count, intrinsics = 3, np.diag([50.0, 50.0, 1.0])
    names = {
        "images": np.zeros((count, 30, 40, 3), dtype=np.uint8),
        "rotations": np.stack([np.eye(3)] * count),
        "translations": np.ones((count, 3)),
        "intrinsics": np.stack([intrinsics] * count),
    }
    exec(written, names)
    sample = open_dataset("photos.npz")[2]
    assert sample.translation is not None and sample.intrinsics is not None
    (table,) = re.findall(r"```\n(file,.*?)```", README, re.DOTALL)
    Path("photos").mkdir()
    Path("photos/poses.csv").write_text(table)
    Path("photo.jpg").rename("photos/0001.jpg")
    assert open_dataset("photos")[0].name == "0001.jpg"


def test_the_readme_opens_with_the_block_and_two_commands() -> None:
    assert README.index("```python") < 200
    for script in re.findall(r"^\./(scripts/\w+)", README, re.MULTILINE):
        assert (Path(__file__).parents[1] / script).stat().st_mode & 0o100, f"{script} is not executable"
    assert {"scripts/demo", "scripts/test"} <= {*re.findall(r"^\./(scripts/\w+)", README, re.MULTILINE)}


def test_the_readme_names_every_layer_and_every_command() -> None:
    from armillary.apps.cli import COMMANDS

    root = Path(__file__).parents[1]
    layers = {path.name for path in (root / "armillary").iterdir() if (path / "__init__.py").is_file()}
    assert layers <= {*re.findall(r"^  (\w+)/ ", README, re.MULTILINE)}
    assert {*COMMANDS} <= {*re.findall(r"^armillary ([\w-]+)", README, re.MULTILINE)}


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (Path(__file__).parents[1] / target).is_file(), target
