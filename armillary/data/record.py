"""Records in files: JSON objects, and named arrays (npz)."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from armillary.data.atomic import write_atomically


def read_json(path: Path, remedy: str) -> dict:
    """A JSON object from a file."""
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a JSON file, got no such file; {remedy}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected JSON, got '{error}'; {remedy}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(record).__name__}; {remedy}")
    return record


def write_json(path: Path, record: Mapping) -> None:
    """Write a JSON object whole or not at all."""
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode("utf-8"))


def read_npz(path: Path, needed: Sequence[str], remedy: str, leave: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of an npz file, among them those needed and without those to leave; nothing is unpickled."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key not in leave}
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected an npz file, got no such file; {remedy}") from error
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        # What numpy says of a file that is no npz is advice to unpickle it.
        raise ValueError(
            f"{path}: expected an npz file of plain arrays, got a damaged or other file; {remedy}"
        ) from error
    missing = [key for key in needed if key not in arrays]
    if missing:
        got = ", ".join(arrays) or "none"
        raise ValueError(f"{path}: expected arrays {', '.join(needed)}, got {got}; {remedy}")
    return arrays
