"""Laws of spherical regression: densities are its answers, the loss is of the rotation, the noise is the likeliest."""

import math

import pytest
import torch

from armillary.distributions.families.discrete import fit_noise
from armillary.models import SphericalRegressionConfig
from armillary.models.spherical_regression import upper_quaternion
from armillary.nn import PointNoise, SpherePrediction
from armillary.nn.sphere_prediction import SPHERE_KINDS
from armillary.so3 import exp, geodesic_distance, quat_wxyz_to_matrix, random_rotations

SMALL = {"image_size": 32, "hidden": 64}


def batch(size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(size, 3, 32, 32, generator=generator), random_rotations(size, generator=generator)


def test_the_upper_quaternion_is_the_rotations(special_rotations):
    q = upper_quaternion(special_rotations)
    assert (q[:, 0] >= 0).all()
    # Rounding of a matrix and back.
    assert (quat_wxyz_to_matrix(q) - special_rotations).abs().max() < 1e-7


def test_the_golden_quaternion():
    rotation = torch.tensor([[0.0, 0.6, 0.8], [-0.8, -0.48, 0.36], [0.6, -0.64, 0.48]], dtype=torch.float64)
    q = upper_quaternion(rotation)
    assert (q - torch.tensor([0.5, -0.5, 0.1, -0.7], dtype=torch.float64)).abs().max() < 1e-12
    other = quat_wxyz_to_matrix(torch.tensor([0.9, 0.1, 0.2, -0.3], dtype=torch.float64))
    assert abs(math.degrees(geodesic_distance(rotation, other)) - 99.463604) < 1e-6


@pytest.mark.parametrize(("kind", "antipode"), [("exp", 0.0), ("exp", 0.2), ("flat", 0.2), ("direct", 0.0)])
def test_one_batch_can_be_learned(kind, antipode):
    model = SphericalRegressionConfig(**SMALL, kind=kind, antipode=antipode).build().train()
    images, rotations = batch()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        optimiser.zero_grad()
        model.task_loss(images, rotations).backward()
        optimiser.step()
    answer = quat_wxyz_to_matrix(model.quaternion(images).point())
    assert geodesic_distance(answer, rotations).max() < 0.2


@pytest.mark.parametrize("kind", SPHERE_KINDS)
def test_the_loss_has_no_jump_at_half_turns(kind):
    """The rotation passes through an angle of pi, where the quaternion of the positive scalar part jumps."""
    torch.manual_seed(0)
    model = SphericalRegressionConfig(**SMALL, kind=kind).build().double().eval()
    torch.nn.init.normal_(model.head.last.weight)  # answers of all kinds
    published = SphericalRegressionConfig(**SMALL, kind=kind, antipode=0.0).build().double().eval()
    published.load_state_dict(model.state_dict())
    axis = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.7], dtype=torch.float64), dim=0)
    images = batch(1)[0].double()
    around = [exp((math.pi + step) * axis)[None] for step in (-1e-7, 1e-7)]
    assert (upper_quaternion(around[0]) + upper_quaternion(around[1])).abs().max() < 1e-6, "q jumps to -q"
    with torch.no_grad():
        before, after = (model.task_loss(images, R) for R in around)
        # 2e-7 rad apart; the loss changes by about ten in a radian.
        assert (before - after).abs() < 1e-5
        before, after = (published.task_loss(images, R) for R in around)
        assert (before - after).abs() > 1e-3


def test_the_density_is_the_answers_by_the_probabilities_of_their_signs():
    torch.manual_seed(0)
    model = SphericalRegressionConfig(**SMALL).build().eval()
    torch.nn.init.normal_(model.head.last.weight, std=0.2)
    model.noise.sigma.fill_(0.02)
    model.noise.outlier.fill_(0.0)
    images, _ = batch()
    with torch.no_grad():
        answers, logits = model.answers(images)
        density = model(images)
        probability = logits.softmax(-1)
        at_atoms = density.log_prob(answers.movedim(1, 0)).exp().T
        # Apart by many sigmas, so that each atom's height is its own; those that nearly coincide add up.
        apart = geodesic_distance(answers[:, :, None], answers[:, None]) + 9 * torch.eye(8)
        alone = apart.amin(-1) > 0.2
        assert alone.float().mean() > 0.3
        height = (at_atoms / probability)[alone]
    # The same height for all; float32 at heights of e^13.
    assert (height / height.median() - 1).abs().max() < 1e-2


def test_the_noise_of_one_answer_is_that_of_fit_noise():
    generator = torch.Generator().manual_seed(0)
    truth = random_rotations(800, generator=generator)
    answers = exp(0.2 * torch.randn(800, 3, generator=generator)) @ truth
    answers[:80] = random_rotations(80, generator=generator)
    noise = PointNoise()
    noise.fit(answers[:, None], torch.zeros(800, 1), truth)
    expected = fit_noise(geodesic_distance(answers, truth))
    # Two searches that end at 0.4 % and 0.01 % of the standard deviation.
    assert abs(noise.sigma.item() / expected.sigma - 1) < 0.01
    assert abs(noise.outlier.item() - expected.outlier) < 0.005
    assert noise.temperature.item() == 1.0


def test_the_fitted_noise_is_the_likeliest_and_tempers_logits_that_are_too_sure():
    generator = torch.Generator().manual_seed(0)
    truth, others = random_rotations(1000, generator=generator), random_rotations(4000, generator=generator)
    logits = torch.randn(1000, 4, generator=generator)
    chosen = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    answers = others.reshape(1000, 4, 3, 3).clone()
    answers[torch.arange(1000), chosen] = exp(0.1 * torch.randn(1000, 3, generator=generator)) @ truth
    noise = PointNoise()
    noise.fit(answers, 4 * logits, truth)
    # Standard errors with 1000 views: 2 % of sigma; a tenth of the temperature.
    assert abs(noise.sigma.item() / 0.1 - 1) < 0.06 and abs(noise.temperature.item() / 4 - 1) < 0.3
    best = noise(answers, 4 * logits).log_prob(truth).mean()
    for name in ("sigma", "temperature"):
        for factor in (0.9, 1.1):
            other = PointNoise(*(float(getattr(noise, n)) for n in ("sigma", "outlier", "temperature")))
            getattr(other, name).mul_(factor)
            assert other(answers, 4 * logits).log_prob(truth).mean() < best


def test_noise_without_views_is_refused():
    with pytest.raises(ValueError, match="expected views to fit the noise on, got none"):
        PointNoise().fit(torch.zeros(0, 1, 3, 3), torch.zeros(0, 1), torch.zeros(0, 3, 3))


def test_a_category_is_asked_for_and_changes_the_answer():
    model = SphericalRegressionConfig(**SMALL, categories=3).build().eval()
    images, _ = batch(2)
    first, second = (model.quaternion(images, torch.full((2,), c)).output for c in (0, 1))
    assert not torch.equal(first, second)
    with pytest.raises(ValueError, match="expected the category of each row"):
        model(images)


def test_outputs_are_float32_under_autocast():
    model = SphericalRegressionConfig(**SMALL).build()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.quaternion(batch()[0]).output.dtype == torch.float32


@pytest.mark.parametrize("values", [{"image_size": 8}, {"categories": -1}, {"antipode": 3.0}, {"hidden": -1}])
def test_impossible_configurations_are_refused(values):
    with pytest.raises(ValueError, match="expected .*, got"):
        SphericalRegressionConfig(**values)


@pytest.mark.parametrize("kind", SPHERE_KINDS)
def test_sign_errors_part_the_error_into_signs_and_magnitudes(kind):
    torch.manual_seed(0)
    model = SphericalRegressionConfig(**SMALL, kind=kind).build().eval()
    torch.nn.init.normal_(model.head.last.weight, std=0.2)
    images, _ = batch(16)
    with torch.no_grad():
        answers = quat_wxyz_to_matrix(model.quaternion(images).point())
        right, error, magnitude_error = model.sign_errors(images, answers)
        # float32: a cosine near 1 in the fourth digit of the angle.
        assert right.all() and error.max() < 1e-2 and magnitude_error.max() < 1e-2
        right, error, magnitude_error = model.sign_errors(images, answers.mT)
    # The inverse has the same magnitudes and all other signs.
    assert not right.any() and magnitude_error.max() < 1e-2 and error.median() > 0.1


def test_opposite_signs_near_a_half_turn_are_one_answer():
    """Each has less probability than another answer, both together more."""
    model = SphericalRegressionConfig(**SMALL).build().eval()
    model.noise.sigma.fill_(0.1)
    q = torch.nn.functional.normalize(torch.tensor([[0.01, 0.5, 0.6, 0.6]]), dim=-1)
    table = model.head.table
    signs = {
        table.label(torch.tensor([1.0, *s])).item(): p
        for s, p in (((1, 1, 1), 0.3), ((-1, -1, -1), 0.3), ((1, -1, 1), 0.4))
    }
    logits = torch.tensor([[math.log(signs.get(label, 1e-6)) for label in range(8)]])
    prediction = SpherePrediction(q.log(), logits, "exp", table)
    density = model.noise(quat_wxyz_to_matrix(prediction.atoms()[0]), logits)
    half_turn = quat_wxyz_to_matrix(q)
    assert geodesic_distance(density.mode, half_turn) < 0.05
    assert geodesic_distance(quat_wxyz_to_matrix(prediction.point()), half_turn) > 1.0, "the most probable signs alone"
