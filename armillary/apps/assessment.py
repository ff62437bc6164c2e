"""An evaluation from model to report: predictions.npz, metrics.json and report.html in one folder."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from armillary.apps.lookup import Lookup
from armillary.apps.plots.histogram import histogram_png
from armillary.apps.plots.sheet import Panel, sheet_png
from armillary.apps.report import Picture, write_report
from armillary.apps.sign_figures import sign_figures
from armillary.apps.viewpoint_figures import viewpoint_figures
from armillary.data import Batch, ImageStore, centre_crop
from armillary.data.record import write_json
from armillary.evaluation import (
    Predictions,
    error_metrics,
    errors,
    legacy_figures,
    mean_of,
    predict,
    rotation_error,
    same_header,
    summarise,
)
from armillary.models import Model, ViewpointRegression
from armillary.models.spherical_regression import SphericalRegression

# Views per forward pass: the exact normaliser's grid is the memory, not the pictures.
BATCH_SIZE = 32
# Views shown in each part of the report.
SHOWN = 6


@dataclass(frozen=True)
class Assessment:
    """What is evaluated and how it is told.

    Attributes:
        model: in eval mode.
        store: the views, framed as the model's training views were, in its categories.
        image_size: side of the pictures the model sees, pixels.
        model_digest: identifies the weights.
        title, lead, reproduce: of the report.
        curve: the learning curve as PNG bytes.
        lookup: the baseline's training pictures.
        details: further facts for the report.
        legacy: whether the metrics hold those of Spherical Regression before its correction, too.
    """

    model: Model
    store: ImageStore
    image_size: int
    model_digest: str
    title: str
    lead: str
    reproduce: str
    curve: bytes | None
    lookup: Lookup | None
    details: dict[str, str]
    legacy: bool = False

    def write(self, folder: Path) -> dict[str, Any]:
        """Predict (unless the folder holds the predictions), measure, write all three files; returns the metrics."""
        folder.mkdir(parents=True, exist_ok=True)
        predictions = self._predictions(folder / "predictions.npz")
        metrics = summarise(predictions)
        if self.lookup is not None:
            metrics["baseline"] = self._baseline(self.lookup)
        if self.legacy:
            metrics["legacy_sqrt2"] = legacy_figures(predictions)
        if isinstance(self.model, SphericalRegression | ViewpointRegression):
            metrics["signs"] = sign_figures(self.model, self._batches())
        if isinstance(self.model, ViewpointRegression):
            metrics["viewpoint_table"] = viewpoint_figures(folder, predictions, self.store.turns, self.legacy)
        write_json(folder / "metrics.json", metrics)
        write_report(
            folder / "report.html",
            self.title,
            self.lead,
            metrics,
            self._pictures(predictions),
            self.reproduce,
            self.details,
        )
        return metrics

    def _predictions(self, path: Path) -> Predictions:
        header = {
            "model": self.model_digest,
            "data": self.store.info.to_json(),
            "views": _digest(self.store),
            "settings": {"image_size": self.image_size, "seed": 0},
        }
        if same_header(path, header):
            return Predictions.load(path)
        predictions = predict(self.model, self._batches(), header)
        predictions.save(path)
        return predictions

    def _batches(self) -> Iterator[Batch]:
        starts = range(0, len(self.store), BATCH_SIZE)
        for start in tqdm(starts, desc="evaluating", unit="batch", delay=1.0):
            yield self._batch(torch.arange(start, min(start + BATCH_SIZE, len(self.store))))

    def _batch(self, index: Int[Tensor, " chosen"]) -> Batch:
        device = next(self.model.parameters()).device
        return centre_crop(self.store[index], self.image_size).to(device)

    def _baseline(self, lookup: Lookup) -> dict[str, Any]:
        answer = lookup.answer(centre_crop(self.store, self.image_size).images)
        figures = []
        for index, symmetry in enumerate(self.store.info.symmetries):
            chosen = self.store.category == index
            if chosen.any():
                figures.append(error_metrics(rotation_error(answer[chosen], self.store.rotations[chosen], symmetry)))
        return {"method": "label of the nearest training picture", **mean_of(figures)}

    def _pictures(self, predictions: Predictions) -> list[Picture]:
        error = torch.rad2deg(errors(predictions))
        categories = self.store.info.categories
        by_category = {
            name: error[predictions.category == index]
            for index, name in enumerate(categories)
            if (predictions.category == index).any()
        }
        # Ordered by log-likelihood: it sees a wrong shape of the distribution, which the error of the mode does not.
        order = predictions.log_prob.argsort(descending=True)
        middle = spread_over(len(order), SHOWN)
        pictures = [
            Picture("Errors", histogram_png(by_category)),
            self._sheet("Typical views", f"{TYPICAL} {READING}", predictions, error, order[middle]),
            self._sheet("Best views", "Highest log-likelihood.", predictions, error, order[:SHOWN]),
            self._sheet("Worst views", "Lowest log-likelihood.", predictions, error, order.flip(0)[:SHOWN]),
        ]
        if self.curve is not None:
            pictures.append(Picture("Learning curve", self.curve))
        return pictures

    def _sheet(self, title: str, note: str, predictions: Predictions, error: Tensor, chosen: Tensor) -> Picture:
        panels = [self._panel(int(index), predictions, error) for index in chosen]
        return Picture(title, sheet_png(panels), note)

    def _panel(self, index: int, predictions: Predictions, error: Float[Tensor, " views"]) -> Panel:
        batch = self._batch(torch.tensor([index]))
        with torch.no_grad():
            density = self.model(batch.images, batch.category)
        category = int(predictions.category[index])
        truths = self.store.info.symmetries[category].equivalents(self.store.rotations[index], steps=36)
        name = self.store.info.categories[category]
        caption = (
            f"{name} {predictions.names[index]}: error {error[index]:.1f}°, "
            f"spread {torch.rad2deg(predictions.spread[index]):.1f}°, ll {predictions.log_prob[index]:.1f}"
        )
        return Panel(batch.images[0], density, caption, truths)


TYPICAL = "Evenly spaced by log-likelihood, from the 10th to the 90th percentile."
READING = (
    "Left: what the model saw. Right: its distribution, drawn on the sphere in Mollweide projection: each disc is a "
    "rotation, placed where an axis of the object points, coloured by the tilt about that axis, its area in "
    "proportion to its probability. Rings: the true rotation and its equivalents under the object's symmetry."
)


def spread_over(count: int, shown: int) -> Int[Tensor, " shown"]:
    """Places from the 10th to the 90th percentile of ``count``, evenly spaced, each once.

    Example:
        >>> spread_over(101, 3)
        tensor([10, 50, 90])
    """
    return torch.linspace(0.1 * (count - 1), 0.9 * (count - 1), shown).round().long().unique()


def digest_file(path: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256."""
    with open(path, "rb") as file:
        return _sha256(file.read())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _digest(store: ImageStore) -> str:
    labels = store.rotations.numpy().tobytes() + "\n".join(store.names).encode() + store.images.numpy().tobytes()
    return f"{len(store)} views, {_sha256(labels)}"
