"""A distribution over rotations as one drawing among others."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing, Projection
from armillary.apps.plots.mollweide import draw_mollweide
from armillary.distributions import SO3Distribution


@dataclass(frozen=True)
class DensityMap(Drawing):
    """The Mollweide picture of `draw_mollweide`.

    Attributes:
        density: one distribution (batch shape () or (1,)).
        truths: the true rotation and its equivalents, drawn as rings.
    """

    aspect: ClassVar[float] = 2.0
    projection: ClassVar[Projection] = "mollweide"

    density: SO3Distribution
    truths: Float[Tensor, "equivalents 3 3"] | None = None

    def draw(self, axis: Axes) -> None:
        """Draw on a Mollweide axis."""
        draw_mollweide(axis, self.density, self.truths)
