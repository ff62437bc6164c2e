"""Laws of saved models: bitwise the same after loading, complete or absent, and clear about what is wrong."""

import json

import pytest
import torch

from armillary.models import (
    HarmonicRegression,
    HarmonicRegressionConfig,
    Image2Sphere,
    Image2SphereConfig,
    SphericalRegressionConfig,
    ViewpointRegressionConfig,
    from_pretrained,
    read_metadata,
)
from armillary.models.pretrained import KINDS, config_from_dict, config_to_dict
from armillary.so3 import random_rotations

CONFIGS = {
    "harmonic_regression": HarmonicRegressionConfig(lmax=2, image_size=32),
    "image2sphere": Image2SphereConfig(lmax=2, image_size=32, sphere_channels=8, so3_channels=2),
    "image2sphere, resnet": Image2SphereConfig(lmax=2, image_size=64, sphere_channels=8, encoder="resnet18:random"),
    "spherical_regression": SphericalRegressionConfig(image_size=32, hidden=32),
    "spherical_regression, direct": SphericalRegressionConfig(image_size=32, hidden=32, kind="direct"),
    "viewpoint_regression": ViewpointRegressionConfig(image_size=32, hidden=32),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_loaded_model_is_bitwise_the_saved_one(name, tmp_path):
    model = CONFIGS[name].build().train()
    images = torch.rand(2, 3, model.config.image_size, model.config.image_size)
    model(images)  # moves the running statistics away from their start
    model = model.to(memory_format=torch.channels_last).eval()
    model.save_pretrained(tmp_path / "model", {"name": "solids", "categories": ["tet"]})
    loaded = type(model).from_pretrained(tmp_path / "model")
    assert loaded.config == model.config and not loaded.training
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    with torch.no_grad():
        rotations = random_rotations(2)
        saved = model.to(memory_format=torch.contiguous_format)(images).log_prob(rotations)
        assert torch.equal(loaded(images).log_prob(rotations), saved)
    assert read_metadata(tmp_path / "model") == {"name": "solids", "categories": ["tet"]}
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def test_loading_looks_for_no_other_weights(tmp_path):
    """A model whose encoder came from a folder loads after that folder is gone."""
    from armillary.nn import make_encoder

    fields = {"model_type": "resnet", "layer_type": "basic", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]}
    config = HarmonicRegressionConfig(lmax=2, image_size=64, encoder="gone/away")
    HarmonicRegression(config, make_encoder("any", fields)).save_pretrained(tmp_path)
    assert from_pretrained(tmp_path).config.encoder == "gone/away"


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_round_trip_through_json(name):
    assert config_from_dict(json.loads(json.dumps(config_to_dict(CONFIGS[name])))) == CONFIGS[name]


def test_every_kind_builds_its_own_model():
    for kind, model in KINDS.items():
        assert config_to_dict(model.config_type())["kind"] == kind
        assert type(model.config_type().build()) is model


def test_a_wrong_class_an_unknown_kind_and_an_unknown_field_are_named(tmp_path):
    CONFIGS["harmonic_regression"].build().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected a model of kind image2sphere, got 'harmonic_regression'"):
        Image2Sphere.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="got 'image2spere'; did you mean 'image2sphere'"):
        config_from_dict({"kind": "image2spere"})
    with pytest.raises(ValueError, match="got 'imagesize'; did you mean 'image_size'"):
        config_from_dict({"kind": "image2sphere", "config": {"imagesize": 3}})


def test_a_model_of_surface_normals_is_told_where_it_belongs():
    with pytest.raises(ValueError, match="got one of surface normals; use `armillary normals` with it"):
        config_from_dict({"kind": "normal_regression"})


def test_missing_and_broken_files_are_one_line_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json: expected a saved model, got no such file"):
        from_pretrained(tmp_path)
    CONFIGS["harmonic_regression"].build().save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="expected weights that fit") as caught:
        from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="model.safetensors: expected the weights, got no such file"):
        from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json: expected JSON"):
        from_pretrained(tmp_path)


def test_weights_of_another_configuration_are_refused(tmp_path):
    CONFIGS["harmonic_regression"].build().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    record = json.loads(path.read_text())
    record["config"]["lmax"] = 3
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match="expected weights that fit .*save the model again"):
        from_pretrained(tmp_path)


def test_metadata_that_is_no_json_leaves_the_folder_as_it_was(tmp_path):
    model = CONFIGS["harmonic_regression"].build()
    model.save_pretrained(tmp_path, {"name": "first"})
    with pytest.raises(TypeError):
        model.save_pretrained(tmp_path, {"name": object()})
    assert read_metadata(tmp_path) == {"name": "first"}
    assert len(list(tmp_path.iterdir())) == 2
