"""The head of Spherical Regression: features become magnitudes and signs of points on a sphere."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.nn.signs import SignTable
from armillary.nn.sphere_prediction import SphereKind, SpherePrediction

# Standard deviation of untrained weights as published; regQuatNet.py and regEulerNet.py.
PUBLISHED_SPREAD = 0.005


class SphereHead(nn.Module):
    """One hidden layer, then for each category a linear layer of its own.

    The original is told the category when it is trained and when it answers, and takes that category's last layer
    (there "Maskout"); without categories there is one last layer for all.

    Features of an encoder are positive and many: a step of Adam, which changes every weight by the learning rate, moves
    a hidden unit by that rate times their sum, several times its spread. Where steps agree for long, as before there is
    anything to learn from, all units go below 0 for all images, and no gradient brings them back. Layer normalisation
    takes out what units have in common, so some are above 0 for each image whatever the steps.

    Args:
        channels: Number of features.
        table: Sign vectors of the points; says how many coordinates they have.
        kind: How outputs become points; only "exp" has a classifier of signs.
        categories: Number of last layers to choose from; 0: one, and no category is asked for.
        hidden: Width of the hidden layer; 0: none.
        dropout: Part of the hidden layer that is dropped in training.
        spread: Standard deviation of untrained weights, for all layers; None: by their width, so that the first outputs
            have a length near 1. Short ones, as published, have a gradient of 40 where kind is "flat".
        normalise: Whether hidden units are normalised over their layer before they are cut at 0; not as published.

    Example:
        >>> head = SphereHead(16, SignTable.quaternions(), categories=3)
        >>> head(torch.rand(2, 16), torch.tensor([0, 2])).point().shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        channels: int,
        table: SignTable,
        kind: SphereKind = "exp",
        categories: int = 0,
        hidden: int = 512,
        dropout: float = 0.0,
        spread: float | None = None,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.table, self.categories = table, categories
        self.kind: SphereKind = kind
        self.outputs = table.coordinates + (table.classes if kind == "exp" else 0)
        layers = [nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Dropout(dropout)] if hidden else []
        self.hidden = nn.Sequential(*(layer for layer in layers if normalise or not isinstance(layer, nn.LayerNorm)))
        self.last = nn.Linear(hidden or channels, max(categories, 1) * self.outputs)
        for layer in (*layers[:1], self.last):
            assert isinstance(layer, nn.Linear)
            if spread is not None or layer is self.last:
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5 if spread is None else spread)
                nn.init.zeros_(layer.bias)

    def forward(
        self, features: Float[Tensor, "batch channels"], category: Int[Tensor, " batch"] | None = None
    ) -> SpherePrediction:
        """The prediction of each row, by the last layer of its category."""
        output = self.last(self.hidden(features))
        if self.categories:
            output = self._chosen(output, category)
        if self.kind != "exp":
            return SpherePrediction(output, None, self.kind, self.table)
        magnitude, signs = output.split([self.table.coordinates, self.table.classes], -1)
        return SpherePrediction(magnitude, signs, self.kind, self.table)

    def _chosen(
        self, output: Float[Tensor, "batch all"], category: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch outputs"]:
        if category is None:
            raise ValueError(
                f"expected the category of each row (the head has {self.categories}), got None; pass category="
            )
        if bool(((category < 0) | (category >= self.categories)).any()):
            low, high = int(category.min()), int(category.max())
            raise ValueError(f"expected categories from 0 to {self.categories - 1}, got {low} to {high}; renumber them")
        each = output.unflatten(-1, (self.categories, self.outputs))
        return each[torch.arange(len(output), device=output.device), category.long()]
