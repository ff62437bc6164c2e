"""The one Lightning callback of a run: progress, metrics.jsonl, TensorBoard, sparse validation, checkpoints, the end.

Nothing here runs per step but a counter and a clock; a record is written each ``log_every`` steps, validation happens
ten times in a run, and a checkpoint each minute.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from armillary.data.atomic import replacing
from armillary.training.run_folder import CHECKPOINT
from armillary.training.schedule import Budget

CHECKPOINT_SECONDS = 60.0
BAR_SECONDS = 1.0
VALIDATIONS = 10


class Monitor(Callback):
    """Writes what a run leaves behind and stops it when its budget is used.

    Args:
        folder: the run folder.
        budget: shared with the module; its elapsed time is saved in the checkpoint.
        log_every: steps between two records.
        validate: figures of held-out data by name, or None without a validation split.
        objective: what the loss is, where it is no negative log-likelihood.
        stop_after: end this call after so many steps although the budget is not used (the next call resumes).
    """

    def __init__(
        self,
        folder: Path,
        budget: Budget,
        log_every: int,
        validate: Callable[[], Mapping[str, float]] | None = None,
        objective: str = "",
        stop_after: int | None = None,
    ) -> None:
        self.folder, self.budget, self.log_every = folder, budget, log_every
        self.validate, self.objective, self.stop_after = validate, objective, stop_after
        self.losses: list[torch.Tensor] = []
        self.images = 0
        self.validations_done = 0
        self.random_state: dict[str, Any] | None = None
        self.bar: tqdm | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the log and take up the random state of the checkpoint."""
        if self.random_state is not None:
            _set_random_state(self.random_state)
        self.saved = self.logged = self.shown = time.perf_counter()
        self.writer = SummaryWriter(str(self.folder / "tensorboard")) if trainer.is_global_zero else None
        unit = "step" if self.budget.steps is not None else "s"
        total = self.budget.steps or 60.0 * (self.budget.minutes or 0.0)
        self.bar = tqdm(total=round(total), unit=unit, desc="training", disable=not trainer.is_global_zero)
        self._advance_bar(trainer.global_step, None)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Sized,
        batch_idx: int,
    ) -> None:
        """Count; every now and then record, validate, save; stop at the end of the budget."""
        assert isinstance(outputs, Mapping)
        self.losses.append(outputs["loss"].detach())
        self.images += len(batch)
        step = trainer.global_step
        fraction = self.budget.fraction(step)
        finished = fraction >= 1.0
        paused = self.stop_after is not None and step >= self.stop_after
        if finished or paused or len(self.losses) >= self.log_every:
            due = finished or fraction * VALIDATIONS >= self.validations_done + 1
            self._record(trainer, validate=due and not paused)
        elif time.perf_counter() - self.shown > BAR_SECONDS:
            self._advance_bar(step, None)
        if finished or paused:
            trainer.should_stop = True
        if finished or paused or time.perf_counter() - self.saved > CHECKPOINT_SECONDS:
            save_checkpoint(trainer, self.folder / CHECKPOINT)
            self.saved = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the log."""
        if self.bar is not None:
            self.bar.close()
        if self.writer is not None:
            self.writer.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the bar's line, so that the error begins its own."""
        if self.bar is not None:
            self.bar.close()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add elapsed time and random state to the checkpoint."""
        checkpoint["armillary"] = {
            "elapsed_s": self.budget.elapsed(),
            "validations_done": self.validations_done,
            "random_state": _random_state(),
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take elapsed time and random state from the checkpoint."""
        state = checkpoint["armillary"]
        self.budget.elapsed_before = state["elapsed_s"]
        self.validations_done = state["validations_done"]
        self.random_state = state["random_state"]

    def _record(self, trainer: Trainer, validate: bool) -> None:
        step = trainer.global_step
        loss = torch.stack(self.losses).float().mean().item()
        if not math.isfinite(loss):
            raise ValueError(
                f"{self.folder}: the loss became {loss} before step {step}; "
                "delete the folder and train again with half the --learning-rate"
            )
        now = time.perf_counter()
        record: dict[str, Any] = {
            "step": step,
            "elapsed_s": round(self.budget.elapsed(), 3),
            "loss": loss,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_s": round(self.images / max(now - self.logged, 1e-9), 1),
        }
        if self.objective:
            record["objective"] = self.objective
        if validate and self.validate is not None:
            record |= self.validate()
            self.validations_done = math.floor(self.budget.fraction(step) * VALIDATIONS)
        self.losses.clear()
        self.images, self.logged = 0, time.perf_counter()
        if not trainer.is_global_zero:
            return
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if self.writer is not None:
            for name, value in record.items():
                if name not in ("step", "elapsed_s", "objective"):
                    self.writer.add_scalar(name, value, step)
        self._advance_bar(step, record)

    def _advance_bar(self, step: int, record: dict[str, Any] | None) -> None:
        assert self.bar is not None
        self.bar.n = step if self.budget.steps is not None else min(round(self.budget.elapsed()), self.bar.total)
        if record is not None:
            self.bar.set_postfix(step=step, loss=f"{record['loss']:.2f}", refresh=False)
        self.bar.refresh()
        self.shown = time.perf_counter()


def save_checkpoint(trainer: Trainer, path: Path) -> None:
    """Write a Lightning checkpoint whole or not at all."""
    if not trainer.is_global_zero:
        # Writes nothing, but the first process waits for its part.
        trainer.save_checkpoint(path)
        return
    with replacing(path) as temporary:
        trainer.save_checkpoint(temporary)


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])
