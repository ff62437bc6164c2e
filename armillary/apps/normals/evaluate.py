"""``armillary normals evaluate``: trained models measured on pictures with true normals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from armillary.apps.machine import check_output, checked_device, use_threads
from armillary.apps.normals.source import NormalSource, open_source
from armillary.apps.parse import parse
from armillary.apps.plots.normal_map import Column, normal_sheet_png
from armillary.data.atomic import write_atomically
from armillary.data.evenly import evenly_chosen
from armillary.data.normals import NormalReader, NormalSample, open_normals
from armillary.data.normals import write_normals as write_normal_file
from armillary.data.normals.encoding import Bits
from armillary.data.normals.open import HELD_OUT
from armillary.data.record import write_json
from armillary.evaluation.normal_metrics import (
    NormalFigures,
    angles_deg,
    normal_figures,
    sign_accuracy,
    valid_angles_deg,
)

DESCRIPTION = """Measure trained models on pictures with true normals, side by side.

DIR/metrics.json holds mean, median and root mean square of the angles, the shares below 11.25, 22.5 and 30 degrees,
pooled over all valid pixels at the size of the truth, and the share of pixels with the right signs; DIR/sheet.png shows
pictures from the best to the worst with truth, prediction and error.

examples:
  armillary normals evaluate run --data rooms --out evaluation
  armillary normals evaluate run run-direct --data rooms --split test --out comparison
  armillary normals evaluate run --data nyu_v2 --official --out evaluation
  armillary normals evaluate predicted/ --data nyu_v2 --out evaluation      # files that any program wrote
"""


@dataclass(frozen=True)
class EvaluateCommand:
    """Options of the evaluation."""

    # Run folders of `armillary normals train`, model folders, or folders of PNG files of normals named as the pictures.
    runs: tyro.conf.Positional[tuple[Path, ...]]

    # Pictures with normals: rendered rooms, npz, nyu_v2, pbrs.
    data: Path

    # The folder for the results.
    out: Path

    # Part of the data set; by default "test" or "val" where it has parts.
    split: str | None = None

    # As published: predictions rounded to 8 bits at the model's size, the nearest pixel taken at the truth's.
    official: bool = False

    # Blend normals whose signs are in doubt, instead of taking the most probable signs.
    expected_sign: bool = False

    # Write the predictions too, with so many bits a channel: 8 or 16.
    files: Bits | None = None

    # Pictures on the sheet.
    shown: int = 6

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(EvaluateCommand, arguments, "armillary normals evaluate", description=DESCRIPTION)
    if not command.runs or command.shown < 1:
        raise ValueError(f"expected runs and --shown of 1 or more, got {len(command.runs)} and {command.shown}")
    check_output(command.out)
    use_threads(command.threads)
    device = checked_device(command.device)
    how = command.official, command.expected_sign
    sources = {str(run): open_source(run, device, *how) for run in command.runs}
    reader = open_normals(command.data, command.split, HELD_OUT)
    record, medians = {}, torch.zeros(len(reader))
    for run, source in sources.items():
        figures, signs, medians = _measure(run, source, reader, command)
        record[run] = {"kind": source.kind, **figures.to_json(), "sign_accuracy": signs}
        print(f"{run} ({source.kind}): {figures}; right signs {100 * signs:.1f} %")
    command.out.mkdir(parents=True, exist_ok=True)
    asked = {"data": str(command.data), "split": command.split, "pictures": len(reader)}
    asked |= {"official": command.official, "expected_sign": command.expected_sign}
    write_json(command.out / "metrics.json", {**asked, "runs": record})
    # From the best to the worst for the last run.
    order = medians.argsort()
    places = evenly_chosen(len(reader), command.shown)
    rows = [_row(reader[int(index)], sources) for index in order[places]]
    write_atomically(command.out / "sheet.png", normal_sheet_png(rows))
    print(f"see {command.out / 'sheet.png'} and metrics.json")


def _measure(
    run: str, source: NormalSource, reader: NormalReader, command: EvaluateCommand
) -> tuple[NormalFigures, float, Float[Tensor, " pictures"]]:
    """Pooled figures, share of pixels with the right signs, and the median of each picture (degrees)."""
    angles, right, pixels = [], 0.0, 0
    for index in tqdm(range(len(reader)), desc=f"measuring {run}", unit="picture", delay=1):
        sample = reader[index]
        predicted = source.normals(sample)
        angles.append(valid_angles_deg(predicted, sample.normals, sample.mask))
        right += sign_accuracy(predicted, sample.normals, sample.mask) * len(angles[-1])
        pixels += len(angles[-1])
        if command.files is not None:
            target = command.out / "normal" / (Path(run).name if len(command.runs) > 1 else "")
            target.mkdir(parents=True, exist_ok=True)
            write_normal_file(target / f"{sample.name}.png", predicted, command.files)
    return normal_figures(angles), right / pixels, torch.stack([each.median() for each in angles])


def _row(sample: NormalSample, sources: dict[str, NormalSource]) -> list[Column]:
    row = [Column(sample.name, image=sample.image), Column("truth", normals=sample.normals, mask=sample.mask)]
    for run, source in sources.items():
        predicted = source.normals(sample)
        errors = angles_deg(predicted, sample.normals)
        median = errors[sample.mask].median().item()
        row.append(Column(f"{Path(run).name} ({source.kind})", normals=predicted))
        row.append(Column(f"error, median {median:.1f}°", angles_deg=errors, mask=sample.mask))
    return row
