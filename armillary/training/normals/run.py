"""One training run of surface normals: from a configuration and pictures to a run folder with a model."""

from functools import partial
from pathlib import Path

import torch

import armillary
from armillary.data.normals import NormalBatch, NormalStore
from armillary.models.normal_regression import NormalRegression
from armillary.training.normals.config import BUDGETS, NormalTrainConfig
from armillary.training.run_folder import check_folder, is_trained, open_folder, read_checkpoint, write_log

# Held-out pictures looked at in one validation.
VALIDATION_PICTURES = 64


def train_normals(
    config: NormalTrainConfig,
    folder: Path,
    store: NormalStore,
    started: float | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train a model, or take up a run where it stopped; returns the folder of the trained model.

    Args:
        config: everything the result depends on beside the data.
        folder: the run folder; one that holds a run of the same configuration is resumed.
        store: the pictures, of the model's size; a part of them is held out.
        started: `time.perf_counter()` at which the budget began to be used, by default now.
        stop_after: stop after so many steps although the budget is not used up.
    """
    from armillary.training.fitting import fit
    from armillary.training.monitor import Monitor
    from armillary.training.normals.feed import NormalFeedModule
    from armillary.training.normals.module import NormalModule
    from armillary.training.normals.validation import held_out_figures

    if store.size != config.model.size:
        raise ValueError(f"expected pictures of {config.model.size}, got {store.size}; make the store at that size")
    budget = config.budget()
    budget.started = budget.started if started is None else started
    check_folder(folder, config.to_json(), BUDGETS)
    training, held_out = _hold_out(store, config)
    state = read_checkpoint(folder)
    if is_trained(folder, state, budget):
        write_log(folder, f"already trained: {folder / 'model'}")
        return folder / "model"
    torch.manual_seed(config.seed)
    # Typed as a module call: only 4-D parameters take the format.
    model = config.model.build().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    # Nothing is written before the model is known to be buildable.
    open_folder(folder, config.to_json())
    parameters = sum(p.numel() for p in model.parameters())
    what = "training" if state is None else "resuming"
    write_log(folder, f"{what}: {len(training)} pictures, {parameters:,} parameters")
    validate = None if held_out is None else partial(held_out_figures, model, held_out)
    monitor = Monitor(folder, budget, config.log_every, validate, "normals", stop_after)
    feed = NormalFeedModule(training, config.augmentation, config.batch_size, config.seed)
    trainer, used = fit(NormalModule(model, config, budget), feed, monitor, config.precision, config.clip)
    if used:
        _save(model, folder / "model", config, len(training))
        write_log(folder, f"trained {trainer.global_step} steps in {budget.elapsed():.0f} s: {folder / 'model'}")
    return folder / "model"


def _hold_out(store: NormalStore, config: NormalTrainConfig) -> tuple[NormalStore, NormalBatch | None]:
    held = round(len(store) * config.validation)
    if len(store) - held < 1:
        raise ValueError(f"expected pictures to train on, got {len(store)} with {held} held out; set --validation 0")
    order = torch.randperm(len(store), generator=torch.Generator().manual_seed(config.seed))
    if held == 0:
        return store, None
    return store.part(order[held:].sort().values), store[order[:held].sort().values[:VALIDATION_PICTURES]]


def _save(model: NormalRegression, folder: Path, config: NormalTrainConfig, pictures: int) -> None:
    metadata = {"trained_on": config.source, "pictures": pictures, "armillary": armillary.__version__}
    model.save_pretrained(folder, metadata)
