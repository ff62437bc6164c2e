"""One training run of surface normals and its folder, which is complete and resumes by the same command.

run/
  config.json       the whole NormalTrainConfig
  log.txt           what happened when
  metrics.jsonl     step, elapsed_s, loss, learning_rate, images_per_s and now and then val_loss, val_median_deg
  curve.png         the learning curve
  checkpoint.ckpt   Lightning checkpoint: weights, optimiser, step, elapsed time
  model/            the trained model (config.json, model.safetensors); written last, at the end of the budget
"""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch

import armillary
from armillary.data.atomic import naming_when_full
from armillary.data.normals import NormalBatch, NormalStore
from armillary.models.normal_regression import NormalRegression
from armillary.training.curve import draw_curve
from armillary.training.normals.config import BUDGETS, NormalTrainConfig
from armillary.training.run import write_log
from armillary.training.run_folder import check_folder, open_folder, read_checkpoint
from armillary.training.schedule import Budget

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
    from lightning.pytorch import Trainer

    from armillary.training.normals.feed import NormalFeedModule
    from armillary.training.normals.module import NormalModule
    from armillary.training.normals.monitor import NormalMonitor

    if store.size != config.model.size:
        raise ValueError(f"expected pictures of {config.model.size}, got {store.size}; make the store at that size")
    budget = config.budget()
    budget.started = budget.started if started is None else started
    # Nothing is written before the model is known to be buildable.
    check_folder(folder, config.to_json(), BUDGETS)
    training, held_out = _hold_out(store, config)
    torch.manual_seed(config.seed)
    model = config.model.build()
    open_folder(folder, config.to_json(), BUDGETS)
    checkpoint = folder / "checkpoint.ckpt"
    state = read_checkpoint(checkpoint)
    if state is not None and (folder / "model").exists() and _finished(budget, state):
        write_log(folder, f"already trained: {folder / 'model'}")
        return folder / "model"
    # Typed as a module call: only 4-D parameters take the format.
    model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    parameters = sum(p.numel() for p in model.parameters())
    what = "training" if state is None else "resuming"
    write_log(folder, f"{what}: {len(training)} pictures, {parameters:,} parameters")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision=config.precision,
        max_epochs=-1,
        gradient_clip_val=config.clip or None,
        callbacks=[NormalMonitor(folder, budget, config.log_every, held_out, stop_after)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    feed = NormalFeedModule(training, config.augmentation, config.batch_size, config.seed)
    with warnings.catch_warnings(), naming_when_full(folder):
        # Lightning's use of torch's pytree, theirs to mend.
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
        resumed = None if state is None else str(checkpoint)
        trainer.fit(NormalModule(model, config, budget), feed, ckpt_path=resumed, weights_only=True)
    draw_curve(folder / "metrics.jsonl", folder / "curve.png")
    if budget.fraction(trainer.global_step) < 1.0:
        write_log(folder, f"stopped at step {trainer.global_step}; the same command takes it up again")
        return folder / "model"
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


def _finished(budget: Budget, state: dict[str, Any]) -> bool:
    if budget.steps is not None:
        return state["global_step"] >= budget.steps
    assert budget.minutes is not None
    return state["armillary"]["elapsed_s"] >= 60.0 * budget.minutes


def _save(model: NormalRegression, folder: Path, config: NormalTrainConfig, pictures: int) -> None:
    metadata = {"trained_on": config.source, "pictures": pictures, "armillary": armillary.__version__}
    model.save_pretrained(folder, metadata)
