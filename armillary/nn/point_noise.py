"""Point answers become a distribution: noise, outliers and the temper of their probabilities, fitted on held-out views.

Fitted and not learned: on the views of the training a model errs less than on new ones, so noise learned with the
weights is too small. Three numbers need few views.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.distributions import MatrixFisher, Mixture, discrete

# Ranges of standard deviation (radians) and temperature, values tried in each, and how often about the best of them.
SIGMAS, TEMPERATURES = (0.005, 2.0), (0.25, 16.0)
TRIED_SIGMAS, TRIED_TEMPERATURES, ZOOMS = 17, 9, 5
HALVINGS = 30  # of the interval of the outlier share
MOST_OUTLIERS = 0.999


class PointNoise(nn.Module):
    r"""Density :math:`\epsilon + (1-\epsilon) \sum_k w_k\,e^{2\kappa\cos\theta_k}/c`, with w the softmax of logits / T.

    Attributes:
        sigma: Standard deviation of the noise about each axis, radians; :math:`\kappa = 1/2\sigma^2`.
        outlier: Probability :math:`\epsilon` that an answer has nothing to do with the truth.
        temperature: T; above 1 where the logits are too sure of themselves.

    Example:
        >>> density = PointNoise()(torch.eye(3).expand(2, 4, 3, 3), torch.zeros(2, 4))
        >>> density.batch_shape
        torch.Size([2])
    """

    def __init__(self, sigma: float = 0.3, outlier: float = 0.1, temperature: float = 1.0) -> None:
        super().__init__()
        self.sigma: Tensor
        self.outlier: Tensor
        self.temperature: Tensor
        self.register_buffer("sigma", torch.tensor(sigma))
        self.register_buffer("outlier", torch.tensor(outlier))
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, rotations: Float[Tensor, "*batch k 3 3"], logits: Float[Tensor, "*batch k"]) -> Mixture:
        """The distribution of each row's answers."""
        weights = (logits / self.temperature).softmax(-1)
        return discrete(rotations, weights, sigma=float(self.sigma), outlier=float(self.outlier))

    @torch.no_grad()
    def fit(
        self,
        rotations: Float[Tensor, "views k 3 3"],
        logits: Float[Tensor, "views k"],
        truth: Float[Tensor, "views 3 3"],
    ) -> None:
        """Maximum likelihood of the true rotations, searched over all orders of magnitude."""
        if len(truth) == 0:
            raise ValueError("expected views to fit the noise on, got none; hold some out")
        # The noise is isotropic: only the turn from answer to truth matters.
        turn = rotations.double().mT @ truth.double()[:, None]
        low = torch.tensor([math.log(SIGMAS[0]), math.log(TEMPERATURES[0])], dtype=torch.float64)
        high = torch.tensor([math.log(SIGMAS[1]), math.log(TEMPERATURES[1])], dtype=torch.float64)
        for _ in range(ZOOMS):
            sigmas = torch.linspace(float(low[0]), float(high[0]), TRIED_SIGMAS).double().exp().to(turn.device)
            temperatures = torch.linspace(float(low[1]), float(high[1]), TRIED_TEMPERATURES).double().exp()
            likelihood, outlier = _best_outlier(turn, logits.double(), sigmas, temperatures.to(turn.device))
            row, column = divmod(int(likelihood.argmax()), TRIED_TEMPERATURES)
            best = torch.tensor([float(sigmas[row]), float(temperatures[column])], dtype=torch.float64)
            gap = (high - low) / (torch.tensor([TRIED_SIGMAS, TRIED_TEMPERATURES]) - 1)
            low, high = best.log() - gap, best.log() + gap
        self.sigma.fill_(float(best[0]))
        self.temperature.fill_(float(best[1]) if logits.shape[-1] > 1 else 1.0)
        self.outlier.fill_(min(float(outlier[row, column]), MOST_OUTLIERS))

    def extra_repr(self) -> str:
        """The three numbers."""
        return f"sigma={self.sigma:.3g}, outlier={self.outlier:.3g}, temperature={self.temperature:.3g}"


def _best_outlier(
    turn: Float[Tensor, "views k 3 3"],
    logits: Float[Tensor, "views k"],
    sigmas: Float[Tensor, " sigmas"],
    temperatures: Float[Tensor, " temperatures"],
) -> tuple[Float[Tensor, "sigmas temperatures"], Float[Tensor, "sigmas temperatures"]]:
    """Mean log likelihood at the most likely share of outliers, and that share, by bisection of its derivative."""
    identity = torch.eye(3, dtype=turn.dtype, device=turn.device).expand(len(sigmas), 1, 1, 3, 3)
    height = MatrixFisher.isotropic(identity, sigma=sigmas[:, None, None]).log_prob(turn)
    log_weight = (logits / temperatures[:, None, None]).log_softmax(-1)
    ratio = (height[:, None] + log_weight).logsumexp(-1).clamp(-80, 80).exp()  # density against that of an outlier
    low, high = torch.zeros_like(ratio[..., 0]), torch.ones_like(ratio[..., 0])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rising = ((1 - ratio) / (ratio + middle[..., None] * (1 - ratio))).mean(-1) > 0
        low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
    return (ratio + middle[..., None] * (1 - ratio)).log().mean(-1), middle
