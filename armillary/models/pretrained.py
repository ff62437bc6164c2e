"""Saved models: a folder with ``config.json`` (kind, configuration, metadata) and ``model.safetensors`` (weights).

Nothing is unpickled. The weights must match the model name by name; a checkpoint brings its own encoder weights, so
loading looks for no others.
"""

import difflib
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from armillary.models.harmonic_regression import HarmonicRegression, HarmonicRegressionConfig
from armillary.models.image2sphere import Image2Sphere, Image2SphereConfig
from armillary.models.model import Model
from armillary.nn import TransformersEncoder, make_encoder

# Every model's configuration.
ModelConfig = Image2SphereConfig | HarmonicRegressionConfig


class Kind(NamedTuple):
    """A model class and its configuration."""

    config: type[ModelConfig]
    model: type[Model]


# The one table of model kinds in checkpoints.
KINDS: dict[str, Kind] = {
    "image2sphere": Kind(Image2SphereConfig, Image2Sphere),
    "harmonic_regression": Kind(HarmonicRegressionConfig, HarmonicRegression),
}


def save_pretrained(model: Model, folder: str | Path, metadata: dict[str, Any] | None = None) -> None:
    """Write a model to a folder, each file complete or not at all.

    Args:
        model: Any model of `KINDS`.
        folder: Made when missing.
        metadata: Further JSON values to keep with the model, such as the data's categories and symmetries.

    Example:
        >>> import tempfile
        >>> model = HarmonicRegressionConfig(lmax=2).build()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_pretrained(model, folder, {"name": "solids"})
        ...     read_metadata(folder)
        {'name': 'solids'}
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "format": "armillary-model-1",
        **config_to_dict(model.config),
        "encoder_architecture": model.encoder.architecture if isinstance(model.encoder, TransformersEncoder) else None,
        "metadata": metadata or {},
    }
    # Serialised before anything is written: metadata that is no JSON leaves the folder as it was.
    text = json.dumps(record, indent=1)
    weights = {key: value.detach().cpu().contiguous().clone() for key, value in model.state_dict().items()}
    drafts = {name: folder / f".{name}.{os.getpid()}.tmp" for name in ("model.safetensors", "config.json")}
    try:
        save_file(weights, drafts["model.safetensors"])
        drafts["config.json"].write_text(text + "\n", encoding="utf-8")
        for name, draft in drafts.items():
            os.replace(draft, folder / name)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def from_pretrained(folder: str | Path) -> Model:
    """The model of a folder, in eval mode on the CPU, exactly as saved.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     HarmonicRegressionConfig(lmax=2).build().save_pretrained(folder)
        ...     from_pretrained(folder).config.lmax
        2
    """
    record = _read_record(folder)
    config = config_from_dict(record)
    architecture = record.get("encoder_architecture")
    # A local encoder has no architecture on record; its name is all it takes.
    encoder = make_encoder(config.encoder, architecture)
    model = KINDS[record["kind"]].model(config, encoder)  # type: ignore[call-arg]
    path = Path(folder) / "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"expected the weights at {path}, got no such file; copy the whole folder")
    try:
        model.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"expected weights that fit {path.parent / 'config.json'}, got: {reason}; save it again"
        ) from error
    return model.eval()


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """The metadata that was saved with a model."""
    return _read_record(folder).get("metadata", {})


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Kind and fields of a model's configuration, as JSON values.

    Example:
        >>> config_to_dict(HarmonicRegressionConfig(lmax=8))["kind"]
        'harmonic_regression'
    """
    kind = next(name for name, entry in KINDS.items() if type(config) is entry.config)
    return {"kind": kind, "config": asdict(config)}


def config_from_dict(record: dict[str, Any]) -> ModelConfig:
    """The frozen configuration of `config_to_dict`; ValueError names the closest match of an unknown kind or field.

    Example:
        >>> config_from_dict({"kind": "harmonic_regression", "config": {"lmax": 8}}).lmax
        8
    """
    kind = record.get("kind")
    if kind not in KINDS:
        raise ValueError(
            f"expected a model kind among {', '.join(KINDS)}, got {kind!r}{_closest(str(kind), list(KINDS))}"
        )
    known = [field.name for field in fields(KINDS[kind].config)]
    for name in record.get("config", {}):
        if name not in known:
            raise ValueError(f"expected fields of {KINDS[kind].config.__name__}, got {name!r}{_closest(name, known)}")
    return KINDS[kind].config(**record.get("config", {}))


def _closest(name: str, known: list[str]) -> str:
    return f"; did you mean {difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]!r}?"


def _read_record(folder: str | Path) -> dict[str, Any]:
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected a saved model with {path}, got no such file; name the folder of save_pretrained"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}, got: {error}; save the model again") from error
    if not isinstance(record, dict) or record.get("format") != "armillary-model-1":
        raise ValueError(
            f"expected the configuration of a saved armillary model in {path}, got another file; check the folder"
        )
    return record
