"""The folder of a run, complete and taken up by the same command.

run/
  config.json       everything the result depends on beside the data
  environment.json  versions, git commit, machine
  log.txt           what happened when
  metrics.jsonl     step, elapsed_s, loss, learning_rate, images_per_s and now and then figures of held-out data
  tensorboard/      the same for TensorBoard
  curve.png         the learning curve
  checkpoint.ckpt   Lightning checkpoint: weights, optimiser, step, elapsed time, random state
  model/            the trained model (config.json, model.safetensors); written last, at the end of the budget
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from armillary.data.atomic import naming_when_full
from armillary.data.record import write_json
from armillary.training.environment import environment
from armillary.training.schedule import Budget

CHECKPOINT = "checkpoint.ckpt"


def check_folder(
    folder: Path,
    record: Mapping[str, Any],
    may_change: Sequence[str] = (),
    complete: Callable[[dict[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """ValueError unless a folder is new, empty, or that of a run with the same record.

    Args:
        folder: need not be there.
        record: everything the result depends on beside the data, as JSON values.
        may_change: keys in which the calls of one run may differ.
        complete: fills in settings that an older run did not know.
    """
    path = folder / "config.json"
    if path.exists():
        earlier = json.loads(json.dumps(complete(read_config_record(path))))
        # Through JSON and back: tuples become lists.
        now = json.loads(json.dumps(record))
        different = [key for key in now if now[key] != earlier.get(key) and key not in may_change]
        if different:
            raise ValueError(
                f"{folder}: holds a run with another {', '.join(different)}; "
                "give its own options to resume it, or another --out to train anew"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected an empty folder or a run, got other files; choose another --out")


def open_folder(folder: Path, record: Mapping[str, Any]) -> None:
    """Make a run folder with ``config.json`` and ``environment.json``; see `check_folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", dict(record))
    write_json(folder / "environment.json", environment())


def write_log(folder: Path, line: str) -> None:
    """Add a line to log.txt, and show it without disturbing a progress bar."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    path = folder / "log.txt"
    with naming_when_full(path), open(path, "a", encoding="utf-8") as file:
        file.write(f"{stamp} {line}\n")
    tqdm.write(line, file=sys.stderr)


def read_config_record(path: Path) -> dict[str, Any]:
    """The JSON values of a ``config.json``."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected the configuration of a run, got '{error}'; restore the file") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected the configuration of a run, got another file; restore it")
    return record


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The Lightning checkpoint of a run that was begun before; None where there is none."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails on damage in many ways of its own
        raise ValueError(
            f"{path}: expected a checkpoint, got a damaged file; delete the run folder and train again"
        ) from error


def is_trained(folder: Path, state: dict[str, Any] | None, budget: Budget) -> bool:
    """Whether a run has its model and has used its budget."""
    if state is None or not (folder / "model").exists():
        return False
    if budget.steps is not None:
        return state["global_step"] >= budget.steps
    assert budget.minutes is not None
    return state["armillary"]["elapsed_s"] >= 60.0 * budget.minutes
