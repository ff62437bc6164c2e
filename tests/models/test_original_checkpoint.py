"""Converted checkpoints compute what the original computes: its golden outputs, and e3nn's after the encoder."""

import json
import math
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from armillary.apps.cli import main
from armillary.harmonics import evaluate_so3
from armillary.models import Image2Sphere
from armillary.models.original_checkpoint import convert_original, read_original
from armillary.nn import SpatialLift, make_encoder
from armillary.so3 import random_rotations

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
HEALPIX_POINTS, LOCAL_POINTS = 104, 168


def weight(key: str, shape: tuple[int, ...]) -> Tensor:
    """The rule that made the golden outputs' weights."""
    values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    if key.endswith("running_var"):
        values = np.abs(values) * 0.1 + 1
    elif len(shape) <= 1:
        norm = "bn" in key or "downsample.1" in key or key == "encoder.layers.1.weight"
        values = 0.05 * values + (norm and key.endswith("weight"))
    else:
        values = values / math.sqrt(np.prod(shape[1:]))
    return torch.tensor(values.astype(np.float32))


def resnet_keys(depths: tuple[int, ...], bottleneck: bool) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of torchvision's ResNet without its last two layers, as a sequence."""
    keys: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, *shape: int) -> None:
        keys[f"{name}.weight"] = shape

    def norm(name: str, width: int) -> None:
        keys.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        keys[f"{name}.num_batches_tracked"] = ()

    convolution("encoder.layers.0", 64, 3, 7, 7)
    norm("encoder.layers.1", 64)
    before = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        after = 4 * width if bottleneck else width
        for block in range(depth):
            name = f"encoder.layers.{stage + 4}.{block}"
            kernels = [(width, before, 1, 1), (width, width, 3, 3), (after, width, 1, 1)]
            kernels = kernels if bottleneck else [(width, before, 3, 3), (width, width, 3, 3)]
            for index, shape in enumerate(kernels, start=1):
                convolution(f"{name}.conv{index}", *shape)
                norm(f"{name}.bn{index}", shape[0])
            if block == 0 and (stage or bottleneck):
                convolution(f"{name}.downsample.0", after, before, 1, 1)
                norm(f"{name}.downsample.1", after)
            before = after
    return keys


def original_weights(
    depths: tuple[int, ...] = (2, 2, 2, 2),
    bottleneck: bool = False,
    lift: str = "spatial",
    points: bool = False,
    categories: int = 0,
    signals: int = 8,
    lmax: int = 6,
) -> dict[str, Tensor]:
    """A checkpoint of the original with weights by the rule."""
    channels, size = (2048 if bottleneck else 512) + categories, (lmax + 1) ** 2
    keys = resnet_keys(depths, bottleneck)
    if lift == "spatial":
        keys |= {"projector.conv1x1.weight": (signals, channels, 1, 1), "projector.conv1x1.bias": (signals,)}
    else:
        keys |= {"projector.lin1.weight": (512, channels), "projector.lin1.bias": (512,)}
        keys |= {"projector.lin2.weight": (signals * size, 512), "projector.lin2.bias": (signals * size,)}
    keys |= {"feature_sphere.weight": (signals, 8, 48 if points else size), "feature_sphere.bias": (signals, 8)}
    keys |= {"so3_conv.w": (8, 1, LOCAL_POINTS)}
    weights = {key: weight(key, shape) for key, shape in keys.items()}
    if lift == "spatial":
        start = SpatialLift(channels, signals, lmax, (7, 7), axis="y").weight.detach()
        weights["projector.weight"] = start.reshape(1, 1, 7, 7, HEALPIX_POINTS)
        weights["projector.Y"] = torch.zeros(HEALPIX_POINTS, size)
    if points:
        weights["feature_sphere.Y"] = torch.zeros(48, size)
    return weights


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the original's outputs are not here")
def test_golden_outputs_of_the_original() -> None:
    golden = np.load(GOLDEN / "i2s_golden.npz")
    shapes = json.loads((GOLDEN / "i2s_keys.json").read_text())
    weights = {key: weight(key, tuple(shape)) for key, shape in shapes.items() if math.prod(shape) < 10**7}
    weights["projector.weight"] = original_weights(signals=64)["projector.weight"]
    model = convert_original(weights)
    images = torch.tensor(np.random.default_rng(7).random((2, 3, 224, 224)).astype(np.float32))
    with torch.no_grad():
        features = model.encoder(images).mean((-2, -1))
        density = model(images)
        logits = evaluate_so3(density.coeffs[:, None], torch.tensor(golden["rotations"]))
    torch.testing.assert_close(features, torch.tensor(golden["features_mean"]), rtol=1e-5, atol=1e-5)
    expected = torch.tensor(golden["logits"])
    ours, theirs = logits - logits[:, :1], expected - expected[:, :1]
    # What float32 gives on outputs of 1e-3 after fifty layers.
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def e3nn_head(weights: dict[str, Tensor], features: Tensor, rotations: Tensor, lift: str, lmax: int = 6) -> Tensor:
    """Logits of the original's layers after the encoder, by e3nn, in the original's frame."""
    from e3nn import nn, o3

    signals = weights["feature_sphere.weight"].shape[0]
    alpha, beta = sphere_angles(2, math.pi / 2 + 1e-9)
    if lift == "spatial":
        x = torch.nn.functional.conv2d(features, weights["projector.conv1x1.weight"], weights["projector.conv1x1.bias"])
        x = torch.relu((x.unsqueeze(-1) * weights["projector.weight"]).sum((2, 3)))
        Y = o3.spherical_harmonics_alpha_beta(range(lmax + 1), alpha, beta, normalization="component")
        x = torch.einsum("ni,xyn->xyi", Y, x) / len(Y) ** 0.5
    else:
        x = torch.nn.functional.linear(
            features.mean((2, 3)), weights["projector.lin1.weight"], weights["projector.lin1.bias"]
        )
        x = torch.nn.functional.linear(torch.relu(x), weights["projector.lin2.weight"], weights["projector.lin2.bias"])
        x = x.unflatten(1, (signals, -1))
        x = nn.S2Activation(o3.Irreps([(1, (l, 1)) for l in range(lmax + 1)]), torch.relu, 20)(x)
    psi = weights["feature_sphere.weight"]
    if "feature_sphere.Y" in weights:
        Y = o3.spherical_harmonics_alpha_beta(range(lmax + 1), *sphere_angles(1, math.inf), normalization="component")
        psi = psi @ Y / len(Y) ** 0.5
    sphere = o3.Irreps([(1, (l, 1)) for l in range(lmax + 1)])
    group = o3.Irreps([(2 * l + 1, (l, 1)) for l in range(lmax + 1)])
    x = o3.Linear(sphere, group, f_in=signals, f_out=8, internal_weights=False)(x, weight=psi)
    x = so3_activation(lmax)(x)
    turns = torch.linspace(0, 2 * math.pi, 8)[:-1]
    tilts = torch.linspace(0, math.pi / 8, 4)[1:]
    a, b, g = torch.meshgrid(turns, tilts, torch.linspace(-2 * math.pi, 2 * math.pi, 8), indexing="ij")
    D = flat_wigner(lmax, a.flatten(), b.flatten(), (g - a).flatten())
    psi = weights["so3_conv.w"] @ D / len(D) ** 0.5
    x = o3.Linear(group, group, f_in=8, f_out=1, internal_weights=False)(x, weight=psi)
    return (x @ flat_wigner(lmax, *o3.matrix_to_angles(rotations)).T).squeeze(1)


@lru_cache
def so3_activation(lmax: int) -> torch.nn.Module:
    from e3nn import nn

    return nn.SO3Activation(lmax, lmax, torch.relu, 10)


def flat_wigner(lmax: int, alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    from e3nn import o3

    return torch.cat([(2 * l + 1) ** 0.5 * o3.wigner_D(l, alpha, beta, gamma).flatten(-2) for l in range(lmax + 1)], -1)


def sphere_angles(level: int, highest: float) -> tuple[Tensor, Tensor]:
    """HEALPix points in nested order about the pole, as azimuth and polar angle."""
    import healpix

    beta, alpha = healpix.pix2ang(2**level, np.arange(12 * 4**level), nest=True)
    kept = beta <= highest
    return torch.tensor(alpha[kept]).float(), torch.tensor(beta[kept]).float()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"categories": 3},
        {"lift": "harmonic"},
        {"lift": "harmonic", "categories": 3, "points": True},
        {"points": True},
        {"lmax": 4},
    ],
    ids=str,
)
def test_the_layers_after_the_encoder_agree_with_e3nn(options: dict, generator: torch.Generator) -> None:
    weights = original_weights(**options)
    model = convert_original(weights)
    features = torch.randn(2, 512, 7, 7, generator=generator).relu()
    categories, category = options.get("categories", 0), torch.tensor([0, 2])
    label = torch.nn.functional.one_hot(category, 3)[:, :, None, None].expand(-1, -1, 7, 7).float()
    rotations = random_rotations(20, generator=generator)
    seen = torch.cat([features, label], 1) if categories else features
    expected = e3nn_head(weights, seen, rotations, options.get("lift", "spatial"), options.get("lmax", 6))
    with torch.no_grad():
        signal = model.sphere_convolution(model.lift(seen))
        coeffs = model.head(model.frame(model.so3_layers(signal).squeeze(-2))).coeffs
    logits = evaluate_so3(coeffs[:, None], rotations)
    # e3nn builds its D matrices in float32.
    assert (logits - expected).abs().max() < 2e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("depths", "bottleneck", "name"),
    [
        ((2, 2, 2, 2), False, "resnet18"),
        ((3, 4, 6, 3), False, "resnet34"),
        ((3, 4, 6, 3), True, "resnet50"),
        ((3, 4, 23, 3), True, "resnet101"),
    ],
)
def test_every_encoder_is_recognised_and_filled(depths: tuple[int, ...], bottleneck: bool, name: str) -> None:
    weights = original_weights(depths, bottleneck)
    model = convert_original(weights)
    assert model.config.encoder == f"{name}:random"
    # The last batch norm of the last block has its place.
    last = weights[f"encoder.layers.7.{depths[3] - 1}.bn{3 if bottleneck else 2}.running_mean"]
    assert any(torch.equal(value, last) for value in model.encoder.state_dict().values())
    assert make_encoder(f"{name}:random").channels == model.encoder.channels


def test_the_command_writes_a_folder_that_loads_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    weights = original_weights(categories=2)
    torch.save({"model_state_dict": weights, "epoch": 3}, tmp_path / "original.pt")
    words = [
        "convert-checkpoint",
        str(tmp_path / "original.pt"),
        str(tmp_path / "model"),
        "--categories",
        "bed",
        "sofa",
    ]
    assert main(words) == 0
    assert "resnet18, lmax 6, spatial lift, 8 signals, told one of 2 categories" in capsys.readouterr().out
    loaded, direct = Image2Sphere.from_pretrained(tmp_path / "model"), convert_original(weights)
    images, category = torch.rand(1, 3, 224, 224), torch.tensor([1])
    with torch.no_grad():
        assert torch.equal(loaded(images, category).coeffs, direct(images, category).coeffs)


def refusal(content: object, folder: Path, capsys: pytest.CaptureFixture) -> str:
    torch.save(content, folder / "original.pt")
    assert main(["convert-checkpoint", str(folder / "original.pt"), str(folder / "model")]) == 2
    assert not (folder / "model" / "config.json").exists()
    return capsys.readouterr().err


def test_what_is_not_such_a_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    weights = original_weights()
    missing = {key: value for key, value in weights.items() if key != "encoder.layers.5.1.conv2.weight"}
    assert "encoder.backbone.encoder.stages.1.layers.1.layer.1.convolution.weight" in refusal(missing, tmp_path, capsys)
    assert "got also extra.weight" in refusal({**weights, "extra.weight": torch.ones(1)}, tmp_path, capsys)
    assert "expected so3_conv.w" in refusal({k: v for k, v in weights.items() if k != "so3_conv.w"}, tmp_path, capsys)
    assert "expected a file of tensors alone" in refusal({"model_state_dict": Path("x")}, tmp_path, capsys)
    assert "expected a dictionary of tensors" in refusal({"model_state_dict": {"a": 3}}, tmp_path, capsys)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_original(tmp_path / "nothing.pt")
