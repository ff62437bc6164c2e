"""Fresh models to train: ours as they are built, the original Image2Sphere as it begins.

What the original computes is in `Image2SphereConfig(original=True)`; how it begins matters to its plain gradient
descent too, since a filter that starts ten times smaller learns at another pace:

- its encoder sees pixels in [0, 1], without subtracting ImageNet's mean;
- its global filter is drawn by He's rule (He et al., 2015), ours from the standard normal distribution;
- nothing scales its output, and it divides by the root of the number of points in use, of which training has 20.
"""

import math

import torch
from torch import nn

from armillary.models import Image2SphereConfig
from armillary.models.image2sphere import Image2Sphere
from armillary.models.model import Model
from armillary.models.original_checkpoint import e3nn_gain
from armillary.nn import SpatialLift, TransformersEncoder, make_encoder
from armillary.nn.activation import second_moment_gain
from armillary.training.config import ModelConfig


def build_model(config: ModelConfig) -> Model:
    """The model of a configuration, ready to be trained; it draws from torch's global generator.

    Example:
        >>> from armillary.models import HarmonicRegressionConfig
        >>> build_model(HarmonicRegressionConfig(lmax=2)).config.lmax
        2
    """
    if isinstance(config, Image2SphereConfig) and config.original:
        return _original(config)
    return config.build()


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
