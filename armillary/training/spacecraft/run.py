"""One training of a spacecraft: crops and frames, the detector, the pose model; each taken up where it stopped.

::

    RUN/
      config.json       the whole configuration
      camera.json       of the training frames, as SPEED+ has it
      model.ply         the spacecraft's surface, where the data has one (.obj, .stl, ...)
      material/         crops and reduced frames
      detector/         run folders (training/run_folder.py), each with model/
      pose/
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from armillary.data.spacecraft import SpacecraftPhotos
from armillary.training.run_folder import check_folder, open_folder
from armillary.training.spacecraft.config import BUDGETS, SpacecraftTrainConfig
from armillary.training.spacecraft.detector import DetectorStage
from armillary.training.spacecraft.material import Material, load_material
from armillary.training.spacecraft.pose import PoseStage
from armillary.training.stage import run_stage

Network = TypeVar("Network", bound=nn.Module)


def train_spacecraft(
    config: SpacecraftTrainConfig,
    folder: Path,
    training: SpacecraftPhotos,
    validation: SpacecraftPhotos,
    stop_after: int | None = None,
) -> bool:
    """Train detector and pose model, or take the run up; whether both are done.

    Args:
        config: everything the result depends on beside the data.
        folder: the run folder.
        training: frames to train on.
        validation: frames of the same domain to measure on while training.
        stop_after: stop each network after so many steps although its budget is not used up.
    """
    config = prepared(config, training)
    check_folder(folder, config.to_json(), BUDGETS)
    open_folder(folder, config.to_json())
    seen = load_material(folder / "material", "train", training, config, config.pictures)
    held_out = load_material(folder / "material", "validation", validation, config, config.held_out, seen.crops.info)
    parts = config, folder, seen, held_out, stop_after
    return _detector(*parts) and _pose(*parts)


def prepared(config: SpacecraftTrainConfig, training: SpacecraftPhotos) -> SpacecraftTrainConfig:
    """The configuration with what follows from the data and from itself."""
    return replace(
        config,
        pose=replace(config.pose, radius=training.spacecraft.radius),
        augmentation=replace(config.augmentation, size=config.pose.image_size),
    )


def _detector(
    config: SpacecraftTrainConfig,
    folder: Path,
    seen: Material,
    held_out: Material,
    stop_after: int | None,
) -> bool:
    def make() -> DetectorStage:
        network = _for_maps(config.detector.build())
        return DetectorStage(network, seen.frames, held_out.frames, config.empty, paint=config.paint())

    return run_stage(make, config.detector_training, folder / "detector", _settings(config), stop_after)


def _pose(
    config: SpacecraftTrainConfig,
    folder: Path,
    seen: Material,
    held_out: Material,
    stop_after: int | None,
) -> bool:
    def make() -> PoseStage:
        network = _for_maps(config.pose.build())
        parts = seen.crops, held_out.crops, config.augmentation, config.translation_weight
        return PoseStage(network, *parts, config.paint())

    settings = {**_settings(config), "padding": config.padding, "margin": config.margin}
    settings["info"] = seen.crops.info.to_json()
    return run_stage(make, config.pose_training, folder / "pose", settings, stop_after)


def _settings(config: SpacecraftTrainConfig) -> dict[str, Any]:
    return {"source": config.source}


def _for_maps(network: Network) -> Network:
    """With the channels of a place together in memory, as convolutions like them."""
    # Typed as a module call: only 4-D parameters take the format.
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
