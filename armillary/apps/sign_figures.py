"""Where a regression of magnitudes and signs errs: in the signs, one of which is a large jump, or in the magnitudes."""

from collections.abc import Iterable

import torch

from armillary.data import Batch
from armillary.evaluation import accuracy_at, median_error
from armillary.models import SphericalRegression, ViewpointRegression
from armillary.models.viewpoint_regression import ANGLES


def sign_figures(model: SphericalRegression | ViewpointRegression, batches: Iterable[Batch]) -> dict[str, float]:
    """Share of right sign vectors; errors of the answers with right signs, and of all answers given the true signs.

    Errors are to the labelled rotation itself, over all views alike. Of viewpoints the signs of all angles must be
    right, and those of each angle stand beside.
    """
    found = []
    for batch in batches:
        with torch.no_grad():
            found.append(model.sign_errors(batch.images, batch.rotations, batch.category))
    right, error, magnitude_error = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    each = {}
    if isinstance(model, ViewpointRegression):
        shares = right.float().mean(0).tolist()
        each = {f"{name}_sign_accuracy": share for name, share in zip(ANGLES, shares, strict=True)}
        right = right.all(-1)
    figures = {
        "sign_accuracy": right.float().mean().item(),
        "median_magnitude_error_deg": torch.rad2deg(median_error(magnitude_error)).item(),
        "magnitude_acc15": accuracy_at(magnitude_error, 15).item(),
        **each,
    }
    if bool(right.any()):
        figures["median_error_right_signs_deg"] = torch.rad2deg(median_error(error[right])).item()
    return figures
