"""The Lightning module of surface normals: the loss, AdamW, a cosine over the budget."""

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor

from armillary.data.normals import NormalBatch
from armillary.models.normal_regression import NormalRegression
from armillary.training.normals.config import NormalTrainConfig
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
        """AdamW; weight decay acts on filters, not on biases and norms."""
        filters = [p for p in self.parameters() if p.requires_grad and p.ndim >= 2]
        vectors = [p for p in self.parameters() if p.requires_grad and p.ndim < 2]
        groups = [
            {"params": filters, "weight_decay": self.config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def on_train_batch_start(self, batch: NormalBatch, batch_index: int) -> None:
        """Set the learning rate from the used part of the budget."""
        step = self.trainer.global_step
        factor = warmup_cosine(step, self.budget.fraction(step), self.config.warmup_steps)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * factor
