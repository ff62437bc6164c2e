"""The original Image2Sphere and ours, side by side: same encoder, same pictures, same number of steps, several seeds.

    python benchmarks/side_by_side.py symsol --out FOLDER
    python benchmarks/side_by_side.py zoo --views 20 --out FOLDER

Each rung of `ladder.py` is trained and evaluated once for each seed in a folder of its own; what is there already is
not done again, so that the command may be stopped, and run twice at once with other `--rungs` or `--seeds`. The table
is printed from all that is there, and written to FOLDER/table.md with FOLDER/table.png.
"""

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from ladder import Rung, ladder
from protocol import Pictures, pictures

from armillary.apps.machine import flush_denormals, use_threads
from armillary.data import ImageStore, centre_crop
from armillary.data.record import write_json
from armillary.evaluation import accuracy_at, log_likelihood, median_error, rotation_error
from armillary.models import Model, from_pretrained
from armillary.training import train

FIGURES = {"ll_ipdf": "ll_ipdf", "acc15": "Acc@15", "acc30": "Acc@30", "median": "median", "top2": "best of two"}


@dataclass(frozen=True)
class Command:
    """Options of the comparison."""

    # Which pictures: symsol or zoo.
    data: tyro.conf.Positional[str]

    # The folder for runs and table.
    out: Path

    # Views of each object to train on.
    views: int = 10_000

    # Side of the pictures, pixels.
    size: int = 48

    # The encoder of all rungs.
    encoder: str = "small-fine"

    # Steps of 64 views.
    steps: int = 1200

    # One training of each rung for each.
    seeds: tuple[int, ...] = (0, 1, 2)

    # Rungs to train; all of them by default.
    rungs: tuple[str, ...] = ()

    # Processor threads.
    threads: int = 2


def main() -> None:
    """Run the comparison."""
    command = tyro.cli(Command, description=__doc__)
    flush_denormals()
    use_threads(command.threads)
    drawn = pictures(command.data, command.size, command.views, command.out / "pictures")
    for seed in command.seeds:
        rungs = ladder(command.encoder, command.size, command.steps, seed, drawn.equivalent_labels)
        for name in command.rungs or tuple(rungs):
            _climb(command.out, name, rungs, seed, drawn)
    print(table(command.out, ladder(command.encoder, command.size, command.steps, 0)))


def _climb(out: Path, name: str, rungs: Mapping[str, Rung], seed: int, drawn: Pictures) -> None:
    rung = rungs[name]
    target = out / f"{name}-{seed}.json"
    if target.exists():
        return
    folder = out / "runs" / f"{rung.weights_of or name}-{seed}"
    started, used = time.perf_counter(), time.process_time()
    train(rung.config, folder, drawn.training)
    trained, burnt = time.perf_counter() - started, time.process_time() - used
    record = measure(from_pretrained(folder / "model"), drawn.test, rung.random_answers, seed)
    write_json(target, {**record, "seconds": trained, "cpu_seconds": burnt})
    print(name, seed, json.dumps(record["mean"]), flush=True)


def measure(model: Model, test: ImageStore, random_answers: bool, seed: int) -> dict:
    """Figures for each category and their mean; errors to the nearest rotation that the symmetry makes equivalent."""
    if random_answers:
        # Random points are the lift's behaviour in training.
        torch.manual_seed(seed)
        model.lift.train()  # type: ignore[operator, union-attr]
    size = model.config.image_size
    error, best, log_prob = (torch.zeros(len(test)) for _ in range(3))
    for start in range(0, len(test), 32):
        index = torch.arange(start, min(start + 32, len(test)))
        batch = centre_crop(test[index], size)
        with torch.no_grad():
            density = model(batch.images, batch.category)
            peaks, log_prob[index] = density.modes(2), density.log_prob(batch.rotations)
        for number, symmetry in enumerate(test.info.symmetries):
            chosen = (batch.category == number).nonzero().flatten()
            truth = batch.rotations[chosen][:, None].expand(-1, 2, -1, -1)
            both = rotation_error(peaks.rotation[chosen].float(), truth, symmetry)
            error[index[chosen]], best[index[chosen]] = both[:, 0], both.amin(1)
    categories = {
        name: _figures(error[test.category == number], best[test.category == number], log_prob[test.category == number])
        for number, name in enumerate(test.info.categories)
    }
    mean = {figure: statistics.fmean(each[figure] for each in categories.values()) for figure in FIGURES}
    return {"mean": mean, "categories": categories}


def _figures(error: torch.Tensor, best: torch.Tensor, log_prob: torch.Tensor) -> dict[str, float]:
    return {
        "ll_ipdf": log_likelihood(log_prob, "ipdf").item(),
        "acc15": 100 * accuracy_at(error, 15).item(),
        "acc30": 100 * accuracy_at(error, 30).item(),
        "median": torch.rad2deg(median_error(error)).item(),
        "top2": torch.rad2deg(median_error(best)).item(),
    }


def table(out: Path, rungs: Mapping[str, Rung]) -> str:
    """Mean and spread over the seeds that are there, rung by rung, as Markdown."""
    lines = [f"| | seeds | {' | '.join(FIGURES.values())} |", f"|---|---{'|---' * len(FIGURES)}|"]
    for name, rung in rungs.items():
        records = [json.loads(path.read_text())["mean"] for path in sorted(out.glob(f"{name}-*.json"))]
        if records:
            cells = [_spread([record[figure] for record in records]) for figure in FIGURES]
            lines.append(f"| {rung.change} | {len(records)} | {' | '.join(cells)} |")
    text = "\n".join(lines)
    (out / "table.md").write_text(text + "\n")
    return text


def _spread(values: list[float]) -> str:
    digits = 2 if max(values) < 10 else 1
    half = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{half}"


if __name__ == "__main__":
    main()
