"""View synthesis: pictures from coefficients, the poles in the encoder, learning, saving, and what is refused."""

import pytest
import torch

from armillary.harmonics import rotate_s2
from armillary.models import from_pretrained
from armillary.models.view_synthesis import GridEncoder, ViewSynthesisConfig, ViewSynthesiser
from armillary.so3 import rotation_z
from armillary.training.picture_loss import picture_loss

TINY = {"channels": 4, "lmax": 3, "image_size": 16, "latent": 32, "encoder_widths": (8,), "widths": (8, 8)}
CONFIGS = {
    "grid": ViewSynthesisConfig(**TINY, encoder="grid"),
    "spectral": ViewSynthesisConfig(**TINY),
    "48 px": ViewSynthesisConfig(**{**TINY, "image_size": 48, "widths": (16, 8, 8, 8)}),
    "two halvings": ViewSynthesisConfig(**{**TINY, "encoder_widths": (4, 8)}, encoder="grid"),
}


def coefficients(config: ViewSynthesisConfig, count: int = 3) -> torch.Tensor:
    """Of unit variance."""
    return torch.randn(count, config.channels, (config.lmax + 1) ** 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CONFIGS)
def test_answers_are_pictures_and_eval_looks_at_each_alone(name):
    config = CONFIGS[name]
    model, coeffs = config.build().eval(), coefficients(config)
    with torch.no_grad():
        pictures, alone = model(coeffs), model(coeffs[1:2])
    assert pictures.shape == (3, 3, config.image_size, config.image_size)
    assert (pictures > 0).all() and (pictures < 1).all()
    # Sums of some hundred products in single precision, in another order.
    assert (pictures[1:2] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("widths", [(8,), (4, 8)])
def test_convolutions_of_the_encoder_turn_with_the_map_about_the_pole(widths):
    config = ViewSynthesisConfig(**{**TINY, "encoder_widths": widths}, encoder="grid")
    encoder, coeffs = GridEncoder(config).eval(), coefficients(config)
    # Turned by so many cells as the halvings take together, the last map moves by one.
    cells = 2 ** len(widths)
    turned = rotate_s2(coeffs, rotation_z(torch.tensor(2 * torch.pi * cells / config.rings)))
    maps: list[torch.Tensor] = []
    encoder.last.register_forward_pre_hook(lambda _, given: maps.append(given[0]))
    with torch.no_grad():
        for each in (turned, coeffs):
            encoder(each)
    after, before = (flat.unflatten(1, (widths[-1], config.rings // cells, -1)) for flat in maps)
    # Roundings of the transform and two convolutions, values of about 1.
    assert (after - before.roll(1, -1)).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["grid", "spectral"])
def test_a_batch_can_be_learned(name):
    torch.manual_seed(0)
    config = CONFIGS[name]
    model, coeffs = config.build(), coefficients(config, 4)
    truth = torch.nn.functional.interpolate(torch.rand(4, 3, 4, 4), config.image_size, mode="bilinear")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss = picture_loss(model(coeffs), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # A sixth of the loss is the mean error, which no picture of one colour brings below 0.2.
    assert losses[0] > 0.7 and losses[-1] < 0.25


@pytest.mark.parametrize("name", ["grid", "spectral"])
def test_a_saved_model_draws_alike(name, tmp_path):
    model = CONFIGS[name].build().eval()
    model.save_pretrained(tmp_path / "model", {"trained_on": "zoo"})
    again = ViewSynthesiser.from_pretrained(tmp_path / "model")
    assert again.config == model.config and not again.training
    coeffs = coefficients(model.config)
    assert torch.equal(again(coeffs), model(coeffs))


def test_half_precision_draws_nearly_the_same_and_answers_in_full():
    for name in ("grid", "spectral"):
        model, coeffs = CONFIGS[name].build().eval(), coefficients(CONFIGS[name])
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(coeffs)
        assert half.dtype == torch.float32
        # Untrained logits are below 1 and have 8 bits.
        assert (half - model(coeffs)).abs().max() < 0.02


def test_gradients_reach_the_coefficients():
    coeffs = coefficients(CONFIGS["grid"]).requires_grad_()
    CONFIGS["grid"].build()(coeffs).sum().backward()
    assert coeffs.grad is not None and (coeffs.grad.abs().amax((1, 2)) > 0).all()


def test_a_palette_colours_what_the_coefficients_draw(tmp_path):
    config = ViewSynthesisConfig(**TINY, palette=3)
    model, coeffs = config.build().eval(), coefficients(config)
    model.save_pretrained(tmp_path)
    red, blue = (torch.eye(3)[colour][None, :, None, None].expand(3, 3, 16, 16) for colour in (0, 2))
    drawn = [model(coeffs, model.colours(picture)) for picture in (red, blue, red.rot90(1, (2, 3)))]
    assert torch.equal(drawn[0], drawn[2]) and not torch.allclose(drawn[0], drawn[1], atol=1e-3)
    assert torch.equal(ViewSynthesiser.from_pretrained(tmp_path)(coeffs, model.colours(red)), drawn[0])
    with pytest.raises(ValueError, match="expected colours with palette 3, got none"):
        model(coeffs)
    plain = CONFIGS["spectral"].build()
    assert plain.colours(red) is None
    with pytest.raises(ValueError, match="expected no colours with palette 0, got some"):
        plain(coeffs, model.colours(red))


def test_other_models_and_coefficients_are_refused(tmp_path):
    from armillary.models.normal_regression import NormalRegressionConfig

    NormalRegressionConfig(height=32, width=32, channels=8).build().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected a model that draws views, got 'normal_regression'"):
        ViewSynthesiser.from_pretrained(tmp_path)
    CONFIGS["grid"].build().save_pretrained(tmp_path / "views")
    with pytest.raises(ValueError, match="got one of pictures; use `armillary turn` with it"):
        from_pretrained(tmp_path / "views")
    with pytest.raises(FileNotFoundError, match="expected a saved model"):
        ViewSynthesiser.from_pretrained(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"expected coefficients \(batch, 4, 16\), got \(3, 4, 9\)"):
        CONFIGS["grid"].build()(torch.zeros(3, 4, 9))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        # The type of a Literal is checked in tests before the value is; both refuse.
        ({"encoder": "planar"}, "expected encoder among spectral, grid, got 'planar'|type"),
        ({"image_size": 50}, "expected an image_size that is a multiple of 4 with 2 widths, got 50; use 48"),
        ({"image_size": 2}, "use 4"),
        ({"lmax": 2, "encoder_widths": (4, 4), "encoder": "grid"}, "rings that can be halved 2 times, got 6"),
        ({"widths": ()}, "widths of at least 1"),
        ({"palette": 1}, "expected a palette of 0 or at least 2 levels, got 1"),
        ({"latent": 0}, "latent and widths of at least 1"),
    ],
)
def test_impossible_configurations_are_refused(fields, message):
    with pytest.raises(Exception, match=message):
        ViewSynthesisConfig(**{**TINY, **fields})
