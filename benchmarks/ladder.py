"""From the original Image2Sphere to ours, one repair at a time: each rung keeps those before it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from armillary.models import HarmonicRegressionConfig, Image2SphereConfig
from armillary.training import TrainConfig
from armillary.training.recipes import STILL
from armillary.training.recipes.image2sphere import faithful

# Learning rates of SGD tried beside the published 0.001, which is for pretrained weights; the best one is `tuned`.
OTHER_RATES = (0.01, 0.03, 0.1)
TUNED_RATE = 0.03


@dataclass(frozen=True)
class Rung:
    """A configuration of the comparison."""

    # What it changes, for the table.
    change: str
    config: TrainConfig
    # Read 20 fresh random points at each forward in evaluation too, as the original.
    random_answers: bool = False
    # The rung whose weights it takes, where only the evaluation differs.
    weights_of: str | None = None


def ladder(encoder: str, image_size: int, steps: int, seed: int, equivalent_labels: bool = False) -> Mapping[str, Rung]:
    """All rungs with one encoder, one size of picture, one number of steps and one policy of labels.

    Example:
        >>> [name for name in ladder("small-fine", 48, 1000, 0)][0]
        'published'
    """
    start = faithful(encoder)
    assert isinstance(start.model, Image2SphereConfig)
    original = replace(start.model, image_size=image_size, sphere_channels=128)
    budget = {"epochs": None, "steps": steps, "seed": seed, "equivalent_labels": equivalent_labels}
    published = replace(start, model=original, log_every=100, **budget)
    tuned = replace(published, learning_rate=TUNED_RATE)
    adam = replace(
        tuned,
        optimizer="adamw",
        learning_rate=2e-3,
        weight_decay=1e-2,
        schedule="cosine",
        warmup_steps=100,
        clip=1.0,
    )
    exact = replace(adam, loss="likelihood")
    layers = replace(exact, model=Image2SphereConfig(encoder=encoder, image_size=image_size, axis="y"))
    optical = replace(exact, model=Image2SphereConfig(encoder=encoder, image_size=image_size))
    finer = replace(exact, model=Image2SphereConfig(encoder=encoder, image_size=image_size, lmax=8))
    plain = replace(exact, model=HarmonicRegressionConfig(encoder=encoder, image_size=image_size, lmax=6))
    rungs = {
        "published": Rung("as published: SGD, learning rate 0.001", published, random_answers=True),
        **{
            f"rate-{rate:g}": Rung(
                f"learning rate {rate:g}", replace(published, learning_rate=rate), random_answers=True
            )
            for rate in OTHER_RATES
        },
        "tuned": Rung(f"the best of these, {TUNED_RATE:g}", tuned, random_answers=True),
        "deterministic": Rung("all points in evaluation", tuned, weights_of="tuned"),
        "optimiser": Rung("AdamW, 0.002, cosine to zero", adam),
        "likelihood": Rung("exact likelihood for cross entropy on level 3", exact),
        "layers": Rung("our layers: all points in training too, filters by distinct points, learned scale", layers),
        "axis": Rung("lift about the optical axis", optical),
        "lmax": Rung("lmax 8 for 6: ours", finer),
        "plain": Rung("the plain head of ours (HarmonicRegression, lmax 6)", plain),
    }
    assert all(rung.config.augmentation == replace(STILL, size=image_size) for rung in rungs.values())
    return MappingProxyType(rungs)
