"""A spherical CNN that names shapes: accuracy on held-out models, turned and not.

    python benchmarks/teacher.py zoo --steps 3000 --out FOLDER
    python benchmarks/teacher.py POINTS_OR_MODELNET --turns z --out FOLDER

Rows as Esteves et al. (2018) name them: z/z, z/SO3 and SO3/SO3 are rotations of training and test.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from armillary.apps.machine import flush_denormals, use_threads
from armillary.data import FAMILIES
from armillary.data.shapes.collection import folder_models, zoo_members
from armillary.models import SphericalTeacher, SphericalTeacherConfig
from armillary.models.spherical_teacher import block_errors
from armillary.so3 import random_rotations
from armillary.training.embedding.config import TEACHER
from armillary.training.embedding.shape_set import ShapeSet
from armillary.training.embedding.teacher import TeacherStage, Turns, predicted
from armillary.training.stage import StageConfig, run_stage

# Members of each family of the zoo, and the number of the first of the test.
MEMBERS, TEST_MEMBERS, FIRST_TEST_MEMBER = 150, 20, 100_000
# Turned copies of each test shape.
COPIES = 4


@dataclass(frozen=True)
class Command:
    """Options of the benchmark."""

    # zoo, or a folder of models (see armillary/data/shapes/collection.py).
    data: tyro.conf.Positional[str]

    # The folder for shapes, runs and table.
    out: Path

    # Rotations of training.
    turns: Turns = "so3"

    # The network.
    teacher: SphericalTeacherConfig = TEACHER

    # Optimiser and budget.
    config: tyro.conf.OmitArgPrefixes[StageConfig] = StageConfig(
        steps=3000, batch_size=16, learning_rate=3e-3, weight_decay=1e-4
    )

    # Processor threads.
    threads: int = 2


def main() -> None:
    """Train, measure, print."""
    command = tyro.cli(Command, description=__doc__)
    flush_denormals()
    use_threads(command.threads)
    training, test = shapes(command.data, command.teacher.side // 2 - 1, command.out / "shapes")
    config, folder = replace(command.teacher, classes=len(training.categories)), command.out / command.turns

    def make() -> TeacherStage:
        return TeacherStage(config.build(), training, test, command.turns)

    run_stage(make, command.config, folder, {"data": command.data, "turns": command.turns})
    network = SphericalTeacher.from_pretrained(folder / "model")
    record = measure(network, test)
    print(json.dumps({"turns": command.turns, **record}, indent=1))
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")


def shapes(data: str, lmax: int, folder: Path) -> tuple[ShapeSet, ShapeSet]:
    """Training and test shapes, cast once."""
    found = []
    for split, first, count in (("train", 0, MEMBERS), ("test", FIRST_TEST_MEMBER, TEST_MEMBERS)):
        path = folder / f"{split}-{lmax}.npz"
        if not path.exists():
            made = zoo_members([*FAMILIES], first, count) if data == "zoo" else folder_models(data, split)
            ShapeSet.cast(made, lmax).save(path)
        found.append(ShapeSet.load(path))
    return found[0], found[1]


def measure(network: SphericalTeacher, test: ShapeSet) -> dict[str, object]:
    """Accuracy as the shapes stand, and over copies turned at random, with its parts and the equivariance error."""
    generator = torch.Generator().manual_seed(0)
    repeated = test.coeffs.repeat_interleave(COPIES, 0)
    truth = test.category.repeat_interleave(COPIES)
    found = predicted(network, repeated, random_rotations(len(repeated), generator=generator))
    by_category = {
        name: (found == truth)[truth == place].double().mean().item() for place, name in enumerate(test.categories)
    }
    standing = (predicted(network, test.coeffs) == test.category).double().mean().item()
    errors = block_errors(network, test.coeffs[:64], random_rotations(64, generator=generator))
    return {
        "accuracy": standing,
        "accuracy_so3": (found == truth).double().mean().item(),
        "categories_so3": by_category,
        "shapes": len(test),
        "equivariance_errors": [round(error, 6) for error in errors.tolist()],
    }


if __name__ == "__main__":
    main()
