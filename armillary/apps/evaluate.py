"""``armillary evaluate``: a trained model measured on data it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from armillary.apps.assessment import Assessment, digest_file
from armillary.apps.dataset import Sampled, open_split
from armillary.apps.lookup import Lookup
from armillary.apps.machine import check_output, checked_device, use_threads
from armillary.apps.parse import parse
from armillary.apps.predictor import feeding_metadata, model_folder
from armillary.data import DatasetInfo, ImageStore
from armillary.models import from_pretrained
from armillary.training.curve import curve_png, read_metrics

DESCRIPTION = """Measure a trained model on a data set and write a report.

DIR/predictions.npz holds what the model says about every view, DIR/metrics.json the figures, DIR/report.html both as a
page with pictures. Errors are to the nearest rotation that the data set's symmetries make equivalent to the truth.
For a model of viewpoints DIR/viewpoints.txt holds azimuth, elevation and tilt of every view, DIR/viewpoint_table.txt
the table of each category with errors to the labels themselves.

examples:
  armillary evaluate run --data held_out.npz --out evaluation
  armillary evaluate run --data rendered --split test --out evaluation
"""


@dataclass(frozen=True)
class EvaluateCommand:
    """Options of the evaluation."""

    # A run folder of `armillary train`, or a model folder.
    run: tyro.conf.Positional[Path]

    # The data set: a folder or file of posed pictures, any format that train takes.
    data: str

    # The folder for predictions, figures and report.
    out: Path

    # Part of the data set; by default "test" or "val" where it has parts.
    split: str | None = None

    # Evaluate on so much of the views, drawn as Spherical Regression draws its sample of ModelNet10-SO(3)'s test
    # views: 0.2 there; by default all.
    sample: float | None = None

    # Give the figures of Spherical Regression before its correction too, angles divided by the root of 2, under
    # "legacy_sqrt2".
    legacy: bool = False

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(EvaluateCommand, arguments, "armillary evaluate", description=DESCRIPTION)
    check_output(command.out)
    use_threads(command.threads)
    device = checked_device(command.device)
    folder = model_folder(command.run)
    metadata = feeding_metadata(folder)
    reader = open_split(command.data, command.split, ("test", "val", "validation"))
    if command.sample is not None:
        reader = Sampled(reader, command.sample)
    trained_on = DatasetInfo.from_json(metadata["data"])
    model = from_pretrained(folder).to(device)
    known = known_objects(trained_on, reader.info)
    if not known and model.config.categories:
        raise ValueError(
            f"{command.data}: expected categories among {', '.join(trained_on.categories)}, which the model is told, "
            f"got {', '.join(reader.info.categories)}; evaluate on objects it was trained on"
        )
    # Framed as the training pictures were: the same bounding spheres, the same margin.
    info = trained_on if known else None
    store = ImageStore.from_reader(reader, metadata["store_size"], metadata["margin"], info=info)
    curve = command.run / "metrics.jsonl"
    assessment = Assessment(
        model=model,
        store=store,
        image_size=metadata["image_size"],
        model_digest=digest_file(folder / "model.safetensors"),
        title=f"{command.run.name} on {reader.info.name}",
        lead=f"{len(store):,} views of {command.data}.",
        reproduce=_reproduce(command),
        curve=curve_png(read_metrics(curve)) if curve.exists() else None,
        lookup=Lookup.load(command.run / "lookup.npz"),
        details={
            "model": str(folder),
            "trained on": f"{metadata['trained_on']} ({metadata['views']:,} views)",
            "evaluated on": str(command.data),
            "symmetry": ", ".join(
                f"{n}: {g.name}" for n, g in zip(store.info.categories, store.info.symmetries, strict=True)
            ),
        },
        legacy=command.legacy,
    )
    print(summary(assessment.write(command.out), command.out))


def summary(metrics: dict, out: Path) -> str:
    """What the terminal shows of an evaluation."""
    lines = [
        f"{metrics['n']} views: median error {metrics['median_error_deg']:.2f} degrees, "
        f"within 15 degrees {metrics['acc15']:.1%}, spread {metrics['spread_deg']:.2f} degrees",
        f"log-likelihood {metrics['ll_ipdf']:.2f} (pi^2 measure) = {metrics['ll_haar']:.2f} (Haar measure)",
    ]
    if "baseline" in metrics:
        baseline = metrics["baseline"]
        lines.append(
            f"nearest training picture: median error {baseline['median_error_deg']:.2f} degrees, "
            f"within 15 degrees {baseline['acc15']:.1%}"
        )
    if "signs" in metrics:
        signs = metrics["signs"]
        lines.append(
            f"signs right {signs['sign_accuracy']:.1%}; median error given the true signs "
            f"{signs['median_magnitude_error_deg']:.2f} degrees"
        )
    if "viewpoint_table" in metrics:
        lines.append(f"\n{metrics['viewpoint_table']}\nangles of every view: {out / 'viewpoints.txt'}\n")
    if "legacy_sqrt2" in metrics:
        legacy = metrics["legacy_sqrt2"]
        lines.append(
            f"legacy, {legacy['note']}: median error {legacy['median_error_deg']:.2f}, "
            f"within 30 {legacy['acc30']:.1%}, 15 {legacy['acc15']:.1%}, 7.5 {legacy['acc7.5']:.1%}"
        )
    return "\n".join([*lines, f"open {out / 'report.html'}"])


def _reproduce(command: EvaluateCommand) -> str:
    split = f" --split {command.split}" if command.split else ""
    sample = "" if command.sample is None else f" --sample {command.sample:g}"
    legacy = " --legacy" if command.legacy else ""
    return f"armillary evaluate {command.run} --data {command.data}{split}{sample}{legacy} --out {command.out}"


def known_objects(trained_on: DatasetInfo, data: DatasetInfo) -> bool:
    """Whether a model was trained on the objects of a data set: by name, or one object each, whatever the files' names.

    Example:
        >>> known_objects(DatasetInfo("a", ("photos",)), DatasetInfo("b", ("held_out",)))
        True
    """
    return set(data.categories) <= set(trained_on.categories) or len(data.categories) == len(trained_on.categories) == 1
