"""``armillary turn``: a picture of an object, seen from other sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from armillary.apps.embedding.animation import gif, sheet_png
from armillary.apps.embedding.picture import model_picture
from armillary.apps.embedding.turn_report import write_turn_report
from armillary.apps.embedding.turntable import Axis, load_turntable, turns
from armillary.apps.machine import check_output, checked_device
from armillary.apps.parse import parse
from armillary.apps.plots.tile import png, to_image
from armillary.data.atomic import write_atomically
from armillary.data.structural_similarity import ssim

DESCRIPTION = """Turn the object in a picture: embed the picture, turn the embedding, draw what it then shows.

DIR gets report.html (one page with a slider), turn.gif and turn.png (all frames). RUN is the folder of a chain of
trainings, `armillary train embedding --out RUN`. The object should stand before a plain background or be cut out by an
alpha channel; it is then framed as in training. The model draws objects like those it was trained on: how like the
input its picture is before any turn is printed, from 0 (not at all) to 1.

examples:
  armillary turn photo.png --model run --out turned
  armillary turn photo.png --model run --axis horizontal --frames 72 --out turned
"""


@dataclass(frozen=True)
class TurnCommand:
    """Options of turning."""

    # A picture file.
    image: tyro.conf.Positional[Path]

    # A run folder of `armillary train embedding`.
    model: Path

    # The folder for the results.
    out: Path

    # About which axis of the camera: vertical (y), horizontal (x) or optical (z, in the plane of the picture).
    axis: Axis = "vertical"

    # Pictures of a whole turn.
    frames: int = 36

    # Take the picture whole, without looking for the object in it.
    whole: bool = False

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(TurnCommand, arguments, "armillary turn", description=DESCRIPTION)
    if not 1 <= command.frames <= 360:
        raise ValueError(f"expected --frames from 1 to 360, got {command.frames}; give --frames 36")
    check_output(command.out)
    turntable = load_turntable(command.model, checked_device(command.device))
    picture = model_picture(command.image, turntable.student.config.image_size, command.whole)
    frames = turntable.views(picture, turns(command.axis, command.frames))
    names = [f"{360 * index / command.frames:.3g}°" for index in range(command.frames)]
    likeness = _likeness(frames[0], picture)
    sheet = sheet_png(picture, frames, names)
    command.out.mkdir(parents=True, exist_ok=True)
    write_atomically(command.out / "turn.gif", gif(frames))
    write_atomically(command.out / "turn.png", sheet)
    write_turn_report(
        command.out / "report.html",
        f"{command.image.name}, turned",
        f"Drawn by {command.model} from one picture, about the {command.axis} axis of the camera.",
        png(to_image(picture)),
        [png(to_image(frame)) for frame in frames],
        names,
        sheet,
        {"structural similarity of the input and the frame at 0°": f"{likeness:.2f}", "frames": str(command.frames)},
    )
    print(
        f"{command.frames} frames, {likeness:.2f} like the input before any turn (structural similarity, at most 1); "
        f"see {command.out / 'report.html'}, turn.gif and turn.png"
    )


def _likeness(frame: torch.Tensor, picture: torch.Tensor) -> float:
    """Structural similarity, at the frame's size."""
    size = frame.shape[-2:]
    resized = torch.nn.functional.interpolate(picture[None], size, mode="bilinear", align_corners=False, antialias=True)
    return ssim(frame, resized[0]).item()
