"""The original Image2Sphere and ours, side by side: same encoder, same pictures, same number of steps, several seeds.

Each rung of benchmarks/ladder.py is trained and evaluated once for each seed. What is there already is not done again,
so that the command may be stopped, and run twice at once with other rungs or seeds. FOLDER/table.md and
FOLDER/table.png show all that is there.

examples:
  python benchmarks/side_by_side.py symsol --out FOLDER
  python benchmarks/side_by_side.py zoo --views 20 --out FOLDER
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import tyro
from ladder import Rung, ladder
from measure import measure
from protocol import PROTOCOLS, Pictures, pictures
from rung_table import category_table, picture, table

from armillary.apps.machine import flush_denormals, use_threads
from armillary.data.atomic import write_atomically
from armillary.data.record import write_json
from armillary.models import from_pretrained
from armillary.models.image2sphere import Image2Sphere
from armillary.training import train

# Shown category by category.
COMPARED = ("tuned", "lmax")


@dataclass(frozen=True)
class Settings:
    """What all rungs of one comparison share."""

    # Which pictures: symsol, objects, zoo, or points:FOLDER for models given as points.
    data: tyro.conf.Positional[str]

    # Views of each object to train on.
    views: int = 10_000

    # Side of the pictures, pixels.
    size: int = 48

    # The encoder.
    encoder: str = "small-fine"

    # Steps of 64 views.
    steps: int = 600


@dataclass(frozen=True)
class Command:
    """Options of the comparison."""

    settings: tyro.conf.OmitArgPrefixes[Settings]

    # The folder for runs and table.
    out: Path

    # One training of each rung for each.
    seeds: tuple[int, ...] = (0, 1, 2)

    # Rungs to train; all of them by default.
    rungs: tuple[str, ...] = ()

    # Processor threads.
    threads: int = 2


def main() -> None:
    """Run the comparison."""
    command = tyro.cli(Command, description=__doc__)
    if command.settings.data.split(":")[0] not in PROTOCOLS:
        raise SystemExit(f"{command.settings.data}: expected one of {', '.join(PROTOCOLS)}; choose one")
    flush_denormals()
    use_threads(command.threads)
    settings, kept = command.settings, command.out / "settings.json"
    if kept.exists() and json.loads(kept.read_text()) != asdict(settings):
        raise SystemExit(f"{kept}: expected the settings of this comparison, got others; choose another --out")
    drawn = pictures(settings.data, settings.size, settings.views, command.out / "pictures")
    # Nothing is written before the pictures are there.
    write_json(kept, asdict(settings))
    rungs = _rungs(settings, 0, drawn)
    for seed in command.seeds:
        for name in command.rungs or tuple(rungs):
            _climb(command.out, name, _rungs(settings, seed, drawn), seed, drawn)
    text = "\n\n".join((json.dumps(asdict(settings)), table(command.out, rungs), category_table(command.out, COMPARED)))
    write_atomically(command.out / "table.md", text.encode())
    write_atomically(command.out / "table.png", picture(command.out, rungs))
    print(text)


def _rungs(settings: Settings, seed: int, drawn: Pictures) -> Mapping[str, Rung]:
    return ladder(settings.encoder, settings.size, settings.steps, seed, drawn.equivalent_labels)


def _climb(out: Path, name: str, rungs: Mapping[str, Rung], seed: int, drawn: Pictures) -> None:
    rung = rungs[name]
    target = out / f"{name}-{seed}.json"
    if target.exists():
        return
    folder = out / "runs" / f"{rung.weights_of or name}-{seed}"
    started, used = time.perf_counter(), time.process_time()
    train(rung.config, folder, drawn.training)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - used
    model = from_pretrained(folder / "model")
    if rung.random_answers and isinstance(model, Image2Sphere):
        # Random points are what the lift does in training.
        torch.manual_seed(seed)
        model.lift.train()
    record = {**measure(model, drawn.test), "seconds": seconds, "cpu_seconds": cpu_seconds}
    write_json(target, record)
    print(name, seed, json.dumps(record["mean"]), flush=True)


if __name__ == "__main__":
    main()
