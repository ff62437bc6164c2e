"""The one table of model kinds: what a saved model or a recorded configuration is."""

import difflib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from armillary.models.box_regression import BoxRegression
from armillary.models.harmonic_regression import HarmonicRegression, HarmonicRegressionConfig
from armillary.models.image2sphere import Image2Sphere, Image2SphereConfig
from armillary.models.model import Model
from armillary.models.normal_regression import KIND as SURFACE_NORMALS
from armillary.models.spacecraft_pose import SpacecraftPose
from armillary.models.spherical_embedding import KIND as SPHERICAL_EMBEDDING
from armillary.models.spherical_regression import SphericalRegression, SphericalRegressionConfig
from armillary.models.storage import read_config, read_record
from armillary.models.view_synthesis import KIND as VIEW_SYNTHESIS
from armillary.models.viewpoint_regression import ViewpointRegression, ViewpointRegressionConfig

# Every model's configuration.
ModelConfig = Image2SphereConfig | HarmonicRegressionConfig | SphericalRegressionConfig | ViewpointRegressionConfig

KINDS: dict[str, type[Model]] = {
    model.kind: model for model in (Image2Sphere, HarmonicRegression, SphericalRegression, ViewpointRegression)
}

# Saved models that answer with something else, and the command that reads them.
OTHERS = {
    SURFACE_NORMALS: "surface normals; use `armillary normals`",
    SPHERICAL_EMBEDDING: "functions on the sphere; use `armillary relative`",
    VIEW_SYNTHESIS: "pictures; use `armillary turn`",
    SpacecraftPose.kind: "poses of spacecraft; use `armillary spacecraft`",
    BoxRegression.kind: "boxes of spacecraft; use `armillary spacecraft`",
}


def from_pretrained(folder: str | Path) -> Model:
    """The model of a folder, whatever its kind, in eval mode on the CPU, exactly as saved.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     HarmonicRegressionConfig(lmax=2).build().save_pretrained(folder)
        ...     from_pretrained(folder).config.lmax
        2
    """
    return _recorded_class(read_record(Path(folder))).from_pretrained(folder)


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """The metadata that was saved with a model.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     HarmonicRegressionConfig(lmax=2).build().save_pretrained(folder, {"name": "solids"})
        ...     read_metadata(folder)
        {'name': 'solids'}
    """
    return read_record(Path(folder)).get("metadata", {})


def config_to_dict(config: ModelConfig) -> dict[str, Any]:
    """Kind and fields of a model's configuration, as JSON values.

    Example:
        >>> config_to_dict(HarmonicRegressionConfig(lmax=8))["kind"]
        'harmonic_regression'
    """
    return {"kind": model_class(config).kind, "config": asdict(config)}


def model_class(config: ModelConfig) -> type[Model]:
    """The class of the model that a configuration builds.

    Example:
        >>> model_class(HarmonicRegressionConfig()).kind
        'harmonic_regression'
    """
    return next(model for model in KINDS.values() if type(config) is model.config_type)


def config_from_dict(record: dict[str, Any]) -> ModelConfig:
    """The frozen configuration of `config_to_dict`; ValueError names the closest match of an unknown kind or field.

    Example:
        >>> config_from_dict({"kind": "harmonic_regression", "config": {"lmax": 8}}).lmax
        8
    """
    return read_config(_recorded_class(record).config_type, record.get("config", {}))


def _recorded_class(record: dict[str, Any]) -> type[Model]:
    kind = record.get("kind")
    if kind in OTHERS:
        raise ValueError(f"expected a model of rotations, got one of {OTHERS[kind]} with it")
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1, cutoff=0.0)[0]
        raise ValueError(f"expected a model kind among {', '.join(KINDS)}, got {kind!r}; did you mean {near!r}?")
    return KINDS[kind]
