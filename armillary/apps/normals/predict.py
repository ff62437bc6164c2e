"""``armillary normals predict``: pictures to normals, as colours beside the picture and as a 16-bit file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from armillary.apps.machine import check_output, checked_device
from armillary.apps.normals.predictor import load_normals
from armillary.apps.parse import parse
from armillary.apps.plots.normal_map import Column, normal_sheet_png
from armillary.apps.predict import find_pictures, result_names
from armillary.data.atomic import write_atomically
from armillary.data.normals import write_normals
from armillary.data.normals.encoding import Bits
from armillary.data.picture import read_picture

DESCRIPTION = """Predict the surface normals of pictures of any size.

For photo.jpg, DIR gets photo.png (the picture beside its normals as colours, with their legend) and normal/photo.png, a
PNG of 16 bits a channel at the picture's size: red, green, blue are x, z and y up, (n + 1) * 32768, as in the data of
Spherical Regression. The model knows pictures like those it was trained on: rooms at eye height, if on rendered rooms.

examples:
  armillary normals predict run photo.jpg --out predictions
  armillary normals predict run photos/ --bits 8 --out predictions
"""


@dataclass(frozen=True)
class PredictCommand:
    """Options of the prediction."""

    # A run folder of `armillary normals train`, or a model folder.
    run: tyro.conf.Positional[Path]

    # Picture files, or folders of them.
    images: tyro.conf.Positional[tuple[Path, ...]]

    # The folder for the results.
    out: Path

    # Bits a channel of the files of normals: 8 or 16.
    bits: Bits = 16

    # Blend normals whose signs are in doubt, instead of taking the most probable signs.
    expected_sign: bool = False

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(PredictCommand, arguments, "armillary normals predict", description=DESCRIPTION)
    files = find_pictures(command.images)
    names = result_names(files)
    check_output(command.out)
    predictor = load_normals(command.run, checked_device(command.device), command.expected_sign)
    # Every picture is read before anything is written: a bad one costs a message, not half a folder.
    images = [read_picture(file)[0] for file in tqdm(files, desc="reading", unit="image", delay=1)]
    (command.out / "normal").mkdir(parents=True, exist_ok=True)
    for name, image in zip(tqdm(names, desc="predicting", unit="image", delay=1), images, strict=True):
        normals = predictor(image)
        row = [Column(name, image=image), Column("surface normals", normals=normals)]
        write_atomically(command.out / f"{name}.png", normal_sheet_png([row], width=4.0))
        write_normals(command.out / "normal" / f"{name}.png", normals, command.bits)
    print(f"{len(files)} pictures: see {command.out / (names[0] + '.png')} and normal/{names[0]}.png")
