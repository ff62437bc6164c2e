"""The Lightning module of surface normals: the loss, AdamW, a cosine over the budget."""

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor

from armillary.data.normals import NormalBatch
from armillary.models.normal_regression import NormalRegression
from armillary.training.normals.config import NormalTrainConfig
from armillary.training.optimiser import parameter_groups, set_learning_rate
from armillary.training.schedule import Budget, warmup_cosine


class NormalModule(LightningModule):
    """Trains a `NormalRegression` on the pixels with known normals.

    Args:
        model: what to train.
        config: optimiser settings.
        budget: steps or minutes; the learning rate follows the used part of it.
    """

    def __init__(self, model: NormalRegression, config: NormalTrainConfig, budget: Budget) -> None:
        super().__init__()
        self.model, self.config, self.budget = model, config, budget

    def training_step(self, batch: NormalBatch, batch_index: int) -> Float[Tensor, ""]:
        """The loss of a batch."""
        prediction = self.model(batch.images)
        with torch.autocast(batch.images.device.type, enabled=False):
            return prediction.loss(batch.normals, batch.mask, self.config.sign_width)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        groups = parameter_groups(self, self.config.weight_decay)
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def on_train_batch_start(self, batch: NormalBatch, batch_index: int) -> None:
        """Set the learning rate from the used part of the budget."""
        step = self.trainer.global_step
        factor = warmup_cosine(step, self.budget.fraction(step), self.config.warmup_steps)
        set_learning_rate(self.trainer, self.config.learning_rate * factor)
