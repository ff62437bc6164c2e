"""Spherical embedding: functions of the right degree on the grid, learned from pictures, saved and read."""

import json

import pytest
import torch

from armillary.harmonics import rotate_s2, s2_size
from armillary.models import HarmonicRegressionConfig, SphericalEmbedding, SphericalEmbeddingConfig, read_metadata
from armillary.models.pretrained import from_pretrained
from armillary.nn import make_encoder
from armillary.nn.sphere_map_loss import relative_map_error, weighted_huber
from armillary.so3 import rotation_z

TINY = {"image_size": 32, "channels": 3, "lmax": 3, "latent": 32, "side": 8, "width": 8}
CONFIGS = {
    "sphere": SphericalEmbeddingConfig(**TINY),
    "spectral": SphericalEmbeddingConfig(**TINY, decoder="spectral"),
    "mean": SphericalEmbeddingConfig(**TINY, encoder="small", pooling="mean"),
    "few features": SphericalEmbeddingConfig(**TINY, features=64),
    "resnet": SphericalEmbeddingConfig(**TINY, encoder="resnet18:random"),
    "other sizes": SphericalEmbeddingConfig(**{**TINY, "image_size": 37, "side": 16, "blocks": 2}),
}


def pictures(config: SphericalEmbeddingConfig, count: int = 4) -> torch.Tensor:
    return torch.rand(count, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_map_is_the_function_of_the_coefficients(name):
    torch.manual_seed(0)
    config = CONFIGS[name]
    model, images = config.build().eval(), pictures(config)
    with torch.no_grad():
        coeffs, values = model(images), model.map(images)
    assert coeffs.shape == (4, 3, s2_size(3)) and values.shape == (4, 3, config.side, config.side)
    # Roundings of single precision; the map has no degrees above those of the coefficients.
    assert (model.transform.analysis(values) - coeffs).abs().max() < 1e-5 * coeffs.abs().max()
    # Each picture alone gets the answer it gets in a batch.
    with torch.no_grad():
        assert (model(images[:1]) - coeffs[:1]).abs().max() < 1e-5 * coeffs.abs().max()


@pytest.mark.parametrize("name", ["sphere", "spectral"])
def test_a_batch_can_be_learned_and_gradients_reach_every_parameter(name):
    torch.manual_seed(0)
    config = CONFIGS[name]
    model, images = config.build(), pictures(config, 8)
    target = torch.randn(8, 3, s2_size(3)) / 4
    values, weights = model.transform.synthesis(target), model.transform.polar_weights
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        weighted_huber(model.map(images), values, weights).mean().backward()
        optimizer.step()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in model.parameters())
    # Zeros get 1.
    assert relative_map_error(model(images), target).mean() < 0.3


def test_the_target_of_a_turned_picture_is_a_shifted_map():
    """The sphere's z is the optical axis: turning by a cell of azimuth moves the columns by one."""
    model = CONFIGS["sphere"].build()
    coeffs, cell = torch.randn(3, s2_size(3)), torch.tensor(2 * torch.pi / 8)
    turned = model.transform.synthesis(rotate_s2(coeffs, rotation_z(cell)))
    assert torch.allclose(turned, model.transform.synthesis(coeffs).roll(1, -1), atol=1e-5)


def test_a_long_feature_map_is_mixed_to_fewer_channels_and_a_short_one_left_alone():
    few, many = CONFIGS["few features"].build(), CONFIGS["sphere"].build()
    assert few.bottleneck[0].in_features == 64 and many.bottleneck[0].in_features == 128 * 16
    assert isinstance(many.mixing, torch.nn.Identity)
    assert isinstance(CONFIGS["mean"].build().mixing, torch.nn.Identity)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_model_answers_alike(name, tmp_path):
    config = CONFIGS[name]
    model, images = config.build().train(), pictures(config)
    model(images)  # moves the running statistics away from their start
    model.eval().save_pretrained(tmp_path / "model", {"teacher": "runs/teacher"})
    again = SphericalEmbedding.from_pretrained(tmp_path / "model")
    assert again.config == config and not again.training
    with torch.no_grad():
        assert torch.equal(model(images), again(images))
    assert read_metadata(tmp_path / "model") == {"teacher": "runs/teacher"}
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_loading_looks_for_no_other_weights(tmp_path):
    fields = {"model_type": "resnet", "layer_type": "basic", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]}
    config = SphericalEmbeddingConfig(**TINY, encoder="gone/away")
    SphericalEmbedding(config, make_encoder("any", fields)).save_pretrained(tmp_path)
    assert SphericalEmbedding.from_pretrained(tmp_path).config.encoder == "gone/away"


def test_a_folder_that_is_no_embedding_is_said_in_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a saved model, got no such file; name the folder"):
        SphericalEmbedding.from_pretrained(tmp_path)
    HarmonicRegressionConfig(lmax=2, image_size=32).build().save_pretrained(tmp_path / "rotations")
    with pytest.raises(ValueError, match="rotations: expected a spherical embedding, got 'harmonic_regression'"):
        SphericalEmbedding.from_pretrained(tmp_path / "rotations")
    CONFIGS["sphere"].build().save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="expected a model of rotations, got one of functions on the sphere; use "):
        from_pretrained(tmp_path / "model")
    record = json.loads((tmp_path / "model/config.json").read_text())
    for change, message in {
        "widht": "expected fields of SphericalEmbeddingConfig, got 'widht'; did you mean 'width'",
        "latent": "expected weights that fit config.json, got '.*'; copy or save the model again",
    }.items():
        changed = {**record, "config": {**record["config"], change: 16}}
        (tmp_path / "model/config.json").write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=message) as caught:
            SphericalEmbedding.from_pretrained(tmp_path / "model")
        assert "\n" not in str(caught.value)
    (tmp_path / "model/config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json: expected JSON, got '.*'; save the model again"):
        SphericalEmbedding.from_pretrained(tmp_path / "model")
    (tmp_path / "model/config.json").write_text(json.dumps(record))
    (tmp_path / "model/model.safetensors").write_bytes(b"0" * 100)
    with pytest.raises(ValueError, match="model.safetensors: expected weights that fit config.json, got") as caught:
        SphericalEmbedding.from_pretrained(tmp_path / "model")
    assert "\n" not in str(caught.value)
    (tmp_path / "model/model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="expected the weights, got no such file; copy the whole folder"):
        SphericalEmbedding.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 12}, "expected a side of the map among 4, 8, 16, 32, ..., got 12; use 16"),
        ({"lmax": 4}, "expected lmax from 0 to 3 on a grid of side 8, got 4; choose a finer grid or fewer degrees"),
        ({"latent": 0}, "expected image_size >= 16, and features, channels, latent, width and blocks of at least 1"),
        ({"image_size": 8}, "expected image_size >= 16, .*, got 8, and 2048, 3, 32, 8, 1; correct the configuration"),
        ({"encoder": "smal"}, "got 'smal'; did you mean 'small'"),
    ],
)
def test_what_cannot_be_built_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        SphericalEmbeddingConfig(**{**TINY, **change}).build()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("decoder", "expected a decoder 'sphere' or 'spectral', got 'conv'; use 'sphere'"),
        ("pooling", "expected pooling 'flatten' or 'mean', got 'conv'; use 'flatten'"),
    ],
)
def test_an_unknown_choice_is_said(field, message):
    config = SphericalEmbeddingConfig(**TINY)
    # Past the type checks of the test run, which ordinary use does not have.
    object.__setattr__(config, field, "conv")
    with pytest.raises(ValueError, match=message):
        config.__post_init__()


def test_pictures_of_another_size_are_said():
    with pytest.raises(ValueError, match="expected images of 32 x 32 px, got 48 x 48; resize them"):
        CONFIGS["sphere"].build()(torch.rand(1, 3, 48, 48))
