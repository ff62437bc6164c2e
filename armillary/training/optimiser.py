"""What optimisers of all trainings share: which parameters decay, and the learning rate of a step."""

from typing import Any

from lightning.pytorch import Trainer
from torch import nn


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for an optimiser: weight decay acts on matrices and filters, not on biases, norms and scales.

    Example:
        >>> [len(group["params"]) for group in parameter_groups(nn.Linear(2, 3), 0.1)]
        [1, 1]
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [each for each in trained if each.ndim >= 2], "weight_decay": weight_decay},
        {"params": [each for each in trained if each.ndim < 2], "weight_decay": 0.0},
    ]


def set_learning_rate(trainer: Trainer, rate: float) -> None:
    """Give every parameter this learning rate."""
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
