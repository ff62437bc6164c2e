"""The folder a model is saved in: ``config.json`` (a JSON record) and ``model.safetensors`` (weights).

Nothing is unpickled, and each file is complete or not there.
"""

import difflib
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

FORMAT = "armillary-model-1"
RECORD, WEIGHTS = "config.json", "model.safetensors"


def write_folder(folder: Path, record: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Write record and weights, both under temporary names first; the folder is made when missing."""
    # Serialised before anything is written: a record that is no JSON leaves the folder as it was.
    text = json.dumps({"format": FORMAT, **record}, indent=1)
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    drafts = {name: folder / f".{name}.{os.getpid()}.tmp" for name in (WEIGHTS, RECORD)}
    try:
        # Through plain writes, whose errors are the operating system's: a full disk is an OSError.
        drafts[WEIGHTS].write_bytes(save(plain))
        drafts[RECORD].write_text(text + "\n", encoding="utf-8")
        for name, draft in drafts.items():
            os.replace(draft, folder / name)
    except OSError as error:
        # A failing write knows only its number.
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a folder; FileNotFoundError or ValueError in one line when there is none of ours."""
    path = folder / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a saved model, got no such file; name the folder of save_pretrained")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got '{error}'; save the model again") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(
            f"{path}: expected the configuration of a saved armillary model, got another file; check the folder"
        )
    return record


def load_weights(module: nn.Module, folder: Path) -> None:
    """Give a module the weights of a folder, name by name."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the weights, got no such file; copy the whole folder")
    try:
        module.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: expected weights that fit {RECORD}, got '{reason}'; copy or save the model again"
        ) from error


def read_config(config_type: type, record: dict[str, Any]) -> Any:  # noqa: ANN401 - whichever dataclass is given
    """A configuration from JSON values; ValueError names the closest match of an unknown field."""
    known = [field.name for field in fields(config_type)]
    for name in record:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise ValueError(f"expected fields of {config_type.__name__}, got {name!r}; did you mean {near!r}?")
    return config_type(**record)
