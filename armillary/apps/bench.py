"""``armillary bench``: figures of papers, drawn again from training on rendered pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import closest, parse
from armillary.data import ImageStore, rendered_store
from armillary.data.atomic import write_atomically
from armillary.data.shapes import Shape, make_shape
from armillary.models import SphericalRegressionConfig
from armillary.nn.sphere_prediction import SphereKind
from armillary.training.gradient_norm import GradientRecord, GradientSettings, gradient_records

HELP = """usage: armillary bench sexp-gradients --out DIR [OPTIONS]

Figures of papers, drawn again from training on rendered pictures.

  armillary bench sexp-gradients --out DIR     Spherical Regression: gradient norms of three kinds of quaternion heads

armillary bench WORD --help explains the options.
"""

DESCRIPTION = """Train a plain quaternion, one divided by its length and the spherical exponential on the same rendered
pictures, and draw how large the gradients at their outputs are from step to step (Liao et al., CVPR 2019).

DIR/gradients.csv has a row for each step and head, DIR/gradients.png the figure.

examples:
  armillary bench sexp-gradients --out gradients
  armillary bench sexp-gradients --out quick --steps 200
"""

FAMILIES = ("aeroplane", "bed", "car", "chair", "sofa")
# Kind: its name in the figure.
HEADS: Mapping[SphereKind, str] = {
    "direct": "direct + smooth L1",
    "flat": "S_flat: divided by its length",
    "exp": "S_exp: spherical exponential",
}


@dataclass(frozen=True)
class GradientsCommand:
    """Options of the figure."""

    # The folder for figure and table.
    out: Path

    # Families of shapes to render, one category each.
    shapes: tuple[str, ...] = FAMILIES

    # Members of each family.
    members: int = 4

    # Views of each member.
    views: int = 100

    # Encoder of all three.
    encoder: str = "small"

    # Side of the pictures, pixels.
    image_size: int = 48

    # Radians within which other signs count as nearly right; 0: as published.
    antipode: float = 0.0

    # Standard deviation of the heads' untrained weights, 0.005 as published; by default by the width of their layers.
    spread: float | None = None

    # Processor threads; by default one for each core.
    threads: int | None = None

    # How the heads are trained.
    settings: tyro.conf.OmitArgPrefixes[GradientSettings] = field(default_factory=GradientSettings)


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP)
        return
    if arguments[0] != "sexp-gradients":
        raise ValueError(f"unknown figure {arguments[0]}; {closest(arguments[0], ['sexp-gradients'])}")
    command = parse(GradientsCommand, arguments[1:], "armillary bench sexp-gradients", description=DESCRIPTION)
    if min(command.members, command.views, len(command.shapes)) < 1:
        raise ValueError(f"expected shapes, members and views, got {command.members} and {command.views}; give some")
    check_output(command.out)
    flush_denormals()
    use_threads(command.threads)
    records = measure(command, render(command))
    command.out.mkdir(parents=True, exist_ok=True)
    write_atomically(command.out / "gradients.csv", table(records).encode())
    # Matplotlib takes a second to come.
    from armillary.apps.plots.gradients import gradients_png

    norms = {HEADS[kind]: torch.tensor([each.regression for each in own]) for kind, own in records.items()}
    write_atomically(command.out / "gradients.png", gradients_png(norms))
    print(summary(records))
    print(f"open {command.out / 'gradients.png'}")


def render(command: GradientsCommand) -> ImageStore:
    """Views of some members of each family."""
    members = [(family, seed) for family in command.shapes for seed in range(command.members)]
    shapes = [Shape(family, make_shape(family, seed).mesh) for family, seed in members]
    return rendered_store(shapes, command.views, command.image_size, 0, margin=1.0)


def measure(command: GradientsCommand, store: ImageStore) -> dict[SphereKind, list[GradientRecord]]:
    """Train each head and keep what its steps tell."""
    records: dict[SphereKind, list[GradientRecord]] = {}
    with tqdm(total=len(HEADS) * command.settings.steps, desc="training", unit="step") as bar:
        for kind in HEADS:
            config = SphericalRegressionConfig(
                encoder=command.encoder,
                image_size=command.image_size,
                kind=kind,
                antipode=command.antipode,
                spread=command.spread,
                # As the paper's heads.
                normalise=False,
            )
            records[kind] = []
            for record in gradient_records(config, store, command.settings):
                records[kind].append(record)
                bar.set_postfix(head=kind, loss=f"{record.loss:.3f}", refresh=False)
                bar.update()
    return records


def table(records: Mapping[SphereKind, Sequence[GradientRecord]]) -> str:
    """A row for each step and head, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["head", "step", "loss", "regression", "spread", "signs"])
    for kind, own in records.items():
        writer.writerows(
            [kind, step, *(f"{value:.6g}" for value in asdict(each).values())] for step, each in enumerate(own)
        )
    return text.getvalue()


def summary(records: Mapping[SphereKind, Sequence[GradientRecord]]) -> str:
    """Mean gradient norm in the first and the last fifth of the steps, and how much single steps scatter about it."""
    lines = [f"{'mean gradient norm':<32}{'first fifth':>12}{'last fifth':>12}{'ratio':>8}{'scatter':>9}"]
    for kind, own in records.items():
        norms = torch.tensor([each.regression for each in own])
        first, last = norms[: max(1, len(norms) // 5)], norms[-max(1, len(norms) // 5) :]
        ratio, scatter = last.mean() / first.mean(), last.std(correction=0) / last.mean()
        lines.append(f"{HEADS[kind]:<32}{first.mean():>12.4f}{last.mean():>12.4f}{ratio:>8.2f}{scatter:>8.1%}")
    return "\n".join(lines)
