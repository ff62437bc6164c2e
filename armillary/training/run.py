"""One training run and its folder, which is complete and resumes by the same command.

run/
  config.json       the whole TrainConfig
  environment.json  versions, git commit, machine
  log.txt           what happened when
  metrics.jsonl     step, elapsed_s, loss, learning_rate, images_per_s and now and then val_loss
  tensorboard/      the same for TensorBoard
  curve.png         the learning curve
  checkpoint.ckpt   Lightning checkpoint: weights, optimiser, step, elapsed time, random state
  model/            the trained model (config.json, model.safetensors); written last, at the end of the budget
"""

import json
import logging
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from tqdm import tqdm

import armillary
from armillary.data import Batch, ImageStore, centre_crop
from armillary.data.atomic import naming_when_full
from armillary.data.record import write_json
from armillary.models import Model, PointModel
from armillary.training.config import TrainConfig, config_from_json, config_to_json
from armillary.training.curve import draw_curve
from armillary.training.noise import MOST_VIEWS, fit_noise
from armillary.training.schedule import Budget

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
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EMAWeightAveraging

    from armillary.training.feed import FeedModule
    from armillary.training.initialisation import build_model
    from armillary.training.module import DensityModule
    from armillary.training.monitor import Monitor

    check_categories(config, store)
    views = len(store) if among is None else len(among)
    budget = config.budget(views)
    budget.started = budget.started if started is None else started
    _open_folder(folder, config)
    checkpoint = folder / "checkpoint.ckpt"
    state = _read_checkpoint(checkpoint)
    if state is not None and (folder / "model").exists() and _finished(budget, state):
        write_log(folder, f"already trained: {folder / 'model'}")
        return folder / "model"
    torch.manual_seed(config.seed)
    model = build_model(config.model)
    if config.channels_last:
        # Typed as a module call: only 4-D parameters take the format.
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    parameters = sum(p.numel() for p in model.parameters())
    write_log(folder, f"{'training' if state is None else 'resuming'}: {views} views, {parameters:,} parameters")
    module = DensityModule(model, config, budget)
    monitor = Monitor(folder, budget, config.log_every, _validation_batch(held_out, config), stop_after)
    _quiet_lightning()
    trainer = Trainer(
        accelerator="auto",
        devices=config.devices,
        precision=config.precision,
        max_epochs=-1,
        gradient_clip_val=config.clip or None,
        callbacks=[monitor] if config.ema == 0.0 else [EMAWeightAveraging(decay=config.ema), monitor],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    options = config.seed, config.channels_last, config.equivalent_labels, among
    feed = FeedModule(store, config.augmentation, config.batch_size, *options)
    # Tails of a sharp density are denormal floats, on which CPUs are two to seven times slower.
    torch.set_flush_denormal(True)
    try:
        with warnings.catch_warnings(), naming_when_full(folder):
            # Lightning's use of torch's pytree, theirs to mend.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            trainer.fit(module, feed, ckpt_path=None if state is None else str(checkpoint), weights_only=True)
    finally:
        torch.set_flush_denormal(False)
    if trainer.is_global_zero:
        draw_curve(folder / "metrics.jsonl", folder / "curve.png")
    if budget.fraction(trainer.global_step) < 1.0:
        write_log(folder, f"stopped at step {trainer.global_step}; the same command takes it up again")
        return folder / "model"
    if trainer.is_global_zero:
        if isinstance(model, PointModel):
            write_log(folder, _fit_noise(model, held_out, store, among))
        save_model(model, folder / "model", store, config, views)
        seconds = budget.elapsed()
        write_log(folder, f"trained {trainer.global_step} steps in {seconds:.0f} s: {folder / 'model'}")
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


def write_log(folder: Path, line: str) -> None:
    """Add a line to log.txt, and show it without disturbing a progress bar."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    path = folder / "log.txt"
    with naming_when_full(path), open(path, "a", encoding="utf-8") as file:
        file.write(f"{stamp} {line}\n")
    tqdm.write(line, file=sys.stderr)


def read_config(folder: Path) -> TrainConfig:
    """The configuration of a run folder."""
    path = folder / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; expected a run folder, as `armillary train --out` makes it")
    try:
        return config_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the configuration of a run, got {error!r}; restore the file") from None


def _open_folder(folder: Path, config: TrainConfig) -> None:
    if (folder / "config.json").exists():
        before = read_config(folder)
        record, earlier = config_to_json(config), config_to_json(before)
        different = [key for key in record if record[key] != earlier.get(key) and key not in BUDGETS]
        if different:
            raise ValueError(
                f"{folder}: holds a run with another {', '.join(different)}; "
                "give its own options to resume it, or another --out to train anew"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected an empty folder or a run, got other files; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config_to_json(config))
    write_json(folder / "environment.json", _environment())


def _read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint of a run that was begun before."""
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler fails on damage in many ways of its own
        raise ValueError(
            f"{path}: expected a checkpoint, got a damaged file; delete the run folder and train again"
        ) from error


def _finished(budget: Budget, state: dict[str, Any]) -> bool:
    if budget.steps is not None:
        return state["global_step"] >= budget.steps
    assert budget.minutes is not None
    return state["armillary"]["elapsed_s"] >= 60.0 * budget.minutes


def _validation_batch(held_out: ImageStore | None, config: TrainConfig) -> Batch | None:
    if held_out is None:
        return None
    stride = max(1, -(-len(held_out) // VALIDATION_VIEWS))
    return centre_crop(held_out[slice(0, len(held_out), stride)], config.augmentation.size)


def _environment() -> dict[str, Any]:
    return {
        "armillary": armillary.__version__,
        "git_commit": _git_commit(),
        "command": sys.argv,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _quiet_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
