"""How a model of surface normals does on held-out pictures while it is trained."""

import math

import torch

from armillary.data.normals import NormalBatch
from armillary.models.normal_regression import NormalRegression


def held_out_figures(model: NormalRegression, held_out: NormalBatch) -> dict[str, float]:
    """Loss and median angle (degrees) in eval mode; the training mode stays."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        prediction = model(held_out.images.to(device))
        loss = prediction.loss(held_out.normals.to(device), held_out.mask.to(device)).item()
        cosine = (prediction.normals().cpu() * held_out.normals).sum(1)[held_out.mask]
    model.train(was_training)
    return {"val_loss": loss, "val_median_deg": math.degrees(cosine.clamp(-1, 1).acos().median().item())}
