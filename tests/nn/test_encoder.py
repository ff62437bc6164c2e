"""Laws of the encoders: shapes, size, finite gradients, names, and one-line errors."""

import json

import pytest
import torch

from armillary.nn import ENCODERS, SmallEncoder, TransformersEncoder, make_encoder
from armillary.nn.encoder import map_size

# Small architectures of each family, so that the test stays fast; the table's own are built in the docs.
FAMILIES = {
    "resnet": {"model_type": "resnet", "layer_type": "basic", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]},
    "convnext": {"model_type": "convnext", "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]},
    "dinov2": {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "vit": {"model_type": "vit", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    "swin": {"model_type": "swin", "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2]},
}
MAKERS = {
    "small": SmallEncoder,
    "small, group norm": lambda: SmallEncoder(norm="group"),
    "small, stride 8": lambda: SmallEncoder(stride=8),
    **{name: (lambda fields=fields: make_encoder("any", fields)) for name, fields in FAMILIES.items()},
}


@pytest.mark.parametrize("name", MAKERS)
def test_an_encoder_gives_a_map_with_its_channels_and_gradients(name):
    encoder = MAKERS[name]()
    features = encoder(torch.rand(2, 3, 64, 64))
    assert features.shape == (2, encoder.channels, *map_size(encoder, 64))
    features.square().mean().backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", MAKERS)
def test_each_image_is_encoded_on_its_own_in_eval_mode(name):
    encoder, images = MAKERS[name]().eval(), torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together, alone = encoder(images), torch.cat([encoder(image[None]) for image in images])
    # float32 sums in another order: a few hundred products of numbers of size 1.
    assert (together - alone).abs().max() < 1e-4 * together.abs().max()


def test_the_small_encoder_is_small():
    assert sum(p.numel() for p in SmallEncoder().parameters()) <= 1_500_000
    assert map_size(SmallEncoder(), 48) == (3, 3) and map_size(SmallEncoder(stride=8), 64) == (8, 8)


def test_the_size_of_the_map_is_found_without_touching_the_encoder():
    encoder = SmallEncoder().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    map_size(encoder, 48)
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_load_from_a_local_folder(name, tmp_path):
    saved = MAKERS[name]().eval()
    saved.backbone.save_pretrained(tmp_path)
    loaded, images = make_encoder(str(tmp_path)).eval(), torch.rand(1, 3, 64, 64)
    assert torch.equal(saved(images), loaded(images))
    fresh = make_encoder(f"{tmp_path}:random").eval()
    assert not torch.equal(saved(images), fresh(images))


def test_an_architecture_is_json_and_rebuilds_the_encoder():
    encoder = MAKERS["resnet"]()
    again = make_encoder("owner/anything", json.loads(json.dumps(encoder.architecture)))
    again.load_state_dict(encoder.state_dict(), strict=True)


def test_pixels_are_normalised_only_when_asked():
    backbone, images = MAKERS["resnet"]().backbone.eval(), torch.rand(1, 3, 64, 64)
    raw, normalised = (TransformersEncoder(backbone, normalise=choice).eval() for choice in (False, True))
    assert torch.equal(raw((images - normalised.mean) / normalised.std), normalised(images))


def test_an_unknown_name_suggests_the_closest():
    with pytest.raises(ValueError, match="got 'resnet81'; did you mean 'resnet18'"):
        make_encoder("resnet81")
    with pytest.raises(ValueError, match="expected ':random' or nothing .*, got 'small:rand'"):
        make_encoder("small:rand")
    assert "small" in ENCODERS


def test_missing_weights_are_one_line_that_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an encoder's folder at .*nowhere, got no such folder"):
        make_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="expected config.json in the encoder's folder"):
        make_encoder(f"{tmp_path}:random")
    with pytest.raises(FileNotFoundError, match="name a folder with config.json and model.safetensors") as caught:
        make_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_weights_that_lack_a_tensor_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    MAKERS["resnet"]().backbone.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    removed = next(key for key in weights if key.endswith("convolution.weight"))
    del weights[removed]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FileNotFoundError, match="lack 1 tensors"):
        make_encoder(str(tmp_path))


@pytest.mark.parametrize("width", [0, 12])
def test_an_impossible_width_is_refused(width):
    with pytest.raises(ValueError, match=f"positive multiple of 8, got {width}"):
        SmallEncoder(width)
