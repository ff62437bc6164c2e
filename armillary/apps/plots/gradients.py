"""The figure of gradient norms: how large they are, and how they vary, while three heads learn."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from armillary.apps.plots.figure import figure_png

# Steps of a window's width: a fiftieth of the run.
WINDOWS = 50


def gradients_png(norms: Mapping[str, Float[Tensor, " steps"]]) -> bytes:
    """One panel for each head: mean over windows of steps, with the range that holds 80 % of the steps of a window."""
    figure = Figure(figsize=(3.2 * len(norms), 2.9), dpi=120, layout="constrained")
    for axis, (name, values) in zip(figure.subplots(1, len(norms), squeeze=False)[0], norms.items(), strict=True):
        windows = values.split(max(1, len(values) // WINDOWS))
        middles = torch.tensor([len(w) / 2 for w in windows]) + torch.tensor([0, *(len(w) for w in windows)])[
            :-1
        ].cumsum(0)
        low, high = (torch.stack([w.quantile(q) for w in windows]) for q in (0.1, 0.9))
        mean = torch.stack([w.mean() for w in windows])
        axis.fill_between(middles.numpy(), low.numpy(), high.numpy(), alpha=0.25, linewidth=0)
        axis.plot(middles.numpy(), mean.numpy(), linewidth=1.4)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("step", fontsize=8)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=7.5)
        axis.grid(True, color="0.9", linewidth=0.6)
    figure.axes[0].set_ylabel("mean norm of a view's gradient\nfor its coordinates' outputs", fontsize=8)
    return figure_png(figure)
