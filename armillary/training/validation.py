"""How a density's model does on held-out views while it is trained."""

import torch

from armillary.data import Batch
from armillary.models import HarmonicModel, Model
from armillary.training.config import TrainConfig
from armillary.training.module import loss_of, negative_log_likelihood


def held_out_loss(model: Model, held_out: Batch, config: TrainConfig) -> dict[str, float]:
    """Mean negative log-likelihood, or a task's own loss, in eval mode; random state and training mode stay."""
    model.eval()
    if isinstance(model, HarmonicModel):
        # The training normaliser: the exact one takes long on the broad densities of a young model.
        model.head.train()
    held_out = held_out.to(next(model.parameters()).device)
    with torch.no_grad(), torch.random.fork_rng():
        if config.loss == "spherical":
            loss = loss_of(model, held_out, config)
        else:
            loss = negative_log_likelihood(model, held_out)
    model.train()
    return {"val_loss": loss.item()}
