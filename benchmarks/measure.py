"""Figures of a trained model on views kept apart, category by category: likelihood, errors, best of two answers."""

import statistics

import torch
from torch import Tensor

from armillary.data import ImageStore, centre_crop
from armillary.evaluation import accuracy_at, log_likelihood, median_error, rotation_error
from armillary.models import Model

# Key and heading: nats in the measure pi^2, shares in per cent, medians in degrees.
FIGURES = {
    "ll_ipdf": "ll_ipdf",
    "acc15": "Acc@15",
    "acc30": "Acc@30",
    "median": "median",
    "top2": "median, best of two",
}
BATCH = 32


def measure(model: Model, test: ImageStore) -> dict:
    """Figures for each category and their mean; errors to the nearest rotation that the symmetry makes equivalent."""
    error, best, log_prob = (torch.zeros(len(test)) for _ in range(3))
    for start in range(0, len(test), BATCH):
        index = torch.arange(start, min(start + BATCH, len(test)))
        batch = centre_crop(test[index], model.config.image_size)
        with torch.no_grad():
            density = model(batch.images, batch.category)
            peaks, log_prob[index] = density.modes(2), density.log_prob(batch.rotations).float()
        for number, symmetry in enumerate(test.info.symmetries):
            chosen = (batch.category == number).nonzero().flatten()
            truth = batch.rotations[chosen][:, None].expand(-1, 2, -1, -1)
            both = rotation_error(peaks.rotation[chosen].float(), truth, symmetry)
            error[index[chosen]], best[index[chosen]] = both[:, 0], both.amin(1)
    categories = {}
    for number, name in enumerate(test.info.categories):
        chosen = test.category == number
        categories[name] = _figures(error[chosen], best[chosen], log_prob[chosen])
    mean = {figure: statistics.fmean(each[figure] for each in categories.values()) for figure in FIGURES}
    return {"mean": mean, "categories": categories}


def _figures(error: Tensor, best: Tensor, log_prob: Tensor) -> dict[str, float]:
    return {
        "ll_ipdf": log_likelihood(log_prob, "ipdf").item(),
        "acc15": 100 * accuracy_at(error, 15).item(),
        "acc30": 100 * accuracy_at(error, 30).item(),
        "median": torch.rad2deg(median_error(error)).item(),
        "top2": torch.rad2deg(median_error(best)).item(),
    }
