"""Fresh models to train: ours as they are built or with a trained encoder, the original Image2Sphere as it begins.

What the original computes is in `Image2SphereConfig(original=True)`; how it begins matters to its plain gradient
descent too, since a filter that starts ten times smaller learns at another pace:

- its encoder sees pixels in [0, 1], without subtracting ImageNet's mean;
- its global filter is drawn by He's rule (He et al., 2015), ours from the standard normal distribution;
- nothing scales its output, and it divides by the root of the number of points in use, of which training has 20.
"""

import math
from pathlib import Path

import torch
from torch import nn

from armillary.models import Image2SphereConfig, from_pretrained
from armillary.models.image2sphere import Image2Sphere
from armillary.models.model import Model
from armillary.models.original_checkpoint import e3nn_gain
from armillary.nn import SpatialLift, TransformersEncoder, make_encoder
from armillary.nn.activation import second_moment_gain
from armillary.training.config import ModelConfig


def build_model(config: ModelConfig, encoder_of: str = "") -> Model:
    """The model of a configuration, ready to be trained; it draws from torch's global generator.

    Args:
        config: What to build.
        encoder_of: Folder of a saved model of any kind whose encoder's weights to begin with; empty: none.

    Example:
        >>> from armillary.models import HarmonicRegressionConfig
        >>> build_model(HarmonicRegressionConfig(lmax=2)).config.lmax
        2
    """
    model = _original(config) if isinstance(config, Image2SphereConfig) and config.original else config.build()
    if encoder_of:
        copy_encoder(model, Path(encoder_of))
    return model


def copy_encoder(model: Model, folder: Path) -> None:
    """Give a model the weights of a saved model's encoder: what that one has learned about pictures, whatever its head.

    Example:
        >>> import tempfile
        >>> from armillary.models import HarmonicRegressionConfig, SphericalRegressionConfig
        >>> saved, model = HarmonicRegressionConfig(lmax=2).build(), SphericalRegressionConfig().build()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved.save_pretrained(folder)
        ...     copy_encoder(model, Path(folder))
        >>> torch.equal(next(model.encoder.parameters()), next(saved.encoder.parameters()))
        True
    """
    other = from_pretrained(folder)
    shapes, theirs = ({key: value.shape for key, value in each.encoder.state_dict().items()} for each in (model, other))
    if shapes != theirs:
        raise ValueError(
            f"{folder}: expected an encoder of the same layers, got {other.config.encoder} for {model.config.encoder}; "
            f"set --encoder {other.config.encoder}, or name another model"
        )
    model.encoder.load_state_dict(other.encoder.state_dict())


def _original(config: Image2SphereConfig) -> Image2Sphere:
    encoder = make_encoder(config.encoder)
    if isinstance(encoder, TransformersEncoder):
        encoder = TransformersEncoder(encoder.backbone, normalise=False)
    model = Image2Sphere(config, encoder)
    weight = model.sphere_convolution.filter.weight
    assert isinstance(weight, nn.Parameter)
    nn.init.kaiming_uniform_(weight)
    scale = e3nn_gain() / second_moment_gain(torch.relu)
    if isinstance(model.lift, SpatialLift) and model.lift.training_points is not None:
        scale *= math.sqrt(model.lift.training_points / len(model.lift.basis))
    with torch.no_grad():
        model.head.log_scale.fill_(math.log(scale))
    model.head.log_scale.requires_grad_(False)
    return model
