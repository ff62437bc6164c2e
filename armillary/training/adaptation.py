r"""Adaptation of a trained model to pictures of another domain, without their labels.

First the statistics of batch normalisation become those of the new pictures; then the scales and shifts of all
normalising layers descend the mean entropy of the rotations' density, which says how unsure the model is. Labels are
no argument: nothing here can look at one. The protocol: train on synthetic pictures, adapt to each real-light domain by
its unlabelled pictures alone, and choose no setting by a score in it.

References: https://arxiv.org/abs/2006.10726 (Tent); https://arxiv.org/abs/2006.16971 (statistics, shrunk to those of
the source).
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from armillary.distributions import HarmonicDistribution
from armillary.distributions.calculus.entropy import harmonic_entropy

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Net = TypeVar("Net", bound=nn.Module)

Density = Callable[[nn.Module, Tensor], HarmonicDistribution]


@dataclass(frozen=True)
class AdaptationConfig:
    """How to adapt.

    Example:
        >>> AdaptationConfig(steps=0).batch_size
        64
    """

    # Steps on the entropy; 0 re-estimates statistics alone.
    steps: int = 30
    # Of Adam.
    learning_rate: float = 1e-3
    # Pictures a step; statistics of few are poor.
    batch_size: int = 64
    # What the old statistics count beside those of the new pictures, in pictures: many if the new ones are few.
    source_weight: float = 16.0
    # Of the order of pictures.
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.steps < 0 or self.batch_size < 2 or self.learning_rate <= 0 or self.source_weight < 0:
            raise ValueError(
                "expected steps and source_weight of 0 or more, batch_size of 2 or more and learning_rate above 0, got "
                f"{self.steps}, {self.source_weight}, {self.batch_size} and {self.learning_rate}; correct them"
            )


@dataclass(frozen=True, eq=False)
class Adapted(Generic[Net]):
    """A model of the new domain, and the mean entropy of its answers there.

    Attributes:
        model: a copy; the one given is as it was. In eval mode.
        entropy: nats; of the model given, after the statistics were re-estimated, and at the end.
        curve: of the batch of each step.
    """

    model: Net
    entropy: tuple[float, float, float]
    curve: tuple[float, ...]


def adapt(
    model: Net,
    images: Float[Tensor, "pictures 3 height width"],
    config: AdaptationConfig | None = None,
    density: Density | None = None,
) -> Adapted[Net]:
    """A copy of the model, adapted to pictures without labels.

    Args:
        model: with batch normalisation.
        images: of the new domain, as the model takes them.
        config: how.
        density: from the model and pictures to the rotations' density; by default what the model returns.

    Example:
        >>> from armillary.models import HarmonicRegressionConfig
        >>> model = HarmonicRegressionConfig(image_size=32, lmax=2).build()
        >>> found = adapt(model, torch.rand(8, 3, 32, 32), AdaptationConfig(steps=1))
        >>> found.model is model, len(found.curve)
        (False, 1)
    """
    config, density = config or AdaptationConfig(), density or _answer
    copied = copy.deepcopy(model).eval()
    _check(copied, images)
    before = mean_entropy(copied, images, density, config.batch_size)
    estimate_statistics(copied, images, config, density)
    between = mean_entropy(copied, images, density, config.batch_size)
    curve = tuple(_descend(copied, images, config, density)) if config.steps else ()
    if not config.steps:
        return Adapted(copied, (before, between, between), curve)
    # Scales moved, and with them what later layers see.
    estimate_statistics(copied, images, config, density)
    return Adapted(copied, (before, between, mean_entropy(copied, images, density, config.batch_size)), curve)


def mean_entropy(
    model: nn.Module,
    images: Float[Tensor, "pictures 3 height width"],
    density: Density | None = None,
    batch_size: int = 64,
) -> float:
    """Mean entropy of a model's answers to pictures, nats; 0 is that of knowing nothing."""
    with torch.no_grad():
        parts = [
            harmonic_entropy((density or _answer)(model, part).coeffs.float()) for part in images.split(batch_size)
        ]
    return float(torch.cat(parts).mean())


def estimate_statistics(
    model: nn.Module,
    images: Float[Tensor, "pictures 3 height width"],
    config: AdaptationConfig | None = None,
    density: Density | None = None,
) -> None:
    r"""Replace means and variances of batch normalisation by those over pictures, shrunk to what they were, in place.

    .. math:: \mu = \frac{w\,\mu_{old} + n\,\mu_{new}}{w + n}

    for n pictures and the weight w of the configuration; variances likewise.
    """
    config, density = config or AdaptationConfig(), density or _answer
    layers = _batch_norms(model)
    before = [_statistics(layer) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
    with torch.no_grad(), _batch_statistics(layers, momentum=None):
        for part in _batches(images, config.batch_size):
            density(model, part)
    share = config.source_weight / (config.source_weight + len(images))
    for layer, kept in zip(layers, before, strict=True):
        for values, old in zip((layer.running_mean, layer.running_var), kept, strict=True):
            assert values is not None
            values.lerp_(old, share)


def _descend(
    model: nn.Module, images: Float[Tensor, "pictures 3 height width"], config: AdaptationConfig, density: Density
) -> Iterator[float]:
    """Steps of Adam on scales and shifts; yields the entropy of each batch."""
    layers = [layer for layer in model.modules() if isinstance(layer, BatchNorm | nn.GroupNorm | nn.LayerNorm)]
    asked = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.requires_grad_(False)
    chosen = [parameter for layer in layers for parameter in layer.parameters(recurse=False)]
    for parameter in chosen:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(chosen, lr=config.learning_rate)
    generator = torch.Generator().manual_seed(config.seed)
    with torch.enable_grad(), _batch_statistics(_batch_norms(model), momentum=0.0):
        for _ in tqdm(range(config.steps), desc="adapting", unit="step", delay=2.0):
            order = torch.randperm(len(images), generator=generator)[: config.batch_size].to(images.device)
            loss = harmonic_entropy(density(model, images[order]).coeffs.float()).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield float(loss.detach())
    for parameter, wanted in asked.items():
        parameter.requires_grad_(wanted)
        parameter.grad = None


def _answer(model: nn.Module, images: Float[Tensor, "batch 3 height width"]) -> HarmonicDistribution:
    density = model(images)
    if not isinstance(density, HarmonicDistribution):
        raise ValueError(
            f"expected a model that answers with a HarmonicDistribution, got {type(density).__name__}; give density="
        )
    return density


def _check(model: nn.Module, images: Float[Tensor, "pictures 3 height width"]) -> None:
    if len(images) < 2:
        raise ValueError(f"expected at least 2 pictures to adapt to, got {len(images)}; give more")
    if not _batch_norms(model):
        raise ValueError("expected a model with batch normalisation, got one without; take another encoder")


def _batch_norms(model: nn.Module) -> list[BatchNorm]:
    """The layers that keep statistics."""
    found = [layer for layer in model.modules() if isinstance(layer, BatchNorm)]
    return [layer for layer in found if layer.running_mean is not None]


def _statistics(layer: BatchNorm) -> tuple[Tensor, Tensor]:
    """A copy of the means and variances a layer keeps."""
    assert layer.running_mean is not None and layer.running_var is not None
    return layer.running_mean.clone(), layer.running_var.clone()


def _batches(
    images: Float[Tensor, "pictures 3 height width"], size: int
) -> tuple[Float[Tensor, "batch 3 height width"], ...]:
    """Parts of nearly the same size, none of a single picture."""
    return images.tensor_split(-(-len(images) // size))


@contextmanager
def _batch_statistics(layers: list[BatchNorm], momentum: float | None) -> Iterator[None]:
    """Layers that normalise by the batch they see; None averages what they see, 0 leaves the kept statistics alone."""
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = momentum
        layer.train()
    try:
        yield
    finally:
        for layer, kept in zip(layers, before, strict=True):
            layer.momentum = kept
            layer.eval()
