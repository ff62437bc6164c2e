"""Records: JSON objects in files."""

import json
from collections.abc import Mapping
from pathlib import Path

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
