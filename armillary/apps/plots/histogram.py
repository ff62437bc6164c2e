"""The histogram of errors in a report."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from armillary.apps.plots.figure import figure_png


def histogram_png(error_deg: Mapping[str, Float[Tensor, " views"]]) -> bytes:
    """Errors in degrees per category, stacked, on a logarithmic axis from 0.1 to 180 degrees.

    Args:
        error_deg: category to errors.
    """
    figure = Figure(figsize=(6.4, 2.8), dpi=110, layout="constrained")
    axis = figure.add_subplot()
    bins = np.geomspace(0.1, 180.0, 46)
    errors = [error.clamp(0.1, 180.0).numpy() for error in error_deg.values()]
    axis.hist(errors, bins=bins.tolist(), stacked=True, label=list(error_deg))
    axis.set_xscale("log")
    axis.set_xticks([0.1, 0.3, 1, 3, 10, 30, 100], ["0.1", "0.3", "1", "3", "10", "30", "100"])
    axis.set_xlabel("error of the most probable rotation to the nearest equivalent truth (degrees)")
    axis.set_ylabel("views")
    if len(errors) > 1:
        axis.legend(fontsize=8)
    return figure_png(figure)
