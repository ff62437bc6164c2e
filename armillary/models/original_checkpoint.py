r"""Checkpoints of the original Image2Sphere, https://github.com/dmklee/image2sphere, as models of ours.

Every key of the file is either a weight that is used, a constant that is computed anew, or a mistake that is named:

    encoder.layers.{0,1,4..7}...                     a torchvision ResNet
    projector.{weight, conv1x1.weight, conv1x1.bias}  the spatial lift, or
    projector.{lin1, lin2}.{weight, bias}             the harmonic one
    feature_sphere.weight (+ Y)                       the global filter, by coefficients (or by values at 48 points)
    so3_conv.w                                        the local filter, values at 168 points
    output_*, *.Y, *.D, *.bias of 8 x 64, ...         constants, and biases that the original never adds

Two scalings of e3nn are folded into weights: its activation's gain is the inverse root of a sampled second moment, and
on the sphere it weighs degree l by 1 / sqrt((2l+1)(lmax+1)) before the activation and undoes that after it.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from armillary.harmonics import s2_lmax, s2_size
from armillary.models.image2sphere import Image2Sphere, Image2SphereConfig
from armillary.nn import make_encoder
from armillary.nn.activation import second_moment_gain
from armillary.nn.filter import sphere_basis

Weights = dict[str, Tensor]
Take = Callable[[str], Tensor]  # a weight by its key, noted as used

# Computed anew: grids, harmonics at points, quadrature; and what the original keeps but never uses.
CONSTANT = re.compile(
    r"output_(wigners|rotmats)|.*\.(Y|D|qw|alpha|beta|gamma|alphas|betas|sha|shb|output_mask|num_batches_tracked)"
    r"|feature_sphere\.bias|o3_conv\.(weight|bias)|so3_conv\.lin\.(weight|bias)|.*\.(to_s2|from_s2)\..*"
    r"|.*norm_act\..*|so3_activation\..*"
)
ENCODERS: dict[tuple[int, ...], str] = {(2, 2, 2, 2): "resnet18", (3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}
IMAGE_SIZE = 224
GLOBAL_POINTS = 48


def read_original(path: str | Path) -> Weights:
    """The weights in a checkpoint file, read without unpickling anything but tensors and plain containers."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a checkpoint of the original Image2Sphere, got no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: expected a file of tensors alone, got '{reason}'; save its state_dict") from error
    weights = content.get("model_state_dict", content) if isinstance(content, dict) else content
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(
            f"{path}: expected a dictionary of tensors or one under 'model_state_dict', got another; save it"
        )
    return {key.removeprefix("module."): value for key, value in weights.items()}


def convert_original(weights: Weights) -> Image2Sphere:
    """The model that computes what the original computes with these weights, in eval mode and on all sphere points.

    Its ``log_prob`` differences are the original's logit differences, in the original's label frame.

    Args:
        weights: Of `read_original`.
    """
    config = infer_config(weights)
    used: set[str] = set()

    def take(key: str) -> Tensor:
        if key not in weights:
            raise ValueError(f"expected {key} in the checkpoint, got none; it is not one of the original Image2Sphere")
        used.add(key)
        return weights[key].float()

    model = Image2Sphere(config, make_encoder(config.encoder, _encoder_architecture(config)))
    state = _encoder_state(weights, take) | _lift_state(config, take) | _filter_state(config, take)
    gain = e3nn_gain() / second_moment_gain(torch.relu)
    state["head.log_scale"] = torch.tensor(math.log(gain))
    unknown = [key for key in weights if key not in used and not CONSTANT.fullmatch(key)]
    if unknown:
        raise ValueError(f"expected the keys of the original Image2Sphere, got also {unknown[0]} ({len(unknown)} such)")
    _load(model, state)
    return model.eval()


def infer_config(weights: Weights) -> Image2SphereConfig:
    """The configuration that the shapes in a checkpoint speak of."""
    for key in ("encoder.layers.0.weight", "feature_sphere.weight", "so3_conv.w"):
        if key not in weights:
            raise ValueError(f"expected {key} in the checkpoint, got none; it is not one of the original Image2Sphere")
    spatial = "projector.weight" in weights
    first = weights["projector.conv1x1.weight" if spatial else "projector.lin1.weight"]
    sphere_channels, so3_channels, size = weights["feature_sphere.weight"].shape
    points = "feature_sphere.Y" in weights
    encoder, channels = _encoder_name(weights)
    return Image2SphereConfig(
        encoder=encoder,
        image_size=IMAGE_SIZE,
        lmax=s2_lmax(weights["feature_sphere.Y"].shape[1] if points else size),
        lift="spatial" if spatial else "harmonic",
        axis="y",
        training_points=20 if spatial else None,
        sphere_channels=sphere_channels,
        so3_channels=so3_channels,
        # A harmonic lift needs a factor on each degree of the filter, which values at points cannot hold.
        sphere_filter="spatial" if points and spatial else "harmonic",
        so3_filter="spatial",
        categories=first.shape[1] - channels,
        original=True,
    )


def e3nn_gain() -> float:
    """The factor e3nn puts after a ReLU: from the second moment of a million normal numbers of seed 0.

    Example:
        >>> round(e3nn_gain(), 4)
        1.4163
    """
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    return torch.relu(z).square().mean().pow(-0.5).item()


def _encoder_name(weights: Weights) -> tuple[str, int]:
    """Name in our table, with random weights, and output channels."""
    blocks = {match.groups() for key in weights if (match := re.match(r"encoder\.layers\.([4-7])\.(\d+)\.conv1", key))}
    depths = tuple(sum(stage == str(layer) for stage, _ in blocks) for layer in range(4, 8))
    bottleneck = "encoder.layers.4.0.conv3.weight" in weights
    name = "resnet34" if depths == (3, 4, 6, 3) and not bottleneck else ENCODERS.get(depths)
    if name is None:
        raise ValueError(f"expected a ResNet-18, 34, 50 or 101 in the checkpoint, got stages of {depths} blocks")
    return f"{name}:random", 2048 if bottleneck else 512


def _encoder_architecture(config: Image2SphereConfig) -> dict:
    """Of the ResNet; the original feeds it images in [0, 1] as they are."""
    return {**make_encoder(config.encoder).architecture, "normalise": False}  # type: ignore[attr-defined]


def _encoder_state(weights: Weights, take: Take) -> Weights:
    keys = [key for key in weights if key.startswith("encoder.layers.") and not CONSTANT.fullmatch(key)]
    return {f"encoder.backbone.{_encoder_key(key)}": take(key) for key in keys}


def _encoder_key(key: str) -> str:
    """torchvision's name of a ResNet weight, as in ``nn.Sequential(*children)``, to that of transformers."""
    stem = re.fullmatch(r"encoder\.layers\.([01])\.(\w+)", key)
    if stem:
        return f"embedder.embedder.{('convolution', 'normalization')[int(stem[1])]}.{stem[2]}"
    shortcut = re.fullmatch(r"encoder\.layers\.([4-7])\.(\d+)\.downsample\.([01])\.(\w+)", key)
    if shortcut:
        stage, block, place, name = shortcut.groups()
        part = f"shortcut.{('convolution', 'normalization')[int(place)]}"
        return f"encoder.stages.{int(stage) - 4}.layers.{block}.{part}.{name}"
    layer = re.fullmatch(r"encoder\.layers\.([4-7])\.(\d+)\.(conv|bn)(\d)\.(\w+)", key)
    if layer:
        stage, block, kind, place, name = layer.groups()
        part = f"layer.{int(place) - 1}.{'convolution' if kind == 'conv' else 'normalization'}"
        return f"encoder.stages.{int(stage) - 4}.layers.{block}.{part}.{name}"
    raise ValueError(f"expected a torchvision ResNet in the checkpoint, got {key}")


def _degrees(lmax: int) -> Tensor:
    """What e3nn divides each coefficient on the sphere by before an activation."""
    return torch.tensor([math.sqrt((2 * l + 1) * (lmax + 1)) for l in range(lmax + 1) for _ in range(2 * l + 1)])


def _lift_state(config: Image2SphereConfig, take: Take) -> Weights:
    if config.lift == "spatial":
        return {
            "lift.weight": take("projector.weight").flatten(0, 3),
            "lift.projection.weight": take("projector.conv1x1.weight"),
            "lift.projection.bias": take("projector.conv1x1.bias"),
        }
    before = (math.sqrt(s2_size(config.lmax)) / _degrees(config.lmax)).repeat(config.sphere_channels)
    return {
        "lift.network.0.weight": take("projector.lin1.weight"),
        "lift.network.0.bias": take("projector.lin1.bias"),
        "lift.network.2.weight": take("projector.lin2.weight") * before[:, None],
        "lift.network.2.bias": take("projector.lin2.bias") * before,
    }


def _filter_state(config: Image2SphereConfig, take: Take) -> Weights:
    weight = take("feature_sphere.weight")
    if config.lift == "harmonic":
        if weight.shape[-1] == GLOBAL_POINTS:
            weight = weight @ (sphere_basis(config.lmax) / math.sqrt(GLOBAL_POINTS)).float()
        gain = e3nn_gain() / second_moment_gain(torch.relu)
        weight = weight * (_degrees(config.lmax) / math.sqrt(s2_size(config.lmax)) * gain)
    return {"sphere_convolution.filter.weight": weight, "so3_layers.1.filter.weight": take("so3_conv.w")}


def _load(model: Image2Sphere, state: Weights) -> None:
    """Give the model every weight, by name and shape."""
    own = model.state_dict()
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, value)
        elif key not in state or state[key].shape != value.shape:
            got = tuple(state[key].shape) if key in state else "none"
            raise ValueError(f"expected {key} of shape {tuple(value.shape)} in the checkpoint, got {got}")
    model.load_state_dict(state, strict=True)
