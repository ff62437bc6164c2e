"""The folder of a run: its configuration, which a second call must repeat, and the checkpoint it is taken up from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from armillary.data.record import write_json


def check_folder(folder: Path, record: Mapping[str, Any], may_change: Sequence[str] = ()) -> None:
    """ValueError unless a folder is new, empty, or that of a run with the same record.

    Args:
        folder: need not be there.
        record: everything the result depends on beside the data, as JSON values.
        may_change: keys in which the calls of one run may differ.
    """
    path = folder / "config.json"
    if path.exists():
        earlier = read_config_record(path)
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


def open_folder(folder: Path, record: Mapping[str, Any], may_change: Sequence[str] = ()) -> None:
    """Make a run folder with ``config.json``, or check that the run in it is the same: see `check_folder`."""
    check_folder(folder, record, may_change)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", record)


def read_config_record(path: Path) -> dict[str, Any]:
    """The JSON values of a ``config.json``."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected the configuration of a run, got '{error}'; restore the file") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected the configuration of a run, got another file; restore it")
    return record


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The Lightning checkpoint of a run that was begun before; None where there is none."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails on damage in many ways of its own
        raise ValueError(
            f"{path}: expected a checkpoint, got a damaged file; delete the run folder and train again"
        ) from error
