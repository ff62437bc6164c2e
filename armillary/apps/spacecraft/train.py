"""``armillary spacecraft train``: frames with poses to a detector and a pose model, in a run folder that resumes."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.apps.spacecraft.source import keep_source, open_split
from armillary.training.run_folder import check_folder
from armillary.training.spacecraft.config import BUDGETS, SpacecraftTrainConfig
from armillary.training.spacecraft.run import prepared, train_spacecraft

# Without --minutes and --steps.
MINUTES = 25.0

DESCRIPTION = """Train on frames with poses: a detector that finds the spacecraft, then a model of its pose.

--data takes what `armillary spacecraft render` writes, SPEED+ or SPEED (docs/data.md). Training sees the splits train
and validation alone, never the other domains. Frames are cut and reduced once (RUN/material). The same command again
takes up an interrupted run.

examples:
  armillary spacecraft train --data satellite --minutes 25 --out run
  armillary spacecraft train --data speedplus --minutes 600 --pose.encoder resnet50 --pose.image-size 224 --out run
  armillary spacecraft train --data speedplus --pose.translation metres --out run-fork
"""


@dataclass(frozen=True)
class TrainCommand:
    """Options of training."""

    # Frames with poses.
    data: Path

    # The run folder; one that holds an unfinished run of the same options is taken up where it stopped.
    out: Path

    # Minutes to train both networks together, 25 by default; reading the frames comes on top.
    minutes: float | None = None

    # Steps to train each network, instead of minutes.
    steps: int | None = None

    # The split to train on.
    split: str = "train"

    # The split to measure on while training.
    validation: str = "validation"

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Stop each network after so many steps although the budget is not used up; the same command takes up the run.
    stop_after: int | None = None

    # Print the configuration and stop.
    dry_run: bool = False

    # Settings.
    config: Annotated[SpacecraftTrainConfig, tyro.conf.arg(name="")] = field(default_factory=SpacecraftTrainConfig)


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(TrainCommand, arguments, "armillary spacecraft train", description=DESCRIPTION)
    if command.minutes is not None and command.steps is not None:
        raise ValueError("expected a budget in either --minutes or --steps, got both; give one")
    config = dataclasses.replace(command.config, source=str(command.data))
    if command.steps is not None:
        config = config.with_steps(command.steps)
    else:
        config = config.with_minutes(MINUTES if command.minutes is None else command.minutes)
    # A wrong budget is said before the data is read.
    config.pose_training.budget()
    if command.dry_run:
        print(json.dumps(config.to_json(), indent=2))
        return
    check_output(command.out)
    use_threads(command.threads)
    flush_denormals()
    training, validation = open_split(command.data, command.split), open_split(command.data, command.validation)
    # Before minutes are spent on reading.
    check_folder(command.out, prepared(config, training).to_json(), BUDGETS)
    if train_spacecraft(config, command.out, training, validation, stop_after=command.stop_after):
        keep_source(command.data, training.camera, command.out)
        print(f"{command.out}; next: armillary spacecraft evaluate {command.out} --data {command.data} --out DIR")
