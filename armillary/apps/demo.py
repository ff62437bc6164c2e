"""``armillary demo``: the whole idea in one command and ten minutes."""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from armillary.apps.assessment import Assessment, digest_file
from armillary.apps.lookup import Lookup
from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.data import ImageStore, rendered_store
from armillary.data.shapes.solid import make_solid
from armillary.models import from_pretrained
from armillary.training import TrainConfig, recipe, train
from armillary.training.curve import curve_png, read_metrics
from armillary.training.feed import hold_out

SOLIDS = ("tet", "cube", "icosa", "cone", "cyl")
TRAIN_VIEWS = 16000
TEST_VIEWS = 200
# Seconds kept for evaluation (0.15 CPU-seconds for each of 1,000 views, on two cores) and for the report; and the least
# that training is given.
RESERVE = 115.0
SHORTEST_TRAINING = 5.0
TRAIN_SEED, TEST_SEED = 0, 1

DESCRIPTION = """Render five solids, train one model, evaluate it on views it never saw, write a report.

The solids are those of SYMSOL I: tetrahedron, cube, icosahedron, cone and cylinder. A picture of one of them fits 12,
24 or 60 rotations, or a continuum of them; the model is told only one for each training picture and has to find the
others. DIR/report.html shows what it learned, DIR/metrics.json holds the figures, DIR/run the model.

examples:
  armillary demo --out demo
  armillary demo --out quick --minutes 3
"""


@dataclass(frozen=True)
class DemoCommand:
    """Options of the demo."""

    # The folder for the report, the figures and the trained model.
    out: Path

    # Minutes that everything together may take.
    minutes: float = 10.0

    # Training views rendered of each solid; test views are others.
    views: int = TRAIN_VIEWS

    # Seed of the weights and of training; the rendered views are always the same.
    seed: int = 0

    # Processor threads; by default one for each core.
    threads: int | None = None


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command; the minutes count from ``started``."""
    command = parse(DemoCommand, arguments, "armillary demo", description=DESCRIPTION)
    if command.minutes <= 0.0 or command.views < 1:
        raise ValueError(f"expected minutes and views above zero, got {command.minutes} and {command.views}")
    flush_denormals()
    use_threads(command.threads)
    check_output(command.out)
    command.out.mkdir(parents=True, exist_ok=True)
    config = recipe("demo")
    store = render(config, command.views, TRAIN_SEED)
    test = render(config, TEST_VIEWS, TEST_SEED)
    training_store, held_out = hold_out(store, config.validation, config.seed)
    used = time.perf_counter() - started
    config = dataclasses.replace(config, seed=command.seed, source="rendered SYMSOL I solids")
    config = budgeted(config, 60.0 * command.minutes - used)
    model_folder = train(config, command.out / "run", training_store, held_out)
    metrics = _assess(command, config, model_folder, store, test, started)
    minutes = (time.perf_counter() - started) / 60.0
    print(_summary(metrics, minutes, command.out))


def budgeted(config: TrainConfig, remaining: float) -> TrainConfig:
    """The configuration with what remains of the time (seconds), less the reserve for evaluation and report."""
    reserve = min(RESERVE, remaining / 3.0)
    return dataclasses.replace(config, minutes=max(remaining - reserve, SHORTEST_TRAINING) / 60.0)


def render(config: TrainConfig, views: int, seed: int) -> ImageStore:
    """Views of the five solids; training and test views come from different seeds."""
    # No margin: nothing of the picture is spent on room for augmentation that does not happen.
    return rendered_store([make_solid(name) for name in SOLIDS], views, config.model.image_size, seed, margin=1.0)


def _assess(
    command: DemoCommand, config: TrainConfig, model_folder: Path, store: ImageStore, test: ImageStore, started: float
) -> dict:
    records = read_metrics(command.out / "run" / "metrics.jsonl")
    last, image_size = records[-1], config.model.image_size
    assessment = Assessment(
        model=from_pretrained(model_folder),
        store=test,
        image_size=image_size,
        model_digest=digest_file(model_folder / "model.safetensors"),
        title="Armillary demo: five symmetric solids",
        lead=f"One model for all five, one label per training picture, {len(test)} views it never saw.",
        reproduce=f"armillary demo --out {command.out} --minutes {command.minutes:g} --seed {command.seed}",
        curve=curve_png(records),
        lookup=Lookup.from_store(store, image_size),
        details={
            "training views": f"{len(store):,}, rendered in this run",
            "training": f"{last['step']:,} steps of {config.batch_size} views, {last['elapsed_s'] / 60.0:.1f} minutes",
            "threads": str(torch.get_num_threads()),
            "model": json.dumps(dataclasses.asdict(config.model)),
            "before the evaluation": f"{(time.perf_counter() - started) / 60.0:.1f} minutes",
        },
    )
    return assessment.write(command.out)


def _summary(metrics: dict, minutes: float, out: Path) -> str:
    lines = [f"{'':<8}{'ll (pi^2)':>10}{'ll (Haar)':>10}{'spread':>9}{'median':>9}"]
    rows = [*metrics["per_category"].items(), ("mean", metrics)]
    for name, row in rows:
        figures = (
            f"{row['ll_ipdf']:>10.2f}{row['ll_haar']:>10.2f}{row['spread_deg']:>8.2f}°{row['median_error_deg']:>8.2f}°"
        )
        lines.append(f"{name:<8}{figures}")
    return "\n".join([*lines, f"done in {minutes:.1f} minutes: open {out / 'report.html'}"])
