r"""A head that says where something is, with uncertainty: a vector of three and the scale of its errors.

The answer is a normal law or a Student law of f degrees of freedom, heavier in its tails, about a mean m with a
triangular whitening A that is predicted too: with :math:`w = A (y - m)`,

.. math:: \log p(y) = \log|A| + c_f - \tfrac{f + 3}{2} \log(1 + |w|^2 / f)

A has a positive diagonal (exponentials) and nothing above it, so no matrix is inverted in training.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Logarithms of A's diagonal: errors between e^-7 and e^3 of the unit.
SHARPEST, BLUNTEST = 7.0, -3.0


@dataclass(frozen=True, eq=False)
class Place:
    """Laws of three numbers.

    Example:
        >>> place = Place(torch.zeros(1, 3), torch.eye(3)[None], 0.0)
        >>> place.log_prob(torch.zeros(1, 3)).round(decimals=4)
        tensor([-2.7568])
    """

    mean: Float[Tensor, "*batch 3"]
    # A, lower triangular.
    whitening: Float[Tensor, "*batch 3 3"]
    # Degrees of freedom; 0: a normal law.
    freedom: float

    def log_prob(self, value: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Log density of three numbers."""
        white = (self.whitening @ (value - self.mean)[..., None])[..., 0].square().sum(-1)
        log_volume = self.whitening.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        if not self.freedom:
            return log_volume - 1.5 * math.log(2 * math.pi) - 0.5 * white
        free = self.freedom
        constant = math.lgamma((free + 3) / 2) - math.lgamma(free / 2) - 1.5 * math.log(free * math.pi)
        return log_volume + constant - (free + 3) / 2 * torch.log1p(white / free)

    def covariance(self) -> Float[Tensor, "*batch 3 3"]:
        """Of the law; with 2 degrees of freedom or fewer, which have none, the scale."""
        inverse = torch.linalg.solve_triangular(
            self.whitening, torch.eye(3).to(self.whitening).expand_as(self.whitening), upper=False
        )
        factor = self.freedom / (self.freedom - 2) if self.freedom > 2 else 1.0
        return factor * inverse @ inverse.mT


class PlaceHead(nn.Module):
    """Features to a mean and a whitening, by one hidden layer.

    Args:
        features: Their number.
        hidden: Width of the hidden layer.
        freedom: Degrees of freedom of the law; 0: normal.
        scale: Deviation of an untrained answer.

    Example:
        >>> PlaceHead(8)(torch.zeros(2, 8)).mean.shape
        torch.Size([2, 3])
    """

    def __init__(self, features: int, hidden: int = 256, freedom: float = 4.0, scale: float = 0.2) -> None:
        super().__init__()
        self.freedom = freedom
        self.hidden = nn.Sequential(nn.Linear(features, hidden), nn.LayerNorm(hidden), nn.ReLU())
        self.last = nn.Linear(hidden, 9)
        nn.init.normal_(self.last.weight, std=0.1 * hidden**-0.5)
        nn.init.zeros_(self.last.bias)
        self.log_sharpness = nn.Parameter(torch.full((3,), -math.log(scale)))

    def forward(self, features: Float[Tensor, "batch features"]) -> Place:
        """The law of each row; the last layer and what follows it in full precision."""
        hidden = self.hidden(features)
        with torch.autocast(features.device.type, enabled=False):
            return self._place(self.last(hidden.float()))

    def _place(self, numbers: Float[Tensor, "batch 9"]) -> Place:
        mean, diagonal, below = numbers.split(3, -1)
        sharpness = (diagonal + self.log_sharpness).clamp(BLUNTEST, SHARPEST).exp()
        whitening = torch.diag_embed(sharpness)
        rows, columns = (1, 2, 2), (0, 0, 1)
        # Relative to its row's diagonal, so that one unit fits any sharpness.
        whitening[..., rows, columns] = below * sharpness[..., [1, 2, 2]]
        return Place(mean, whitening, self.freedom)
