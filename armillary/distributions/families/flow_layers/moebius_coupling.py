r"""Coupling of two columns of a rotation by Moebius maps of the circle.

Keep column c of R; the other two, x and y = c x x, lie on the circle orthogonal to it, and turning them by an angle
delta about c gives every rotation with that column. Given c, Haar measure is uniform in the angle of x. So a map that
keeps c and takes the angle t to t + delta(t, c) stretches Haar measure by the derivative of the circle map alone,
1 + d delta / d t: how delta depends on c does not matter.

In the plane with x = exp(i t), the Moebius map of the disk with centre w, |w| < 1,

    x -> (x - w) / (1 - conj(w) x)

turns x by 2 arg(1 - w conj(x)), within (-pi, pi), and stretches the circle by (1 - |w|^2) / |x - w|^2. A convex
combination of the turns, weights p_k, is a monotone circle map again:

    delta = 2 sum_k p_k arg(1 - w_k conj(x)),      1 + d delta / d t = sum_k p_k (1 - |w_k|^2) / |x - w_k|^2.

With w a vector of space, w conj(x) = <w, x> + i <w, y>: no frame of the plane is needed, so the map is smooth on all of
SO(3). The centres and weights come from a network that sees c and the context.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.distributions.families.flow_layers.layer import FlowLayer, linear, require_context, zeros

REACH = 0.9  # largest |w|: one layer stretches the circle by factors from 1 / 19 to 19
# log of the stretch changes by at most 2 REACH / (1 - REACH^2) = 9.5 a radian. Nine halvings leave an interval of
# 2 pi / 512, in which the middle is off by at most e = 0.0062 and the slope changes by less than 13 %. A Newton step
# takes e to at most 9.5 / 2 * 1.13 * e^2: 2e-4, 2e-7, 3e-13, 5e-25.
HALVINGS, NEWTON_STEPS = 9, 4


class MoebiusCoupling(FlowLayer):
    """Turns a rotation about one of its own columns, by an angle that is a monotone circle map of where it stands.

    The centres are zero at the start, which is the identity; the weights are not, so that the centres part in training.

    Args:
        column: The column that is kept, 0 to 2.
        features: Length of the context.
        hidden: Width of the network.
        centres: Number of Moebius maps that are combined.
        generator: Source of the random start.

    Reference: Delving into Discrete Normalizing Flows on SO(3) Manifold for Probabilistic Rotation Modeling (Liu et
        al., 2023), https://arxiv.org/abs/2304.03937; Normalizing Flows on Tori and Spheres (Rezende et
        al., 2020), section 2.1, https://arxiv.org/abs/2002.02428

    Example:
        >>> layer = MoebiusCoupling(column=2)
        >>> origin, log_stretch = layer(torch.eye(3), layer.setting(None))
        >>> origin.detach().diagonal(), log_stretch.abs() < 1e-6
        (tensor([1., 1., 1.]), tensor(True))
    """

    def __init__(
        self,
        column: int,
        features: int = 0,
        hidden: int = 64,
        centres: int = 16,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if column not in (0, 1, 2):
            raise ValueError(f"expected column 0, 1 or 2, got {column}")
        self.column, self.features, self.centres = column, features, centres
        self.from_column = linear(3, hidden, generator)
        self.from_context = linear(features, hidden, generator) if features else None
        self.middle = linear(hidden, hidden, generator)
        self.to_weights = linear(hidden, centres, generator)
        self.to_centres = zeros(linear(hidden, 3 * centres, generator))

    def setting(self, context: Float[Tensor, "*batch features"] | None) -> Float[Tensor, "*batch width"]:
        """What the context adds to the first layer of the network."""
        require_context(context, self.features)
        if self.from_context is None:
            return torch.zeros_like(self.middle.bias)
        return self.from_context(context)

    def _maps(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> tuple[Float[Tensor, "*shape centres"], Float[Tensor, "*shape 3 centres"]]:
        """Weights and centres of the Moebius maps for the kept columns."""
        hidden = nn.functional.silu(self.from_column(rotation[..., self.column]) + setting)
        hidden = nn.functional.silu(self.middle(hidden))
        centres = self.to_centres(hidden).unflatten(-1, (3, self.centres))
        length = (1 + centres.square().sum(-2, keepdim=True)).sqrt()
        logits = self.to_weights(hidden)
        weights = (logits - logits.amax(-1, keepdim=True)).exp()  # torch.softmax takes 4 times as long on short rows
        return weights / weights.sum(-1, keepdim=True), REACH * centres / length

    def _plane(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> tuple[Float[Tensor, "*shape centres"], Float[Tensor, "*shape centres"], Float[Tensor, "*shape centres"]]:
        """Weights, and the centres' coordinates along the moved column x and the third column y."""
        weights, centres = self._maps(rotation, setting)
        x, y = rotation[..., (self.column + 1) % 3], rotation[..., (self.column + 2) % 3]
        return weights, (centres * x[..., None]).sum(-2), (centres * y[..., None]).sum(-2)

    def forward(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> tuple[Float[Tensor, "*shape 3 3"], Float[Tensor, "*shape"]]:
        """From data to base, and the log of the circle map's derivative."""
        angle, stretch = circle_turn(*self._plane(rotation, setting))
        return turn_about_column(rotation, angle, self.column), stretch.log()

    def inverse(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> Float[Tensor, "*shape 3 3"]:
        """From base to data: the root of the circle map."""
        return turn_about_column(rotation, -undo_turn(*self._plane(rotation, setting)), self.column)


def circle_turn(
    weights: Float[Tensor, "*shape centres"],
    along: Float[Tensor, "*shape centres"],
    across: Float[Tensor, "*shape centres"],
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Angle by which the combined Moebius maps turn x = 1, and the stretch of the circle there.

    Args:
        weights: Positive, sum 1.
        along: Real parts of the centres.
        across: Their imaginary parts.

    Example:
        >>> one, half = torch.ones(1), torch.full((1,), 0.5)
        >>> circle_turn(one, half, torch.zeros(1))  # towards the centre: no turn, stretch (1 + w) / (1 - w)
        (tensor(0.), tensor(3.))
    """
    gap = 1 - along
    angle = 2 * (weights * torch.atan2(-across, gap)).sum(-1)
    inside = 1 - along.square() - across.square()
    return angle, (weights * inside / (gap.square() + across.square())).sum(-1)


def undo_turn(
    weights: Float[Tensor, "*shape centres"],
    along: Float[Tensor, "*shape centres"],
    across: Float[Tensor, "*shape centres"],
) -> Float[Tensor, "*shape"]:
    r"""The turn that led to x = 1: the root d of :math:`d = \delta(e^{-id})`, in (-pi, pi), to rounding.

    Bisection, then Newton; the number of steps is fixed by the bound on the curvature. The last step carries the
    gradient: the derivative of the root is that of the residual over the slope (implicit function theorem).

    Example:
        >>> one, half = torch.ones(1), torch.full((1,), 0.5)
        >>> undo_turn(one, torch.zeros(1), half)  # the map takes exp(i t), t = 0.9273, to 1
        tensor(-0.9273)
    """
    with torch.no_grad():
        low = torch.full_like(along[..., 0], -math.pi)
        high = -low
        for _ in range(HALVINGS):
            root = (low + high) / 2
            below = root < circle_turn(weights, *_turned(root, along, across))[0]
            low, high = torch.where(below, root, low), torch.where(below, high, root)
        root = (low + high) / 2
        for _ in range(NEWTON_STEPS):
            angle, slope = circle_turn(weights, *_turned(root, along, across))
            root = root - (root - angle) / slope
    angle, slope = circle_turn(weights, *_turned(root, along, across))
    return root - (root - angle) / slope.detach()


def _turned(angle: Float[Tensor, "*shape"], along: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates of the centres seen from x and y turned back by an angle."""
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    return cos * along - sin * across, sin * along + cos * across


def turn_about_column(
    rotation: Float[Tensor, "*shape 3 3"], angle: Float[Tensor, "*shape"], column: int
) -> Float[Tensor, "*shape 3 3"]:
    """The rotation turned about one of its own columns.

    Example:
        >>> turn_about_column(torch.eye(3), torch.tensor(torch.pi / 2), 2).round().abs()
        tensor([[0., 1., 0.],
                [1., 0., 0.],
                [0., 0., 1.]])
    """
    x, y = rotation[..., (column + 1) % 3], rotation[..., (column + 2) % 3]
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    columns = [rotation[..., column], cos * x + sin * y, cos * y - sin * x]
    return torch.stack(columns[-column:] + columns[:-column] if column else columns, -1)
