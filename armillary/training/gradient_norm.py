"""How large the gradients at a sphere head are while it learns: the figure of Spherical Regression.

The paper's argument for the spherical exponential: its gradients depend on the answer alone, while those of a plain
quaternion divided by its length depend on that length, which drifts as the head learns.

Reference: Spherical Regression (Liao et al., CVPR 2019), https://arxiv.org/abs/1904.05404, the figure of average
gradient norms; readme/avg_gradient_norm_v3.png of its repository
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data import ImageStore
from armillary.models import SphericalRegressionConfig
from armillary.training.feed import Feed
from armillary.training.recipes import STILL


@dataclass(frozen=True)
class GradientSettings:
    """How the heads are trained."""

    # Steps of each head.
    steps: int = 2000

    # Views per step.
    batch_size: int = 64

    # Learning rate of stochastic gradient descent, the same from first to last.
    learning_rate: float = 0.01

    # Momentum, as published.
    momentum: float = 0.9

    # Weight decay, as published.
    weight_decay: float = 5e-4

    # Seed of weights and order.
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        if self.steps < 1 or self.batch_size < 1 or self.learning_rate <= 0.0:
            raise ValueError(
                "expected steps, batch_size and learning_rate above zero, got "
                f"{self.steps}, {self.batch_size} and {self.learning_rate}; correct the options"
            )


@dataclass(frozen=True)
class GradientRecord:
    """One step of one head.

    Attributes:
        loss: Mean over the batch.
        regression: Norm of the gradient of a view's own loss for its coordinates' outputs, mean over the batch.
        spread: Its standard deviation over the batch.
        signs: The same mean for the outputs of the classifier of signs; 0 without one.
    """

    loss: float
    regression: float
    spread: float
    signs: float


def gradient_records(
    config: SphericalRegressionConfig, store: ImageStore, settings: GradientSettings
) -> Iterator[GradientRecord]:
    """Train a model by plain gradient descent, and tell of each step."""
    torch.manual_seed(settings.seed)
    model = config.build().train()
    optimiser = torch.optim.SGD(
        model.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )
    feed = Feed(store, replace(STILL, size=config.image_size), settings.batch_size, settings.seed)
    for step in range(settings.steps):
        batch = feed.batch(step)
        prediction = model.quaternion(batch.images, batch.category)
        outputs = [each for each in (prediction.output, prediction.sign_logits) if each is not None]
        for each in outputs:
            each.retain_grad()
        losses = model.losses(prediction, batch.rotations)
        optimiser.zero_grad()
        losses.mean().backward()
        optimiser.step()
        norms = [_row_norms(each) for each in outputs]
        signs = norms[1].mean().item() if len(norms) > 1 else 0.0
        yield GradientRecord(losses.mean().item(), norms[0].mean().item(), norms[0].std().item(), signs)


def _row_norms(output: Float[Tensor, "batch outputs"]) -> Float[Tensor, " batch"]:
    """Norms of the gradients of each row's own loss; the mean loss has divided them by the batch size."""
    assert output.grad is not None
    return len(output) * output.grad.norm(dim=-1)
