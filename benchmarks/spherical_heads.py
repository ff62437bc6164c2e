"""Four heads on one encoder: spherical exponential, normalised and plain quaternion, and harmonic density.

    python benchmarks/spherical_heads.py objects --views 2000 --out FOLDER

Same pictures (`protocol.py`), same encoder, same number of steps, several seeds. Rows "as published" take the losses
as published, without regard to half-turns. Point answers become densities by noise fitted on members of each family
that are held out of the training of all heads alike. Rows "read as" take the weights of the exponential: not its eight
answers, but the most probable one alone, or the one with expected signs. Each training and each reading is done once,
in a file of its own; the command may be stopped and given again, and run twice at once with other --heads or --seeds.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
import tyro
from jaxtyping import Float, Int
from ladder import Rung
from measure import measure
from protocol import PROTOCOLS, pictures
from rung_table import picture, table
from torch import Tensor

from armillary.apps.machine import flush_denormals, use_threads
from armillary.data import ImageStore
from armillary.data.atomic import write_atomically
from armillary.data.record import write_json
from armillary.data.rendering import shapes_of
from armillary.distributions import Modes, SO3Distribution
from armillary.models import (
    HarmonicRegressionConfig,
    Model,
    PointModel,
    SphericalRegression,
    SphericalRegressionConfig,
    from_pretrained,
)
from armillary.nn import PointNoise
from armillary.so3 import geodesic_distance, quat_wxyz_to_matrix
from armillary.training import TrainConfig, train
from armillary.training.noise import fit_noise
from armillary.training.recipes import STILL

# Of every so many shapes one is held out: two of each family of fifty in the zoo.
HELD_OUT = 25
Reading = Literal["most probable", "expected"]
READINGS: Mapping[str, Reading] = MappingProxyType({"exp-most-probable": "most probable", "exp-expected": "expected"})


@dataclass(frozen=True)
class Command:
    """Options of the comparison."""

    # Which pictures: symsol, objects, zoo, or points:FOLDER for models given as points.
    data: tyro.conf.Positional[str]

    # The folder for runs and table.
    out: Path

    # Views of each object to train on.
    views: int = 20

    # Side of the pictures, pixels.
    size: int = 48

    # The encoder of all heads.
    encoder: str = "small-fine"

    # A saved model whose encoder's weights all heads begin with: the same for each. None: they begin afresh.
    encoder_of: str = ""

    # Steps of 64 views.
    steps: int = 1200

    # One training of each head for each.
    seeds: tuple[int, ...] = (0, 1, 2)

    # Rows to do; all of them by default.
    heads: tuple[str, ...] = ()

    # Whether the heads are told the category, as published.
    told: bool = False

    # Whether the hidden units of the spherical heads are normalised; as published they are not.
    normalise: bool = True

    # Processor threads.
    threads: int = 2


class Answer(PointModel):
    """One of the eight answers of an exponential head, with noise of its own."""

    def __init__(self, model: SphericalRegression, reading: Reading) -> None:
        super().__init__(model.config, None)
        self.config, self.encoder = model.config, model.encoder
        self.model, self.reading, self.noise = model, reading, PointNoise()

    def answers(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> tuple[Float[Tensor, "batch k 3 3"], Float[Tensor, "batch k"]]:
        """The one answer."""
        prediction = self.model.quaternion(images, category)
        point = prediction.point() if self.reading == "most probable" else prediction.expected_point()
        return quat_wxyz_to_matrix(point)[:, None], torch.zeros_like(point[:, :1])

    def task_loss(
        self,
        images: Float[Tensor, "batch 3 height width"],
        rotations: Float[Tensor, "batch 3 3"],
        category: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """That of the head."""
        return self.model.task_loss(images, rotations, category)


@dataclass(frozen=True)
class Answers:
    """A density of point answers whose peaks are its answers, by their density: a survey takes 0.1 s for each view."""

    rotations: Float[Tensor, "batch k 3 3"]
    density: SO3Distribution
    apart: float

    def log_prob(self, value: Float[Tensor, "batch 3 3"]) -> Float[Tensor, " batch"]:
        """Log density for Haar probability."""
        return self.density.log_prob(value)

    def modes(self, _count: int) -> Modes:
        """The answer of the highest density, and the highest of those apart from it; again the first without one."""
        height = self.density.log_prob(self.rotations.movedim(1, 0)).movedim(0, 1)
        first = height.argmax(1, keepdim=True)
        best = self.rotations.take_along_dim(first[..., None, None], 1)
        far = geodesic_distance(self.rotations, best) > self.apart
        second = torch.where(far, height, -torch.inf).argmax(1, keepdim=True)
        second = torch.where(far.any(1, keepdim=True), second, first)
        order = torch.cat([first, second], 1)
        rotations = self.rotations.take_along_dim(order[..., None, None], 1)
        return Modes(rotations, height.take_along_dim(order, 1), torch.full_like(height[:, :2], torch.nan))


class Quick(torch.nn.Module):
    """A model of point answers, measured by its answers."""

    def __init__(self, model: PointModel) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], category: Int[Tensor, " batch"] | None = None
    ) -> Answers:
        """The answers as a density."""
        rotations, logits = self.model.answers(images, category)
        noise = self.model.noise
        return Answers(rotations, noise(rotations, logits), 2 * float(noise.sigma))


def rungs(command: Command, seed: int, categories: int) -> Mapping[str, Rung]:
    """All rows, with one encoder, one size of picture and one number of steps."""
    common = {"encoder": command.encoder, "image_size": command.size, "categories": categories if command.told else 0}
    exponential = SphericalRegressionConfig(**common, normalise=command.normalise)
    start = TrainConfig(
        model=exponential,
        augmentation=STILL,
        steps=command.steps,
        encoder_of=command.encoder_of,
        seed=seed,
        loss="spherical",
        log_every=100,
        margin=1.0,
    )

    def spherical(**changes: object) -> TrainConfig:
        return replace(start, model=replace(exponential, **changes))

    harmonic = replace(start, model=HarmonicRegressionConfig(**common, hidden=512), loss="likelihood")
    return MappingProxyType(
        {
            "exp": Rung("S_exp, a mixture of eight", spherical()),
            "exp-most-probable": Rung("the same, read as its most probable answer", spherical(), weights_of="exp"),
            "exp-expected": Rung("the same, read with expected signs", spherical(), weights_of="exp"),
            "exp-squares": Rung("S_exp, divergence of squares for the cosine", spherical(regression="squares")),
            "exp-published": Rung("S_exp, loss as published", spherical(antipode=0.0)),
            "flat": Rung("S_flat, the better of q and -q", spherical(kind="flat")),
            "flat-published": Rung("S_flat, loss as published", spherical(kind="flat", antipode=0.0)),
            "direct": Rung("direct, the better of q and -q", spherical(kind="direct")),
            "direct-published": Rung("direct, loss as published", spherical(kind="direct", antipode=0.0)),
            "harmonic": Rung("harmonic density (HarmonicRegression, lmax 6)", harmonic),
        }
    )


def main() -> None:
    """Run the comparison."""
    command = tyro.cli(Command, description=__doc__)
    if command.data.split(":")[0] not in PROTOCOLS:
        raise SystemExit(f"{command.data}: expected one of {', '.join(PROTOCOLS)}; choose one")
    flush_denormals()
    use_threads(command.threads)
    drawn = pictures(command.data, command.size, command.views, command.out / "pictures")
    training, held_out = split(drawn.training)
    categories = len(training.info.categories)
    for seed in command.seeds:
        rows = rungs(command, seed, categories)
        for name in command.heads or tuple(rows):
            _do(command.out, name, rows[name], seed, training, held_out, drawn.test)
    text = table(command.out, rungs(command, 0, categories))
    write_atomically(command.out / "table.md", text.encode())
    write_atomically(command.out / "table.png", picture(command.out, rungs(command, 0, categories)))
    print(text)


def split(store: ImageStore) -> tuple[ImageStore, ImageStore]:
    """Views to train on, and all views of the shapes that are held out; a view is named SHAPE/VIEW."""
    shape = shapes_of(store)
    held_out = shape % HELD_OUT == HELD_OUT - 1
    if not bool(held_out.any()):
        held_out = torch.arange(len(store)) % HELD_OUT == HELD_OUT - 1
    return store[(~held_out).nonzero().flatten()], store[held_out.nonzero().flatten()]


def _do(
    out: Path, name: str, rung: Rung, seed: int, training: ImageStore, held_out: ImageStore, test: ImageStore
) -> None:
    target = out / f"{name}-{seed}.json"
    if target.exists():
        return
    folder, started = out / "runs" / f"{rung.weights_of or name}-{seed}", time.perf_counter()
    train(rung.config, folder, training, held_out)
    seconds = time.perf_counter() - started
    model: Model = from_pretrained(folder / "model")
    if name in READINGS:
        assert isinstance(model, SphericalRegression)
        model = Answer(model, READINGS[name]).eval()
        fit_noise(model, held_out)
    measured = Quick(model) if isinstance(model, PointModel) else model
    record = {**measure(measured, test), "seconds": seconds}  # pyright: ignore[reportArgumentType]
    if isinstance(model, PointModel):
        record["noise"] = {key: float(value) for key, value in model.noise.state_dict().items()}
    write_json(target, record)
    print(name, seed, json.dumps(record["mean"]), flush=True)


if __name__ == "__main__":
    main()
