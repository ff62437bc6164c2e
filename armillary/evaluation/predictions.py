"""Stage one of an evaluation: what a model says about each view, in one ``predictions.npz``.

| array | shape | what |
|---|---|---|
| names, category | (n,) | which view, of which category |
| truth, mode | (n, 3, 3) | labelled rotation, most probable rotation |
| modes, mass | (n, k, 3, 3), (n, k) | the k highest peaks and the probability each holds |
| log_prob | (n,) | log-density at the truth, Haar-normalised (uniform = 0) |
| entropy | (n,) | differential entropy in the same measure (uniform = 0) |
| spread | (n,) | mean angular deviation to the nearest equivalent truth, radians |
| threshold_90 | (n,) | log-density that bounds the 90 % credible region |
| header | () | JSON: model, data set with symmetries, settings |

A file belongs to one model, one data set and one set of settings; anything else is refused, never mixed.
"""

import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.data.record import read_npz
from armillary.data.sample import Batch, DatasetInfo
from armillary.distributions import SO3Distribution
from armillary.evaluation.metrics import spread

SPREAD_SAMPLES = 128

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Predictions:
    """What a model said about each view of a data set."""

    names: tuple[str, ...]
    category: Int[Tensor, " views"]
    truth: Float[Tensor, "views 3 3"]
    mode: Float[Tensor, "views 3 3"]
    modes: Float[Tensor, "views k 3 3"]
    mass: Float[Tensor, "views k"]
    log_prob: Float[Tensor, " views"]
    entropy: Float[Tensor, " views"]
    spread: Float[Tensor, " views"]
    threshold_90: Float[Tensor, " views"]
    # Model, data set and settings: {"model": ..., "data": DatasetInfo.to_json(), "settings": ...}.
    header: dict

    @property
    def info(self) -> DatasetInfo:
        """Categories and symmetries of the data set."""
        return DatasetInfo.from_json(self.header["data"])

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        arrays = {"names": np.array(self.names, dtype=np.str_), "header": np.array(json.dumps(self.header))}
        for name in TENSORS:
            arrays[name] = getattr(self, name).cpu().numpy()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read a file written by `save`."""
        remedy = "delete it and evaluate again"
        arrays = read_npz(path, ("names", "header", *TENSORS), remedy)
        try:
            header = json.loads(str(arrays["header"]))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: expected a header in JSON, got '{error}'; {remedy}") from None
        tensors = {name: torch.from_numpy(arrays[name]) for name in TENSORS}
        return cls(names=tuple(arrays["names"].tolist()), header=header, **tensors)


TENSORS = tuple(field.name for field in fields(Predictions) if field.name not in ("names", "header"))


def predict(
    model: Callable[[Tensor, Tensor], SO3Distribution],
    batches: Iterable[Batch],
    header: dict,
    modes: int = 4,
    seed: int = 0,
) -> Predictions:
    """Run a model over a data set.

    Args:
        model: maps images and categories to a distribution; in eval mode, on the device of the batches.
        batches: the views, in order.
        header: model, data set (``DatasetInfo.to_json()`` under "data") and settings.
        modes: how many peaks to keep per view.
        seed: of the samples behind `spread`.
    """
    info = DatasetInfo.from_json(header["data"])

    def describe(batch: Batch) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        with torch.no_grad():
            described = _describe(model(batch.images, batch.category), batch, info, modes, seed)
        return {name: value.cpu() for name, value in described.items()}, batch.names

    parts: list[dict[str, Tensor]] = []
    names: list[str] = []
    for described, own_names in _in_threads(describe, batches):
        parts.append(described)
        names += own_names or [str(len(names) + i) for i in range(len(described["truth"]))]
    if not parts:
        raise ValueError(f"{info.name}: expected at least one view, got none; check the split")
    joined = {name: torch.cat([part[name] for part in parts]) for name in TENSORS}
    return Predictions(names=tuple(names), header=header, **joined)


def _in_threads(work: Callable[[Batch], Answer], batches: Iterable[Batch]) -> Iterator[Answer]:
    """Answers in order, one thread for each core: a density's few nodes are too little work to share within one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            waiting: deque[Future[Answer]] = deque()
            for batch in batches:
                waiting.append(pool.submit(work, batch))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        torch.set_num_threads(threads)


def _describe(density: SO3Distribution, batch: Batch, info: DatasetInfo, modes: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator(batch.images.device).manual_seed(seed)
    peaks = density.modes(modes)
    samples = density.sample(torch.Size((SPREAD_SAMPLES,)), generator=generator)
    deviation = torch.zeros(len(batch.images), dtype=samples.dtype, device=samples.device)
    for category, symmetry in enumerate(info.symmetries):
        chosen = batch.category == category
        if chosen.any():
            deviation[chosen] = spread(samples[:, chosen], batch.rotations[chosen].to(samples.dtype), symmetry)
    return {
        "category": batch.category,
        "truth": batch.rotations,
        "mode": peaks.rotation[:, 0],
        "modes": peaks.rotation,
        "mass": peaks.mass,
        "log_prob": density.log_prob(batch.rotations),
        "entropy": density.entropy(),
        "spread": deviation,
        "threshold_90": density.credible_region(0.9).threshold,
    }


def same_header(path: Path, header: dict) -> bool:
    """Whether an existing predictions file answers the same question; another one's file is refused.

    Returns:
        False without a file, True for a file with this header.

    Raises:
        ValueError: the file was made by another model, from other data or with other settings.
    """
    if not path.exists():
        return False
    found = Predictions.load(path).header
    different = [key for key in sorted({*found, *header}) if found.get(key) != header.get(key)]
    if different:
        raise ValueError(
            f"{path}: holds predictions of another {' and '.join(different)}; "
            "choose another --out or delete the file, predictions are never mixed"
        )
    return True
