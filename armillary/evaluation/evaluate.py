"""Stage two of an evaluation: from a predictions file to the numbers of ``metrics.json``.

Figures at the top level are means over categories (as the tables of the field); ``per_category`` holds each one and
``all_views`` the same figures with every view counted alike. Errors are to the nearest equivalent under the object's
symmetry; under ``without_symmetry`` they are to the labelled rotation itself. ``median_error_top2_deg`` is the
median of the better of the two highest peaks.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.evaluation.metrics import (
    accuracy_at,
    covered,
    legacy_error,
    log_likelihood,
    median_error,
    rotation_error,
)
from armillary.evaluation.predictions import Predictions

THRESHOLDS_DEG = (3, 5, 7.5, 10, 15, 30)
LEGACY_THRESHOLDS_DEG = (7.5, 15, 30)


def errors(predictions: Predictions) -> Float[Tensor, " views"]:
    """Error of the most probable rotation, to the nearest equivalent truth, radians."""
    return _nearest(predictions, predictions.mode[:, None])


def _nearest(predictions: Predictions, answers: Float[Tensor, "views k 3 3"]) -> Float[Tensor, " views"]:
    """Error of the best of k answers, to the nearest equivalent truth, radians."""
    error = torch.zeros_like(predictions.log_prob)
    for category, symmetry in enumerate(predictions.info.symmetries):
        chosen = predictions.category == category
        truth = predictions.truth[chosen].to(error.dtype)[:, None].expand_as(answers[chosen])
        error[chosen] = rotation_error(answers[chosen].to(error.dtype), truth, symmetry).amin(1)
    return error


def error_metrics(error: Float[Tensor, " views"]) -> dict[str, float]:
    """Median and mean error in degrees and accuracy at each threshold.

    Example:
        >>> error_metrics(torch.deg2rad(torch.tensor([2.0, 4.0])))["acc3"]
        0.5
    """
    accuracies = {f"acc{threshold}": accuracy_at(error, threshold).item() for threshold in THRESHOLDS_DEG}
    return {
        "median_error_deg": torch.rad2deg(median_error(error)).item(),
        "mean_error_deg": torch.rad2deg(error.mean()).item(),
        **accuracies,
    }


def summarise(predictions: Predictions) -> dict:
    """All figures of a predictions file, as plain numbers for JSON."""
    error, best_of_two = errors(predictions), _nearest(predictions, predictions.modes[:, :2])
    plain = rotation_error(predictions.mode, predictions.truth)
    categories = predictions.info.categories
    answers = error, best_of_two, plain
    per_category = {
        name: _figures(predictions, *answers, predictions.category == index)
        for index, name in enumerate(categories)
        if (predictions.category == index).any()
    }
    everything = torch.ones_like(predictions.category, dtype=torch.bool)
    return {
        **mean_of(list(per_category.values())),
        "n": len(predictions.names),
        "measure": "ll_haar: Haar measure, uniform 0; ll_ipdf = ll_haar - ln(pi^2), uniform -2.289",
        "data": predictions.info.name,
        "per_category": per_category,
        "all_views": _figures(predictions, *answers, everything),
    }


def legacy_figures(predictions: Predictions) -> dict:
    """Figures as in the tables of Spherical Regression before their correction; comparable with nothing else."""
    error = legacy_error(rotation_error(predictions.mode, predictions.truth))
    own = {
        name: _legacy(error[predictions.category == index])
        for index, name in enumerate(predictions.info.categories)
        if (predictions.category == index).any()
    }
    return {"note": LEGACY_NOTE, **mean_of(list(own.values())), "per_category": own}


LEGACY_NOTE = "angles to the labelled rotation divided by the root of 2, as published before the correction"


def _legacy(error: Float[Tensor, " views"]) -> dict[str, float]:
    accuracies = {f"acc{threshold}": accuracy_at(error, threshold).item() for threshold in LEGACY_THRESHOLDS_DEG}
    return {"median_error_deg": torch.rad2deg(median_error(error)).item(), **accuracies}


def _figures(p: Predictions, error: Tensor, best_of_two: Tensor, plain: Tensor, chosen: Tensor) -> dict:
    log_prob = p.log_prob[chosen]
    return {
        "ll_ipdf": log_likelihood(log_prob, "ipdf").item(),
        "ll_haar": log_likelihood(log_prob, "haar").item(),
        "spread_deg": torch.rad2deg(p.spread[chosen].mean()).item(),
        **error_metrics(error[chosen]),
        "median_error_top2_deg": torch.rad2deg(median_error(best_of_two[chosen])).item(),
        "entropy": p.entropy[chosen].mean().item(),
        "coverage90": covered(log_prob, p.threshold_90[chosen]).float().mean().item(),
        "n": int(chosen.sum()),
        "without_symmetry": error_metrics(plain[chosen]),
    }


def mean_of(figures: list[dict]) -> dict:
    """Mean of each figure over equally weighted dictionaries of the same keys.

    Example:
        >>> mean_of([{"a": 1.0, "b": {"c": 0.0}}, {"a": 3.0, "b": {"c": 1.0}}])
        {'a': 2.0, 'b': {'c': 0.5}}
    """
    first = figures[0]
    return {
        key: mean_of([figure[key] for figure in figures])
        if isinstance(value, dict)
        else sum(figure[key] for figure in figures) / len(figures)
        for key, value in first.items()
    }
