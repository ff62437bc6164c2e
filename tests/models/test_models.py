"""Laws that every model keeps: a valid distribution, eval deterministic and row by row, one batch can be learned."""

import pytest
import torch

from armillary.distributions import SO3Distribution
from armillary.models import (
    HarmonicRegressionConfig,
    Image2Sphere,
    Image2SphereConfig,
    SphericalRegressionConfig,
    ViewpointRegressionConfig,
)
from armillary.nn import Encoder
from armillary.so3 import geodesic_distance, random_rotations, rotation_defect, rotation_z

SMALL = {"lmax": 3, "image_size": 32}
TINY = {**SMALL, "sphere_channels": 16, "so3_channels": 4}
CONFIGS = {
    "harmonic regression": HarmonicRegressionConfig(**SMALL),
    "harmonic regression, hidden, mean": HarmonicRegressionConfig(**SMALL, pooling="mean", hidden=64),
    "harmonic regression, categories": HarmonicRegressionConfig(**SMALL, hidden=64, categories=3),
    "image2sphere": Image2SphereConfig(**TINY),
    "image2sphere, deeper": Image2SphereConfig(**TINY, so3_layers=3, training_points=20),
    "image2sphere, harmonic": Image2SphereConfig(
        **TINY, lift="harmonic", sphere_filter="harmonic", so3_filter="harmonic"
    ),
    "image2sphere, categories, pole y": Image2SphereConfig(**TINY, categories=3, axis="y"),
    "image2sphere, original": Image2SphereConfig(**TINY, axis="y", original=True, sphere_filter="harmonic"),
    "image2sphere, original, harmonic": Image2SphereConfig(**TINY, axis="y", original=True, lift="harmonic"),
    "image2sphere, resnet": Image2SphereConfig(**{**TINY, "image_size": 64}, encoder="resnet18:random"),
    "spherical regression": SphericalRegressionConfig(image_size=32, hidden=64),
    "spherical regression, categories, mean": SphericalRegressionConfig(
        image_size=32, hidden=64, categories=3, pooling="mean", regression="squares"
    ),
    "spherical regression, flat": SphericalRegressionConfig(image_size=32, hidden=64, kind="flat"),
    "spherical regression, direct": SphericalRegressionConfig(image_size=32, hidden=64, kind="direct"),
    "viewpoint regression": ViewpointRegressionConfig(image_size=32, hidden=64, near=0.2, turned_tilt=True),
    "viewpoint regression, categories, mean": ViewpointRegressionConfig(
        image_size=32, hidden=64, categories=3, pooling="mean", dropout=0.5
    ),
    "viewpoint regression, flat": ViewpointRegressionConfig(image_size=32, hidden=64, kind="flat"),
}


def batch(config, size: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random images, rotations and categories; the images tell the rotations apart."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(size, 3, config.image_size, config.image_size, generator=generator)
    return images, random_rotations(size, generator=generator), torch.arange(size) % 3


@pytest.mark.parametrize("name", CONFIGS)
def test_the_output_is_a_distribution_over_rotations(name):
    model, (images, rotations, category) = CONFIGS[name].build().eval(), batch(CONFIGS[name])
    with torch.no_grad():
        density = model(images, category)
    assert isinstance(density, SO3Distribution)
    assert density.batch_shape == (4,) and density.event_shape == (3, 3)
    assert density.log_prob(rotations).isfinite().all()
    # float32 rounding of a matrix product.
    assert rotation_defect(density.mode).max() < 1e-5
    assert (density.entropy() <= 1e-4).all(), "no density has more entropy than the uniform one"


@pytest.mark.parametrize("name", CONFIGS)
def test_eval_is_deterministic_and_does_not_depend_on_the_batch(name):
    model, (images, rotations, category) = CONFIGS[name].build().eval(), batch(CONFIGS[name])
    with torch.no_grad():
        first, again = (model(images, category).log_prob(rotations) for _ in range(2))
        alone = torch.cat(
            [model(images[i : i + 1], category[i : i + 1]).log_prob(rotations[i : i + 1]) for i in range(4)]
        )
    assert torch.equal(first, again)
    # float32 sums of some hundred terms in another order, at log-densities of size 1.
    assert (first - alone).abs().max() < 1e-3


@pytest.mark.parametrize("name", ["harmonic regression", "image2sphere", "image2sphere, harmonic"])
def test_one_batch_can_be_learned(name):
    config = CONFIGS[name]
    model, (images, rotations, category) = config.build().train(), batch(config)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        optimiser.zero_grad()
        loss = -model(images, category).log_prob(rotations).mean()
        loss.backward()
        optimiser.step()
    # Modes in training mode, because batch statistics of four images are not the running ones.
    error = geodesic_distance(model(images, category).mode, rotations)
    assert loss < -2.5 and error.max() < 0.2, (loss.item(), error)


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_reach_every_parameter(name):
    model, (images, rotations, category) = CONFIGS[name].build().train(), batch(CONFIGS[name])
    (-model(images, category).log_prob(rotations).mean()).backward()
    missing = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing


class PatchMeans(Encoder):
    """An encoder that a quarter turn passes through: means of 4 x 4 patches."""

    channels = 3

    def forward(self, images):
        """The means."""
        return torch.nn.functional.avg_pool2d(images, 4)


@pytest.mark.parametrize("lmax", [3, 6])
def test_a_quarter_turn_of_the_picture_turns_the_density_about_the_optical_axis(lmax):
    """The lift's frame, end to end; `PatchMeans` stands for an equivariant encoder."""
    config = Image2SphereConfig(**{**TINY, "lmax": lmax}, so3_layers=2)
    model, (images, rotations, _) = Image2Sphere(config, PatchMeans()).eval(), batch(config)
    quarter = rotation_z(torch.tensor(torch.pi / 2))
    with torch.no_grad():
        density, turned = model(images * 10), model(torch.rot90(images * 10, -1, (-2, -1)))
        log_prob = density.log_prob(rotations)
        # Camera x (right) goes to camera y (down): R becomes Rz(90 degrees) R.
        assert (turned.log_prob(quarter @ rotations) - log_prob).abs().max() < 1e-3 * (1 + log_prob.abs().max())
        assert (turned.log_prob(rotations) - log_prob).abs().max() > 1e-2, "the density does turn"


def test_lmax_goes_up_to_16():
    model = Image2SphereConfig(**{**TINY, "lmax": 16}).build().train()
    images, rotations, _ = batch(model.config, 2)
    (-model(images).log_prob(rotations).mean()).backward()
    assert model.sphere_convolution.filter.weight.grad.isfinite().all()


def test_coefficients_are_float32_under_autocast():
    for name in ("harmonic regression", "image2sphere"):
        model, (images, _, _) = CONFIGS[name].build(), batch(CONFIGS[name])
        with torch.autocast("cpu", torch.bfloat16):
            density = model(images)
        assert density.coeffs.dtype == torch.float32


def test_a_category_changes_the_answer_and_its_absence_is_an_error():
    config = CONFIGS["harmonic regression, categories"]
    model, (images, _, category) = config.build().eval(), batch(config)
    assert not torch.equal(model(images, category).coeffs, model(images, (category + 1) % 3).coeffs)
    with pytest.raises(ValueError, match="expected the category of each image"):
        model(images)


def test_images_of_another_size_are_an_error_that_names_the_size():
    model = CONFIGS["harmonic regression"].build()
    with pytest.raises(ValueError, match="expected images of 32 x 32 px, got 40 x 24; resize them"):
        model(torch.rand(1, 3, 40, 24))


@pytest.mark.parametrize("values", [{"lmax": 0}, {"image_size": 8}, {"categories": 2}])
def test_impossible_configurations_are_refused(values):
    with pytest.raises(ValueError, match="expected .*, got"):
        HarmonicRegressionConfig(**values)
