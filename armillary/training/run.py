"""One training run: from a configuration and crops to a run folder with a model; the same command resumes it."""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from armillary.data import Batch, ImageStore, centre_crop
from armillary.models import Model, PointModel
from armillary.training.config import TrainConfig, config_from_json, config_to_json
from armillary.training.noise import MOST_VIEWS, fit_noise
from armillary.training.run_folder import (
    check_folder,
    is_trained,
    open_folder,
    read_checkpoint,
    read_config_record,
    write_log,
)

# Held-out views looked at in one validation: enough for 0.05 nats, cheap beside a tenth of a run.
VALIDATION_VIEWS = 256
# A run may be given more of these.
BUDGETS = ("minutes", "steps", "epochs")


def train(
    config: TrainConfig,
    folder: Path,
    store: ImageStore,
    held_out: ImageStore | None = None,
    started: float | None = None,
    stop_after: int | None = None,
    among: Int[Tensor, " places"] | None = None,
) -> Path:
    """Train a model, or take up a run where it stopped; returns the folder of the trained model.

    Args:
        config: everything the result depends on beside the data.
        folder: the run folder; one that holds a run of the same configuration is resumed.
        store: the crops to train on.
        held_out: views for the validation loss.
        started: `time.perf_counter()` at which the budget began to be used, by default now.
        stop_after: stop after so many steps although the budget is not used up.
        among: places in the store of the views to train on; all of them by default.
    """
    from armillary.training.feed import FeedModule
    from armillary.training.fitting import fit
    from armillary.training.initialisation import build_model
    from armillary.training.module import DensityModule
    from armillary.training.monitor import Monitor
    from armillary.training.validation import held_out_loss

    check_categories(config, store)
    views = len(store) if among is None else len(among)
    budget = config.budget(views)
    budget.started = budget.started if started is None else started
    check_folder(folder, config_to_json(config), BUDGETS, lambda record: config_to_json(config_from_json(record)))
    state = read_checkpoint(folder)
    if is_trained(folder, state, budget):
        write_log(folder, f"already trained: {folder / 'model'}")
        return folder / "model"
    torch.manual_seed(config.seed)
    model = build_model(config.model, config.encoder_of)
    if config.channels_last:
        # Typed as a module call: only 4-D parameters take the format.
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    # Nothing is written before the model is known to be buildable.
    open_folder(folder, config_to_json(config))
    parameters = sum(p.numel() for p in model.parameters())
    write_log(folder, f"{'training' if state is None else 'resuming'}: {views} views, {parameters:,} parameters")
    seen = _validation_batch(held_out, config)
    validate = None if seen is None else partial(held_out_loss, model, seen, config)
    objective = "spherical" if config.loss == "spherical" else ""
    monitor = Monitor(folder, budget, config.log_every, validate, objective, stop_after)
    options = config.seed, config.channels_last, config.equivalent_labels, among
    feed = FeedModule(store, config.augmentation, config.batch_size, *options)
    module = DensityModule(model, config, budget)
    trainer, used = fit(module, feed, monitor, config.precision, config.clip, config.devices, config.ema)
    if used and trainer.is_global_zero:
        if isinstance(model, PointModel):
            write_log(folder, _fit_noise(model, held_out, store, among))
        save_model(model, folder / "model", store, config, views)
        write_log(folder, f"trained {trainer.global_step} steps in {budget.elapsed():.0f} s: {folder / 'model'}")
    return folder / "model"


def _fit_noise(
    model: PointModel, held_out: ImageStore | None, store: ImageStore, among: Int[Tensor, " places"] | None
) -> str:
    """Fit the noise on held-out views, else on those of the training; returns a line that says what was found."""
    if held_out is None:
        held_out = store if among is None else store[among[:: max(1, len(among) // MOST_VIEWS)]]
        told = "no views are held out: the noise is that of the training views, too small for new ones; "
    else:
        told = ""
    fit_noise(model, held_out)
    return f"{told}{model.noise}"


def check_categories(config: TrainConfig, store: ImageStore) -> None:
    """ValueError when the model is told of another number of categories than the data has."""
    told, names = config.model.categories, store.info.categories
    if told not in (0, len(names)):
        raise ValueError(
            f"data set {store.info.name}: expected {told} categories, which the model is told, got {len(names)} "
            f"({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}); set --categories {len(names)}, or 0"
        )


def save_model(model: Model, folder: Path, store: ImageStore, config: TrainConfig, views: int) -> None:
    """Write the trained model with what a program needs to feed it: picture size, margin, categories, symmetries."""
    metadata = {
        "image_size": config.augmentation.size,
        "margin": store.margin,
        "store_size": store.size,
        "data": store.info.to_json(),
        "trained_on": config.source,
        "views": views,
    }
    model.save_pretrained(folder, metadata)


def read_config(folder: Path) -> TrainConfig:
    """The configuration of a run folder."""
    path = folder / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; expected a run folder, as `armillary train --out` makes it")
    try:
        return config_from_json(read_config_record(path))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the configuration of a run, got {error!r}; restore the file") from None


def _validation_batch(held_out: ImageStore | None, config: TrainConfig) -> Batch | None:
    if held_out is None:
        return None
    stride = max(1, -(-len(held_out) // VALIDATION_VIEWS))
    return centre_crop(held_out[slice(0, len(held_out), stride)], config.augmentation.size)
