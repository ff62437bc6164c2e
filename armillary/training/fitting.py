"""The fit of a run: Lightning's trainer with the one callback `Monitor`, taken up from the folder's checkpoint."""

import logging
import warnings

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging

from armillary.data.atomic import naming_when_full
from armillary.training.curve import draw_curve
from armillary.training.monitor import Monitor
from armillary.training.run_folder import CHECKPOINT, write_log


def fit(
    module: LightningModule,
    feed: LightningDataModule,
    monitor: Monitor,
    precision: str = "32-true",
    clip: float = 0.0,
    devices: int = 1,
    ema: float = 0.0,
) -> tuple[Trainer, bool]:
    """Train until the monitor stops it; returns the trainer and whether the budget is used up.

    Args:
        module: what is optimised.
        feed: batches without end, which depend on the step alone.
        monitor: holds the folder and the budget.
        precision: arithmetic of the encoder, by Lightning's name.
        clip: largest norm of the gradient; 0: any.
        devices: processes that share a step.
        ema: decay of averaged weights per step; 0: none.
    """
    folder = monitor.folder
    callbacks: list[Callback] = [] if ema == 0.0 else [EMAWeightAveraging(decay=ema)]
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    trainer = Trainer(
        accelerator="auto",
        devices=devices,
        precision=precision,  # pyright: ignore[reportArgumentType] - its literals are not public
        max_epochs=-1,
        gradient_clip_val=clip or None,
        callbacks=[*callbacks, monitor],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    resumed = folder / CHECKPOINT
    # Tails of a sharp density are denormal floats, on which CPUs are two to seven times slower.
    torch.set_flush_denormal(True)
    try:
        with warnings.catch_warnings(), naming_when_full(folder):
            # Lightning's use of torch's pytree, theirs to mend.
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*", category=FutureWarning)
            trainer.fit(module, feed, ckpt_path=str(resumed) if resumed.exists() else None, weights_only=True)
    finally:
        torch.set_flush_denormal(False)
    if trainer.is_global_zero:
        draw_curve(folder / "metrics.jsonl", folder / "curve.png")
    used = monitor.budget.fraction(trainer.global_step) >= 1.0
    if not used:
        write_log(folder, f"stopped at step {trainer.global_step}; the same command takes it up again")
    return trainer, used
