"""The model of viewpoints: published labels, its 64 sign combinations as 32 rotations, and what its losses reach."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from armillary.models.viewpoint_regression import ViewpointRegressionConfig, viewpoint_atoms
from armillary.nn import SignTable, SpherePrediction
from armillary.nn.eighth_turn import angle_to_circle, circle_to_angle
from armillary.nn.sphere_prediction import SphereKind
from armillary.so3 import geodesic_distance, matrix_to_viewpoint, viewpoint_to_matrix

TABLE = SignTable.angles()


def degrees(*values: float) -> Tensor:
    return torch.deg2rad(torch.tensor(values, dtype=torch.float64))


def random_prediction(generator: torch.Generator, batch: int = 5) -> SpherePrediction:
    def draw(size: int) -> Tensor:
        return torch.randn(batch, size, generator=generator, dtype=torch.float64)

    return SpherePrediction(draw(2), 2 * draw(4), "exp", TABLE)


def exact(angle: Tensor, turned: bool) -> SpherePrediction:
    """What a head would say that is right and sure."""
    point = angle_to_circle(angle, turned)
    signs = 50 * torch.nn.functional.one_hot(TABLE.label(point), 4).double()
    return SpherePrediction(point.abs().log(), signs, "exp", TABLE)


def test_the_labels_are_the_published_ones() -> None:
    azimuths = angle_to_circle(degrees(0, 350, 200), turned=True)
    assert TABLE.label(azimuths).tolist() == [0, 0, 2]
    # cos and sin squared, five printed decimals.
    assert (azimuths.square()[1:] - torch.tensor([[0.67101, 0.32899], [0.178606, 0.821394]])).abs().max() < 1e-5
    # Elevations and tilts of 0 stand on the border of classes 0 and 3, and count as 0.
    assert TABLE.label(angle_to_circle(degrees(0, 10, -10))).tolist() == [0, 0, 3]


def test_all_combinations_of_signs_are_there_once_or_as_the_same_rotation(generator: torch.Generator) -> None:
    azimuth, elevation, tilt = predictions = [random_prediction(generator) for _ in range(3)]
    rotations, logits = viewpoint_atoms(azimuth, elevation, tilt)
    assert rotations.shape == (5, 32, 3, 3)
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(5, dtype=torch.float64))
    atoms = [prediction.atoms() for prediction in predictions]
    found = torch.zeros(5, 32, dtype=torch.float64)
    for classes in itertools.product(range(4), repeat=3):
        angles = [
            circle_to_angle(points[:, c], name == 0)
            for name, ((points, _), c) in enumerate(zip(atoms, classes, strict=True))
        ]
        chosen = [probability[:, c] for (_, probability), c in zip(atoms, classes, strict=True)]
        distance = geodesic_distance(viewpoint_to_matrix(*angles)[:, None], rotations)
        assert distance.amin(-1).max() < 1e-12  # a few roundings: each combination is one of the 32
        found.scatter_add_(1, distance.argmin(-1, keepdim=True), torch.stack(chosen).prod(0)[:, None])
    torch.testing.assert_close(found, logits.exp())


@pytest.mark.parametrize("turned_tilt", [False, True])
def test_exact_answers_come_back_as_the_rotation(generator: torch.Generator, turned_tilt: bool) -> None:
    span = degrees(360, 180, 360)[:, None]
    truth = viewpoint_to_matrix(*(span * (torch.rand(3, 2000, generator=generator, dtype=torch.float64) - 0.5)))
    turned = (True, False, turned_tilt)
    azimuth, elevation, tilt = predictions = [
        exact(angle, turn) for angle, turn in zip(matrix_to_viewpoint(truth), turned, strict=True)
    ]
    rotations, logits = viewpoint_atoms(azimuth, elevation, tilt, turned)
    best = rotations[torch.arange(len(truth)), logits.argmax(-1)]
    # exp(log x) and atan2 round a few times; near 0 and pi the angle of a matrix is exact to a rounding.
    assert geodesic_distance(best, truth).max() < 1e-12
    for prediction, angle, turn in zip(predictions, matrix_to_viewpoint(truth), turned, strict=True):
        assert prediction.loss(angle_to_circle(angle, turn), "squares").abs().max() < 1e-12


def test_signs_and_magnitudes_are_told_apart() -> None:
    torch.manual_seed(1)
    model = ViewpointRegressionConfig(image_size=16, hidden=16).build().eval()
    images = torch.rand(6, 3, 16, 16)
    rotations, logits = model.answers(images)
    best = rotations[torch.arange(6), logits.argmax(-1)].detach()
    right, error, magnitude_error = model.sign_errors(images, best)
    # Its own answers as the truth: float32 angles, matrices and angles again.
    assert right.all() and error.max() < 1e-3 and magnitude_error.max() < 1e-3
    azimuth, elevation, tilt = matrix_to_viewpoint(best)
    # A tilt of other sign is a wrong class of the tilt alone, and right given the true signs.
    right, error, magnitude_error = model.sign_errors(images, viewpoint_to_matrix(azimuth, elevation, -tilt))
    assert right[:, :2].all() and not right[:, 2].any() and magnitude_error.max() < 1e-3
    torch.testing.assert_close(error, (2 * tilt).abs().clamp(max=2 * math.pi - 2 * tilt.abs()), rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", ["exp", "flat", "direct"])
def test_the_loss_falls_and_the_answers_become_right(kind: SphereKind) -> None:
    torch.manual_seed(0)
    model = ViewpointRegressionConfig(image_size=16, hidden=64, kind=kind, categories=2).build()
    images, category = torch.rand(8, 3, 16, 16), torch.arange(8) % 2
    truth = viewpoint_to_matrix(*(torch.rand(3, 8) * torch.tensor([6.0, 1.0, 0.4])[:, None] - 0.2))
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    first = model.task_loss(images, truth, category)
    for _ in range(40):
        optimiser.zero_grad()
        loss = model.task_loss(images, truth, category)
        loss.backward()
        optimiser.step()
    assert loss < 0.2 * first
    rotations, logits = model.answers(images, category)
    assert rotations.shape[1] == (32 if kind == "exp" else 1)
    best = rotations[torch.arange(8), logits.argmax(-1)]
    # Eight pictures by heart, to a few degrees.
    assert geodesic_distance(best, truth).median().rad2deg() < 15
