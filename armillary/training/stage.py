"""One stage of a training: something drawn at random, a loss of it, a network that lowers it. What step k draws depends
on the seed and on k alone, so a resumed run continues.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from jaxtyping import Float
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn

from armillary.training.fitting import fit
from armillary.training.monitor import Monitor
from armillary.training.optimiser import parameter_groups, set_learning_rate
from armillary.training.randomness import step_generator
from armillary.training.run_folder import check_folder, is_trained, open_folder, read_checkpoint, write_log
from armillary.training.schedule import Budget, warmup_cosine

BUDGETS = ("minutes", "steps")
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class StageConfig:
    """How a stage is optimised.

    Example:
        >>> StageConfig(steps=10).budget().fraction(5)
        0.5
    """

    # Minutes to train; the schedule ends on time on any machine.
    minutes: float | None = None
    # Steps to train, instead of minutes.
    steps: int | None = None
    # Samples of a step.
    batch_size: int = 64
    # Peak learning rate of AdamW; a cosine takes it to zero.
    learning_rate: float = 2e-3
    # Weight decay of filters.
    weight_decay: float = 1e-2
    # Steps of linear warm-up.
    warmup_steps: int = 100
    # Largest norm of the gradient; longer ones are shortened to it; 0: any.
    clip: float = 1.0
    # Seed of the weights and of what is drawn.
    seed: int = 0
    # Arithmetic of image networks; what is on the sphere is always in 32 bits.
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    # Steps between two lines of metrics.jsonl.
    log_every: int = 100

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.learning_rate <= 0.0 or self.log_every < 1:
            raise ValueError(
                "expected batch_size of 2 or more, learning_rate and log_every above zero, got "
                f"{self.batch_size}, {self.learning_rate} and {self.log_every}; correct the options"
            )

    def budget(self) -> Budget:
        """How long to train."""
        return Budget(self.steps, self.minutes)


@dataclass(frozen=True)
class Draw:
    """What a step draws: tensors of one length."""

    tensors: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.tensors[0])

    def to(self, device: torch.device) -> "Draw":
        """The same on a device."""
        return Draw(tuple(tensor.to(device) for tensor in self.tensors))


class Stage(ABC, Generic[Network]):
    """What is drawn, what it costs, and what is kept.

    Attributes:
        name: Of the stage's folder.
        network: What is trained.
    """

    name: str
    network: Network

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Draw:
        """So many samples at random."""

    @abstractmethod
    def loss(self, draw: Draw) -> Float[Tensor, ""]:
        """Mean loss of what was drawn, on the network's device."""

    @abstractmethod
    def figures(self) -> Mapping[str, float]:
        """How the network does on held-out samples, by name; the network is in eval mode, without gradients."""

    @abstractmethod
    def save(self, folder: Path, metadata: dict[str, Any]) -> None:
        """Write the trained network."""


class _Module(LightningModule):
    def __init__(self, stage: Stage[Any], config: StageConfig, budget: Budget) -> None:
        super().__init__()
        self.network, self.stage, self.config, self.budget = stage.network, stage, config, budget

    def training_step(self, batch: Draw, batch_index: int) -> Float[Tensor, ""]:
        """The loss of a draw."""
        return self.stage.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        groups = parameter_groups(self.network, self.config.weight_decay)
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def on_train_batch_start(self, batch: Draw, batch_index: int) -> None:
        """Set the learning rate from the used part of the budget."""
        step = self.trainer.global_step
        factor = warmup_cosine(step, self.budget.fraction(step), self.config.warmup_steps)
        set_learning_rate(self.trainer, self.config.learning_rate * factor)


class _Feed(LightningDataModule):
    def __init__(self, stage: Stage[Any], config: StageConfig) -> None:
        super().__init__()
        self.stage, self.config = stage, config

    def train_dataloader(self) -> "_Draws":
        """Draws from the step the trainer resumes at."""
        assert self.trainer is not None
        return _Draws(self.stage, self.config, self.trainer.global_step)

    def transfer_batch_to_device(self, batch: Draw, device: torch.device, dataloader_idx: int) -> Draw:
        """The draw on the trainer's device."""
        return batch.to(device)


class _Draws:
    def __init__(self, stage: Stage[Any], config: StageConfig, first_step: int) -> None:
        self.stage, self.config, self.first_step = stage, config, first_step

    def __iter__(self) -> Iterator[Draw]:
        step = self.first_step
        while True:
            yield self.stage.draw(self.config.batch_size, step_generator(self.config.seed, step))
            step += 1


def run_stage(
    make: Callable[[], Stage[Any]],
    config: StageConfig,
    folder: Path,
    settings: Mapping[str, Any],
    stop_after: int | None = None,
) -> bool:
    """Train a stage in its run folder, or take it up where it stopped; whether it is done.

    Args:
        make: makes what is trained, its network first, for whose weights the seed is set; not called if all is done.
        config: how.
        folder: its run folder.
        settings: everything else the result depends on beside the data, as JSON values; saved with the model too.
        stop_after: stop after so many steps although the budget is not used up.
    """
    budget, record = config.budget(), {**asdict(config), **settings}
    check_folder(folder, record, BUDGETS)
    state = read_checkpoint(folder)
    if is_trained(folder, state, budget):
        write_log(folder, f"{folder.name}: already trained")
        return True
    torch.manual_seed(config.seed)
    stage = make()
    open_folder(folder, record)
    parameters = sum(parameter.numel() for parameter in stage.network.parameters())
    write_log(folder, f"{stage.name}: {'training' if state is None else 'resuming'}, {parameters:,} parameters")
    stage.network.train()
    budget = config.budget()
    monitor = Monitor(folder, budget, config.log_every, lambda: _figures(stage), stage.name, stop_after)
    module, feed = _Module(stage, config, budget), _Feed(stage, config)
    trainer, used = fit(module, feed, monitor, config.precision, config.clip)
    if used and trainer.is_global_zero:
        figures = _figures(stage)
        stage.network.eval()
        stage.save(folder / "model", {**settings, "figures": figures})
        found = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        write_log(folder, f"{stage.name}: {trainer.global_step} steps in {budget.elapsed():.0f} s; {found}")
    return used


def _figures(stage: Stage[Any]) -> dict[str, float]:
    was_training = stage.network.training
    stage.network.eval()
    with torch.no_grad():
        figures = dict(stage.figures())
    stage.network.train(was_training)
    return figures
