"""``armillary convert-checkpoint``: a checkpoint of the original Image2Sphere to a model folder of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from armillary.apps.machine import check_output
from armillary.apps.parse import parse
from armillary.data import DatasetInfo
from armillary.models import Image2SphereConfig
from armillary.models.original_checkpoint import convert_original, read_original

DESCRIPTION = """Convert a checkpoint of the original Image2Sphere (github.com/dmklee/image2sphere) to a model folder.

The folder holds config.json and model.safetensors; armillary predict and Image2Sphere.from_pretrained read it. The
model computes what the original does with all points of its projector, as a density in the original's label frame.
Nothing in the file but tensors is unpickled, and every key is accounted for.

example:
  armillary convert-checkpoint modelnet10so3_checkpoint.pt modelnet10 --categories bathtub bed chair desk dresser \\
      monitor night_stand sofa table toilet
"""


@dataclass(frozen=True)
class ConvertCommand:
    """Options of the conversion."""

    # The original's file.
    source: tyro.conf.Positional[Path]

    # The folder for the model.
    folder: tyro.conf.Positional[Path]

    # Names of the categories the original was trained on, in its order.
    categories: tuple[str, ...] = ()


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(ConvertCommand, arguments, "armillary convert-checkpoint", description=DESCRIPTION)
    check_output(command.folder)
    model = convert_original(read_original(command.source))
    told = model.config.categories
    names = command.categories or tuple(f"category{index}" for index in range(max(told, 1)))
    if told and len(names) != told:
        raise ValueError(f"{command.source}: expected {told} categories, got {len(names)}; name them all or none")
    size = model.config.image_size
    info = DatasetInfo("original Image2Sphere", names)
    # The original sees tight crops, resized, so there is no margin.
    metadata = {"image_size": size, "margin": 1.0, "store_size": size, "data": info.to_json()}
    model.save_pretrained(command.folder, {**metadata, "converted_from": command.source.name})
    print(f"{command.folder}: {describe(model.config)}")


def describe(config: Image2SphereConfig) -> str:
    """One line for the terminal."""
    told = f", told one of {config.categories} categories" if config.categories else ""
    encoder = config.encoder.removesuffix(":random")
    return f"Image2Sphere, {encoder}, lmax {config.lmax}, {config.lift} lift, {config.sphere_channels} signals{told}"
