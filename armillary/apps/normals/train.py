"""``armillary normals train``: pictures with normals to a trained model, in a run folder that resumes."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.data.normals import NormalStore, open_normals
from armillary.training.normals import NormalTrainConfig, train_normals
from armillary.training.normals.config import BUDGETS
from armillary.training.run_folder import check_folder

# Without --minutes and --steps.
MINUTES = 15.0

DESCRIPTION = """Train a model of surface normals: magnitudes by the spherical exponential and signs by a classifier.

--data takes rendered rooms, an npz file (or a folder with train.npz), nyu_v2 or pbrs (docs/data.md). Pictures are cut
to the shape of --height and --width and made of that size. The run folder gets the model (RUN/model), the learning
curve (RUN/curve.png) and the whole configuration; the same command again takes up an interrupted run.

examples:
  armillary normals train --data rooms --minutes 15 --out run
  armillary normals train --data rooms --minutes 15 --kind direct --out run-direct
  armillary normals train --data nyu_v2 --encoder resnet50 --height 240 --width 320 --minutes 600 --out run-nyu
"""


@dataclass(frozen=True)
class TrainCommand:
    """Options of training."""

    # Pictures with normals.
    data: Path

    # The run folder; one that holds an unfinished run of the same options is taken up where it stopped.
    out: Path

    # Part of the data set; by default "train" where it has parts.
    split: str | None = None

    # Train on so many pictures, evenly chosen; by default on all, which must fit into memory (240 x 320: 0.7 MB each).
    pictures: int | None = None

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Stop after so many steps although the budget is not used up; the same command takes up the run.
    stop_after: int | None = None

    # Print the configuration and stop.
    dry_run: bool = False

    # Settings; without --minutes and --steps training takes 15 minutes.
    config: tyro.conf.OmitArgPrefixes[NormalTrainConfig] = field(default_factory=NormalTrainConfig)


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(TrainCommand, arguments, "armillary normals train", description=DESCRIPTION)
    if command.pictures is not None and command.pictures < 1:
        raise ValueError(f"expected --pictures of 1 or more, got {command.pictures}; leave it out for all")
    source = str(command.data) + (f" ({command.pictures} pictures)" if command.pictures else "")
    config = dataclasses.replace(command.config, source=source)
    if config.minutes is None and config.steps is None:
        config = dataclasses.replace(config, minutes=MINUTES)
    # A wrong budget is said before the data is read.
    config.budget()
    if command.dry_run:
        print(json.dumps(config.to_json(), indent=2))
        return
    check_output(command.out)
    # Before minutes are spent on reading.
    check_folder(command.out, config.to_json(), BUDGETS)
    use_threads(command.threads)
    flush_denormals()
    store = NormalStore.from_samples(open_normals(command.data, command.split), config.model.size, command.pictures)
    model = train_normals(config, command.out, store, started, command.stop_after)
    if model.is_dir():
        print(f"{model}; next: armillary normals evaluate {command.out} --data {command.data} --out evaluation")
