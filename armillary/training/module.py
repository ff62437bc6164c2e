"""The Lightning module: the whole of what is optimised, on one screen.

The model maps images to a distribution; the loss is the mean negative log-likelihood of the one labelled rotation,
in nats against the uniform distribution (docs/conventions.md, Measure).
"""

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from armillary.data.sample import Batch
from armillary.distributions import TurnedGrid
from armillary.models import Model
from armillary.training.config import TrainConfig
from armillary.training.schedule import Budget, warmup_cosine

COARSE, FINE = TurnedGrid(level=3), TurnedGrid(level=4)


class DensityModule(LightningModule):
    """Trains any ``model(images) -> SO3Distribution`` by maximum likelihood.

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
        """Mean negative log-likelihood of a batch."""
        return negative_log_likelihood(self.model, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; weight decay acts on matrices and filters, not on biases and scales."""
        matrices = [p for p in self.parameters() if p.requires_grad and p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.requires_grad and p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Set the learning rate and the normaliser's grid from the used part of the budget."""
        step = self.trainer.global_step
        fraction = self.budget.fraction(step)
        self.model.head.training_normaliser = FINE if fraction >= self.config.finer_after else COARSE
        rate = self.config.learning_rate * warmup_cosine(step, fraction, self.config.warmup_steps)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate


def negative_log_likelihood(model: nn.Module, batch: Batch) -> Float[Tensor, ""]:
    """Mean of ``-model(images).log_prob(rotations)`` over a batch, in nats against the uniform distribution."""
    return -model(batch.images, batch.category).log_prob(batch.rotations).mean()
