"""Normal regression: unit normals that face the camera, the original's classes, a loss that learns, saved and read."""

import math

import pytest
import torch

from armillary.models.normal_regression import (
    NormalPrediction,
    NormalRegression,
    NormalRegressionConfig,
    from_turned,
    to_turned,
)
from armillary.nn.signs import SignTable
from armillary.nn.sphere_prediction import SpherePrediction

TINY = {"height": 32, "width": 64, "channels": 8}
CONFIGS = {
    "exp": NormalRegressionConfig(**TINY),
    "flat": NormalRegressionConfig(**TINY, kind="flat"),
    "direct": NormalRegressionConfig(**TINY, kind="direct"),
    "resnet": NormalRegressionConfig(**TINY, encoder="resnet18:random"),
    "odd size": NormalRegressionConfig(height=37, width=51, channels=8),
}


def truth(config: NormalRegressionConfig, count: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures whose colours tell their normals, and a mask with holes."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 3, 4, generator=generator)
    coarse[:, 2] = -coarse[:, 2].abs()
    normals = torch.nn.functional.interpolate(coarse, config.size, mode="nearest")
    normals = torch.nn.functional.normalize(normals, dim=1)
    mask = torch.rand(count, *config.size, generator=generator) < 0.9
    return (normals + 1) / 2, normals * mask[:, None], mask


@pytest.mark.parametrize("name", CONFIGS)
def test_answers_are_unit_normals_and_eval_is_deterministic(name):
    model = CONFIGS[name].build().eval()
    images, _, _ = truth(CONFIGS[name])
    with torch.no_grad():
        first, again = model(images), model(images)
    normals = first.normals()
    assert torch.equal(normals, again.normals())
    assert normals.shape == images.shape
    # Six roundings of single precision.
    assert (torch.linalg.vector_norm(normals, dim=1) - 1).abs().max() < 1e-6
    if CONFIGS[name].kind == "exp":
        assert (normals[:, 2] <= 0).all()
        assert (torch.linalg.vector_norm(first.normals(expected=True), dim=1) - 1).abs().max() < 1e-6


def test_turning_keeps_lengths_and_is_undone():
    normals = truth(CONFIGS["exp"])[1]
    turned = to_turned(normals)
    assert (from_turned(turned) - normals).abs().max() < 1e-6
    assert (turned.square().sum(1) - normals.square().sum(1)).abs().max() < 1e-6


def test_classes_are_those_of_the_original():
    # In the original's frame (x right, y up, z away); ours has y down.
    original = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0.6, -0.48, -0.64]])
    turned = to_turned((original * torch.tensor([1.0, -1, 1]))[:, :, None, None])
    assert SignTable.normals().label(turned, dim=1).flatten().tolist() == [3, 2, 1]
    # In the order (y, z, x).
    expected = torch.tensor([[0.70711, 0, 0.70711], [0.70711, 0, -0.70711], [-0.76368, -0.64, 0.08485]])
    assert (turned[..., 0, 0] - expected).abs().max() < 1e-5


def perfect(normals: torch.Tensor) -> NormalPrediction:
    """What a head would say that knows the truth."""
    turned, table = to_turned(normals), SignTable.normals()
    logits = 50 * torch.nn.functional.one_hot(table.label(turned, dim=1), 4).permute(0, 3, 1, 2).float()
    return NormalPrediction(SpherePrediction(turned.abs().clamp_min(1e-12).log(), logits, "exp", table, 1))


def test_a_perfect_answer_has_no_loss_and_pixels_outside_do_not_count():
    _, normals, mask = truth(CONFIGS["exp"])
    filled = torch.where(mask[:, None], normals, torch.tensor([0.0, 0, -1])[:, None, None])
    answer = perfect(filled)
    assert (answer.normals() - filled).abs().max() < 1e-5
    assert answer.loss(normals, mask) < 1e-6
    # The arccosine of 1 less a rounding is 3.5e-4, and (3.5e-3)^2 / 2 of the width.
    assert answer.loss(normals, mask, sign_width=0.1) < 1e-5
    # The mean is over all pixels of the batch, not of pictures: one wrong pixel of n costs 1/n of itself.
    wrong = torch.where(mask[:, None], normals, torch.tensor([1.0, 0, 0])[:, None, None])
    assert torch.equal(answer.loss(normals, mask), answer.loss(torch.where(mask[:, None], wrong, 0.0), mask))


@pytest.mark.parametrize("name", ["exp", "flat", "direct"])
def test_a_batch_can_be_learned(name):
    torch.manual_seed(0)
    config = CONFIGS[name]
    model = config.build()
    images, normals, mask = truth(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(50):
        optimizer.zero_grad()
        model(images).loss(normals, mask).backward()
        optimizer.step()
    with torch.no_grad():
        cosine = (model(images).normals() * normals).sum(1)[mask]
    # Untrained answers are off by 60 degrees and more.
    assert math.degrees(cosine.clamp(-1, 1).acos().median().item()) < 15.0


@pytest.mark.parametrize("name", ["exp", "resnet"])
def test_a_saved_model_answers_alike(name, tmp_path):
    model = CONFIGS[name].build().eval()
    model.save_pretrained(tmp_path / "model", {"trained_on": "rooms"})
    again = NormalRegression.from_pretrained(tmp_path / "model")
    images = truth(CONFIGS[name])[0]
    with torch.no_grad():
        assert torch.equal(model(images).normals(), again(images).normals())


def test_what_cannot_be_built_is_said():
    with pytest.raises(ValueError, match="expected an encoder that gives maps"):
        NormalRegressionConfig(**TINY, encoder="dinov2-small:random").build()
    with pytest.raises(ValueError, match="small or one of transformers"):
        NormalRegressionConfig(**TINY, encoder="small-fine").build()
    with pytest.raises(ValueError, match="expected images of 32 x 64 px, got 64 x 64"):
        CONFIGS["exp"].build()(torch.rand(1, 3, 64, 64))
