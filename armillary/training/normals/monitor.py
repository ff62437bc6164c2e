"""The Lightning callback of a run of normals: progress, metrics.jsonl, sparse validation, checkpoints, the end."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from tqdm import tqdm

from armillary.data.normals import NormalBatch
from armillary.models.normal_regression import NormalRegression
from armillary.training.monitor import BAR_SECONDS, CHECKPOINT_SECONDS, VALIDATIONS, save_checkpoint
from armillary.training.normals.module import NormalModule
from armillary.training.schedule import Budget


class NormalMonitor(Callback):
    """Writes what a run leaves behind and stops it when its budget is used.

    Args:
        folder: the run folder.
        budget: shared with the module; its elapsed time is saved in the checkpoint.
        log_every: steps between two records.
        held_out: pictures for the validation, or None.
        stop_after: end this call after so many steps although the budget is not used (the next call resumes).
    """

    def __init__(
        self,
        folder: Path,
        budget: Budget,
        log_every: int,
        held_out: NormalBatch | None = None,
        stop_after: int | None = None,
    ) -> None:
        self.folder, self.budget, self.log_every = folder, budget, log_every
        self.held_out, self.stop_after = held_out, stop_after
        self.losses: list[torch.Tensor] = []
        self.images = self.validations_done = 0
        self.bar: tqdm | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self.saved = self.logged = self.shown = time.perf_counter()
        unit = "step" if self.budget.steps is not None else "s"
        total = self.budget.steps or 60.0 * (self.budget.minutes or 0.0)
        self.bar = tqdm(total=round(total), unit=unit, desc="training")
        self._advance_bar(trainer.global_step, None)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: NormalBatch, batch_idx: int
    ) -> None:
        """Count; every now and then record, validate, save; stop at the end of the budget."""
        assert isinstance(outputs, Mapping) and isinstance(pl_module, NormalModule)
        self.losses.append(outputs["loss"].detach())
        self.images += len(batch.images)
        step = trainer.global_step
        fraction = self.budget.fraction(step)
        finished = fraction >= 1.0
        paused = self.stop_after is not None and step >= self.stop_after
        if finished or paused or len(self.losses) >= self.log_every:
            due = finished or fraction * VALIDATIONS >= self.validations_done + 1
            self._record(trainer, pl_module, validate=due and not paused)
        elif time.perf_counter() - self.shown > BAR_SECONDS:
            self._advance_bar(step, None)
        if finished or paused:
            trainer.should_stop = True
        if finished or paused or time.perf_counter() - self.saved > CHECKPOINT_SECONDS:
            save_checkpoint(trainer, self.folder / "checkpoint.ckpt")
            self.saved = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the bar's line, so that the error begins its own."""
        if self.bar is not None:
            self.bar.close()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the elapsed time; random numbers depend on the step alone."""
        checkpoint["armillary"] = {"elapsed_s": self.budget.elapsed(), "validations_done": self.validations_done}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take the elapsed time from the checkpoint."""
        self.budget.elapsed_before = checkpoint["armillary"]["elapsed_s"]
        self.validations_done = checkpoint["armillary"]["validations_done"]

    def _record(self, trainer: Trainer, module: NormalModule, validate: bool) -> None:
        step = trainer.global_step
        loss = torch.stack(self.losses).float().mean().item()
        if not math.isfinite(loss):
            raise ValueError(
                f"{self.folder}: the loss became {loss} before step {step}; "
                "delete the folder and train again with half the --learning-rate"
            )
        record: dict[str, Any] = {
            "step": step,
            "elapsed_s": round(self.budget.elapsed(), 3),
            "loss": loss,
            "objective": "normals",
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_s": round(self.images / max(time.perf_counter() - self.logged, 1e-9), 1),
        }
        if validate and self.held_out is not None:
            record["val_loss"], record["val_median_deg"] = held_out_figures(module.model, self.held_out)
            self.validations_done = math.floor(self.budget.fraction(step) * VALIDATIONS)
        self.losses.clear()
        self.images, self.logged = 0, time.perf_counter()
        with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._advance_bar(step, record)

    def _advance_bar(self, step: int, record: dict[str, Any] | None) -> None:
        assert self.bar is not None
        self.bar.n = step if self.budget.steps is not None else min(round(self.budget.elapsed()), self.bar.total)
        if record is not None:
            self.bar.set_postfix(step=step, loss=f"{record['loss']:.3f}", refresh=False)
        self.bar.refresh()
        self.shown = time.perf_counter()


def held_out_figures(model: NormalRegression, held_out: NormalBatch) -> tuple[float, float]:
    """Loss and median angle (degrees) of held-out pictures in eval mode; the training mode stays."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        prediction = model(held_out.images.to(device))
        loss = prediction.loss(held_out.normals.to(device), held_out.mask.to(device)).item()
        cosine = (prediction.normals().cpu() * held_out.normals).sum(1)[held_out.mask]
    model.train(was_training)
    return loss, math.degrees(cosine.clamp(-1, 1).acos().median().item())
