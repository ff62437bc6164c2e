"""``armillary predict``: pictures to orientations, a plot and a JSON for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from armillary.apps.machine import check_output, checked_device
from armillary.apps.parse import parse
from armillary.apps.plots.sheet import Panel, sheet_png
from armillary.apps.predictor import Prediction, load
from armillary.data.atomic import write_atomically
from armillary.data.picture import SUFFIXES
from armillary.data.record import write_json

DESCRIPTION = """Predict the orientation of the object in pictures.

For photo.jpg, DIR gets photo.json (the most probable rotation, the highest peaks with their probability, the 90 %
credible region, the entropy; of a model of viewpoints azimuth, elevation and tilt too) and photo.png (the picture
beside the distribution). The object should fill most of the picture, stand before a plain background, or be cut out by
an alpha channel.

examples:
  armillary predict run photo.jpg --out predictions
  armillary predict run photos/ more.png --out predictions --modes 12
"""


@dataclass(frozen=True)
class PredictCommand:
    """Options of the prediction."""

    # A run folder of `armillary train`, or a model folder.
    run: tyro.conf.Positional[Path]

    # Picture files, or folders of them.
    images: tyro.conf.Positional[tuple[Path, ...]]

    # The folder for the results.
    out: Path

    # How many peaks of the distribution to list.
    modes: int = 4

    # Category of the object, for a model that wants to be told.
    category: str | None = None

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(PredictCommand, arguments, "armillary predict", description=DESCRIPTION)
    if command.modes < 1:
        raise ValueError(f"expected at least one mode, got {command.modes}; give --modes 4")
    files = find_pictures(command.images)
    targets = result_names(files)
    check_output(command.out)
    predictor = load(command.run, checked_device(command.device))
    # Every picture is read before anything is written: a bad one costs a message, not half a folder.
    samples = [predictor.sample(file, command.category) for file in tqdm(files, desc="reading", unit="image", delay=1)]
    command.out.mkdir(parents=True, exist_ok=True)
    for file, name, sample in zip(tqdm(files, desc="predicting", unit="image", delay=1), targets, samples, strict=True):
        prediction = predictor.predict([sample])[0]
        record = {"image": str(file), "model": str(command.run), **prediction.to_json(command.modes)}
        panel = Panel(prediction.image, prediction.density, _caption(file, prediction))
        write_atomically(command.out / f"{name}.png", sheet_png([panel]))
        write_json(command.out / f"{name}.json", record)
    print(f"{len(files)} pictures: see {command.out / (targets[0] + '.png')} and {targets[0]}.json")


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The picture files among files and folders, in order.

    Example:
        >>> find_pictures([Path("no/such.png")])
        Traceback (most recent call last):
        ...
        FileNotFoundError: no/such.png: no such picture or folder; check the name
    """
    if not paths:
        raise ValueError(
            "expected pictures, got none; name files or folders: armillary predict RUN photo.jpg --out DIR"
        )
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not found:
                raise ValueError(f"{path}: expected pictures ({', '.join(SUFFIXES)}), got none; name another folder")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such picture or folder; check the name")
    return files


def result_names(files: Sequence[Path]) -> list[str]:
    """A name for each result: the picture's, with a number where two have the same."""
    names: list[str] = []
    for file in files:
        name, number = file.stem, 2
        while name in names:
            name, number = f"{file.stem}_{number}", number + 1
        names.append(name)
    return names


def _caption(file: Path, prediction: Prediction) -> str:
    said = f"{file.name}: {prediction.confidence:.0%} within 15° of the most probable rotation"
    if not prediction.upright:
        return said
    azimuth, elevation, tilt = prediction.viewpoint_deg
    return f"{said}; azimuth {azimuth:.0f}°, elevation {elevation:.0f}°, tilt {tilt:.0f}°"
