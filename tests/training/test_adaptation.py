"""Adaptation: no labels, the model given stays, statistics are those of the new pictures, entropy falls."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from armillary.data import centre_crop, make_solid, rendered_store
from armillary.data.spacecraft.sensor import blurred
from armillary.distributions import HarmonicDistribution, TurnedGrid
from armillary.distributions.calculus.entropy import harmonic_entropy
from armillary.models import HarmonicRegression, HarmonicRegressionConfig
from armillary.training.adaptation import AdaptationConfig, adapt, estimate_statistics, mean_entropy


@dataclass(frozen=True)
class Trained:
    """A tiny model with pictures of its domain and of another."""

    model: HarmonicRegression
    source: Tensor
    target: Tensor


def shifted(images: Tensor) -> Tensor:
    """Grey, low in contrast and out of focus."""
    grey = images.mean(1)
    dull = 0.35 + 0.4 * blurred(grey, torch.full((len(grey),), 1.0))
    return dull[:, None].expand_as(images).contiguous()


@pytest.fixture(scope="module")
def trained() -> Trained:
    store = rendered_store([make_solid("tet")], 160, size=32, margin=1.1, seed=1, progress=False)
    batch = centre_crop(store, 32)
    torch.manual_seed(0)
    model = HarmonicRegressionConfig(image_size=32, lmax=3).build()
    model.head.training_normaliser = TurnedGrid(level=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    order = torch.Generator().manual_seed(0)
    for _ in range(60):
        chosen = torch.randperm(128, generator=order)[:32]
        loss = -model(batch.images[chosen]).log_prob(batch.rotations[chosen]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < -0.5
    return Trained(model.eval(), batch.images[:128], shifted(batch.images[128:]))


def test_entropy_of_a_new_domain_falls_by_steps_and_the_model_given_stays(trained: Trained) -> None:
    before = copy.deepcopy(trained.model.state_dict())
    found = adapt(trained.model, trained.target, AdaptationConfig(steps=8, learning_rate=2e-3))
    assert all(torch.equal(value, before[name]) for name, value in trained.model.state_dict().items())
    assert found.entropy[2] < found.entropy[1] - 0.05
    assert len(found.curve) == 8 and found.curve[-1] < found.curve[0]
    assert found.entropy[2] == pytest.approx(mean_entropy(found.model, trained.target), abs=1e-6)
    assert not found.model.training and isinstance(found.model, HarmonicRegression)


def test_only_normalisation_changes(trained: Trained) -> None:
    found = adapt(trained.model, trained.target, AdaptationConfig(steps=2))
    norms = {name for name, layer in found.model.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    after = found.model.state_dict()
    for name, value in trained.model.state_dict().items():
        changed = not torch.equal(value, after[name])
        assert changed == (name.rpartition(".")[0] in norms), name
    assert all(parameter.requires_grad and parameter.grad is None for parameter in found.model.parameters())
    assert all(layer.momentum == 0.1 for layer in found.model.modules() if isinstance(layer, nn.BatchNorm2d))


def test_statistics_become_those_of_the_pictures() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3))
    images = torch.rand(40, 3, 8, 8) * torch.tensor([1.0, 2.0, 0.5])[:, None, None]
    estimate_statistics(model, images, AdaptationConfig(batch_size=64, source_weight=0.0), lambda net, x: net(x))
    layer = model[0]
    assert isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and layer.running_var is not None
    assert torch.allclose(layer.running_mean, images.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(layer.running_var, images.transpose(0, 1).flatten(1).var(1), rtol=1e-4)
    # 40 pictures and what 40 others said before: the mean of both.
    estimate_statistics(model, images + 1, AdaptationConfig(source_weight=40.0), lambda net, x: net(x))
    assert torch.allclose(layer.running_mean, images.mean((0, 2, 3)) + 0.5, atol=1e-5)


def test_without_steps_it_is_the_statistics_alone(trained: Trained) -> None:
    found = adapt(trained.model, trained.target, AdaptationConfig(steps=0))
    again = copy.deepcopy(trained.model)
    estimate_statistics(again, trained.target, AdaptationConfig(steps=0))
    assert found.curve == () and found.entropy[1] == found.entropy[2]
    state = again.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in found.model.state_dict().items())


def test_seeds_decide_and_the_global_generator_is_left_alone(trained: Trained) -> None:
    state = torch.get_rng_state()
    first, again, other = (
        adapt(trained.model, trained.target, AdaptationConfig(steps=2, batch_size=16, seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert first.curve == again.curve and first.curve != other.curve


def test_any_module_with_a_density_can_be_adapted(trained: Trained) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = copy.deepcopy(trained.model)

        def forward(self, images: Tensor) -> tuple[HarmonicDistribution, Tensor]:
            return self.inner(images), images.mean()

    plan = AdaptationConfig(steps=1)
    found = adapt(Two(), trained.target, plan, lambda net, images: net(images)[0])
    assert found.entropy == pytest.approx(adapt(trained.model, trained.target, plan).entropy, abs=1e-5)
    with pytest.raises(ValueError, match="expected a model that answers with a HarmonicDistribution, got tuple"):
        adapt(Two(), trained.target, plan)


def test_a_step_goes_down_the_entropy(trained: Trained) -> None:
    """By backward through the model: the gradient of a scale is that of finite differences."""
    model = copy.deepcopy(trained.model)
    images = trained.target[:16]
    harmonic_entropy(model(images).coeffs).mean().backward()
    scale, step = model.head.log_scale, 1e-2
    assert scale.grad is not None
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            scale += sign * step
            values.append(float(harmonic_entropy(model(images).coeffs).mean()))
            scale -= sign * step
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(float(scale.grad), rel=0.01)


def test_what_cannot_be_adapted_is_refused(trained: Trained) -> None:
    with pytest.raises(ValueError, match="expected at least 2 pictures to adapt to, got 1; give more"):
        adapt(trained.model, trained.target[:1])
    with pytest.raises(ValueError, match="expected a model with batch normalisation, got one without"):
        adapt(nn.Linear(1, 1), trained.target)
    with pytest.raises(ValueError, match="expected steps and source_weight of 0 or more"):
        AdaptationConfig(steps=-1)
