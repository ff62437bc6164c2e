"""The tutorials run as printed: in an empty folder, drawing the pictures they show and printing what they say."""

import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
TUTORIAL = runpy.run_path(str(PAGES / "run.py"))
SHAPE = re.compile(r"\([\d, ]*\)")
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
# Of a printed number. Pages that train a model: floats of another processor end at other weights, whose figures may be
# any; what such a page must keep are its words, its shapes and its errors of rounding.
RELATIVE = {"harmonics": 0.02, "walkthrough": math.inf, "predictions": math.inf, "embeddings": math.inf}
# A printed error of rounding, like 3e-15, may be this many times as large.
ROUNDING = 30.0
# Mean absolute difference of two pictures, colours in [0, 1]: another font or lines one pixel off give 0.01. Globes and
# clouds drawn from other weights give up to 0.05; a page without its globes or photographs, more.
DIFFERENCE = {"harmonics": 0.015, "walkthrough": 0.15, "predictions": 0.15, "embeddings": 0.15}


def difference(said: str, printed: str, relative: float) -> str:
    """What is wrong with a printed output, or nothing: the words equal, the numbers near."""
    if NUMBER.sub("#", said).split() != NUMBER.sub("#", printed).split():
        return "other words"
    if SHAPE.findall(said) != SHAPE.findall(printed):
        return "other shapes"
    for one, other in zip(NUMBER.findall(said), NUMBER.findall(printed), strict=True):
        a, b = (float(each.replace(",", "")) for each in (one, other))
        if "e-" in one and abs(a) < 1e-4:
            near = abs(b) <= max(ROUNDING * abs(a), 1e-14)
        else:
            # The last digit printed is rounded.
            near = math.isclose(a, b, rel_tol=relative, abs_tol=1.1 * 10.0 ** -len(one.partition(".")[2]))
        if not near:
            return f"{one} is now {other}"
    return ""


def wrong_outputs(name: str, outputs: list[str]) -> str:
    """What a page's blocks print and the page does not say; a command may print anything where the page is silent."""
    wrong = ""
    for block, output in zip(TUTORIAL["blocks"](TUTORIAL["read"](name)), outputs, strict=True):
        if block.language == "python" or block.printed is not None:
            reason = difference(block.printed or "", output, RELATIVE[name])
            wrong += f"line {block.line}: {reason}; it prints\n{output}" if reason else ""
    return wrong


def wrong_pictures(name: str, folder: Path) -> str:
    """Which pictures a page shows and does not draw, or draws differently."""
    shown, wrong = TUTORIAL["PICTURE"].findall(TUTORIAL["read"](name)), ""
    drawn = {str(path.relative_to(folder)) for path in (folder / "pictures").iterdir()}
    if not shown or {*shown} != drawn:
        return f"it shows {shown} and draws {sorted(drawn)}"
    for picture in shown:
        new, kept = (np.asarray(Image.open(at / picture).convert("RGB")) / 255 for at in (folder, PAGES))
        if new.std() < 0.02:
            wrong += f"{picture} is blank\n"
        elif new.shape != kept.shape:
            wrong += f"{picture} is {new.shape}, was {kept.shape}\n"
        elif np.abs(new - kept).mean() > DIFFERENCE[name]:
            wrong += f"{picture} differs by {np.abs(new - kept).mean():.3f}\n"
    return wrong


@pytest.mark.parametrize("name", TUTORIAL["pages"]())
def test_a_tutorial_prints_what_it_says_and_draws_what_it_shows(name: str, tmp_path: Path) -> None:
    # One test a page: it runs once, whichever process takes it.
    outputs = TUTORIAL["run"](name, tmp_path)
    wrong = wrong_outputs(name, outputs) + wrong_pictures(name, tmp_path)
    assert not wrong, (
        f"docs/tutorials/{name}.md: {wrong}\nrun `python docs/tutorials/run.py {name}` and look at what changes"
    )


def test_the_pictures_are_light_and_each_is_shown() -> None:
    shown = [picture for name in TUTORIAL["pages"]() for picture in TUTORIAL["PICTURE"].findall(TUTORIAL["read"](name))]
    files = [*(PAGES / "pictures").iterdir()]
    assert sorted(shown) == sorted(str(path.relative_to(PAGES)) for path in files)
    assert max(path.stat().st_size for path in files) < 150_000


@pytest.mark.parametrize(
    ("said", "printed", "alike"),
    [
        ("error 3.1 of (2, 3)", "error 3.14 of (2, 3)", True),
        ("error 3.1 of (2, 3)", "error 4.1 of (2, 3)", False),
        ("error 3.1 of (2, 3)", "error 3.1 of (2, 4)", False),
        ("off by 3e-15", "off by 2e-14", True),
        ("off by 3e-15", "off by 3e-08", False),
        ("six", "seven", False),
    ],
)
def test_outputs_are_compared_by_words_and_numbers(said, printed, alike):
    assert (difference(said, printed, 0.02) == "") == alike


def test_blocks_are_found_with_what_they_print():
    page = "text\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```sh\nls\n```\nmore\n```text\nno output\n```\n"
    first, second = TUTORIAL["blocks"](page)
    assert (first.language, first.line, first.printed, second.language, second.printed) == (
        "python",
        3,
        "1\n",
        "sh",
        None,
    )
