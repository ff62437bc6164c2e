"""``armillary train embedding``: the chain of teacher, student and synthesiser by one command that resumes anywhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.training.embedding.config import CHAIN, RIVALS, EmbeddingTrainConfig

DESCRIPTION = """Train a picture network to see shapes as functions on the sphere that turn with them.

Shapes and pictures are made first. A spherical CNN, the teacher, learns to name turned shapes; the student learns the
teacher's maps from pictures, without any pose loss; the synthesiser draws pictures from maps. At the end all is
measured on shapes never seen, and the tables are printed. Each stage has its folder in RUN; the same command takes up
whichever was interrupted.

examples:
  armillary train embedding --out run                       shapes of the zoo, 50 minutes on two cores
  armillary train embedding --out run --rivals              and two networks trained with poses, to compare with
  armillary train embedding --out run --material.source ModelNet40 --material.unseen bed sofa
  armillary relative a.png b.png --model run --out relative
  armillary turn photo.png --model run --out turned
"""


@dataclass(frozen=True)
class TrainCommand:
    """Options of the chain."""

    # The folder of the chain; one that holds an unfinished chain of the same options is taken up where it stopped.
    out: Path

    # Train rivals of the student too: siamese regression, and two absolute answers; as long as the student.
    rivals: bool = False

    # Pairs of views to measure on, in each setting.
    pairs: int = 1000

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Stop each stage after so many steps although its budget is not used up; the same command takes up the chain.
    stop_after: int | None = None

    # Print the configuration and stop.
    dry_run: bool = False

    # Settings.
    config: Annotated[EmbeddingTrainConfig, tyro.conf.arg(name="")] = field(default_factory=EmbeddingTrainConfig)


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(TrainCommand, arguments, "armillary train embedding", description=DESCRIPTION)
    if command.stop_after is not None and command.stop_after < 1:
        raise ValueError(f"expected --stop-after 1 or more, got {command.stop_after}; leave it out to use the budgets")
    if command.dry_run:
        print(json.dumps(command.config.to_json(), indent=2))
        return
    check_output(command.out)
    use_threads(command.threads)
    flush_denormals()
    from armillary.training.embedding.chain import train_embedding

    stages = (*CHAIN, *RIVALS) if command.rivals else CHAIN
    if not train_embedding(command.config, command.out, stages, command.stop_after):
        return
    from armillary.apps.embedding.evaluate import evaluate_embedding

    print(evaluate_embedding(command.out, command.out / "evaluation", command.pairs))
    print(f"see {command.out / 'evaluation'}; next: armillary relative a.png b.png --model {command.out} --out DIR")
