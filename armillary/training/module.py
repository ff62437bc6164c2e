"""The Lightning module: the whole of what is optimised, on one screen.

The model maps images to a distribution; the loss is the mean negative log-likelihood of the one labelled rotation,
in nats against the uniform distribution (docs/conventions.md, Measure). A cross entropy over N cells of a grid is in
the same measure here: the softmax's less log(N). A model of point answers has a loss of its own, 0 at a perfect fit.
"""

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from armillary.data.sample import Batch
from armillary.distributions import TurnedGrid
from armillary.distributions.cells import cell_log_likelihood, random_cell_log_likelihood
from armillary.models import HarmonicModel, Model, PointModel
from armillary.training.config import TrainConfig
from armillary.training.optimiser import parameter_groups, set_learning_rate
from armillary.training.schedule import Budget, warmup_cosine, warmup_steps_down

COARSE, FINE = TurnedGrid(level=3), TurnedGrid(level=4)


class DensityModule(LightningModule):
    """Trains any ``model(images) -> SO3Distribution`` by maximum likelihood, or by the model's own loss.

    Args:
        model: the conditional distribution.
        config: optimiser settings.
        budget: steps or minutes; the learning rate follows the used part of it.
    """

    def __init__(self, model: Model, config: TrainConfig, budget: Budget) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.budget = budget

    def training_step(self, batch: Batch, batch_index: int) -> Float[Tensor, ""]:
        """The loss of a batch that the configuration names."""
        return loss_of(self.model, batch, self.config)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW or SGD."""
        groups = parameter_groups(self, self.config.weight_decay)
        if self.config.optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=self.config.learning_rate)
        momentum, nesterov = self.config.momentum, self.config.nesterov and self.config.momentum > 0.0
        return torch.optim.SGD(groups, lr=self.config.learning_rate, momentum=momentum, nesterov=nesterov)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Set the learning rate and the normaliser's grid from the used part of the budget."""
        step = self.trainer.global_step
        fraction = self.budget.fraction(step)
        if isinstance(self.model, HarmonicModel):
            self.model.head.training_normaliser = FINE if fraction >= self.config.finer_after else COARSE
        set_learning_rate(self.trainer, self.config.learning_rate * rate_factor(self.config, step, fraction))


def rate_factor(config: TrainConfig, step: int, fraction: float) -> float:
    """Factor on the peak learning rate at a step, when this part of the budget is used.

    Example:
        >>> rate_factor(TrainConfig(schedule="steps", warmup_steps=0), step=700, fraction=0.5)
        0.1
    """
    if config.schedule == "cosine":
        return warmup_cosine(step, fraction, config.warmup_steps)
    return warmup_steps_down(step, fraction, config.warmup_steps, config.decay_every, config.decay_rate)


def loss_of(model: nn.Module, batch: Batch, config: TrainConfig) -> Float[Tensor, ""]:
    """Mean loss: by likelihood, the cross entropy over cells less the log of their number, or a task's own."""
    if config.loss == "likelihood":
        return negative_log_likelihood(model, batch)
    if config.loss == "spherical":
        assert isinstance(model, PointModel)
        return model.task_loss(batch.images, batch.rotations, batch.category)
    density = model(batch.images, batch.category)
    with full_precision(batch):
        if config.loss == "full-grid":
            return -cell_log_likelihood(density, batch.rotations, config.grid_level).mean()
        grid = config.grid_level, config.grid_points, config.grid_truth
        return -random_cell_log_likelihood(density, batch.rotations, *grid).mean()


def negative_log_likelihood(model: nn.Module, batch: Batch) -> Float[Tensor, ""]:
    """Mean of ``-model(images).log_prob(rotations)`` over a batch, in nats against the uniform distribution."""
    density = model(batch.images, batch.category)
    with full_precision(batch):
        return -density.log_prob(batch.rotations).mean()


def full_precision(batch: Batch) -> torch.autocast:
    """Densities reach tens of nats, where bfloat16 is off by tenths: the encoder alone may compute in it."""
    return torch.autocast(batch.images.device.type, enabled=False)
