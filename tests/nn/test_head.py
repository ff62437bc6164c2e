"""Laws of the harmonic head: a valid density, deterministic in eval mode, gradients to coefficients and scale."""

import torch

from armillary.distributions import TurnedGrid
from armillary.harmonics import evaluate_so3, so3_size
from armillary.nn import HarmonicHead
from armillary.so3 import random_rotations


def test_zero_coefficients_are_the_uniform_distribution():
    # In training the grid misses the ball's edge by some nodes: a few per cent of the ball's 0.1 % of all rotations.
    for head, tolerance in ((HarmonicHead().train(), 5e-4), (HarmonicHead().eval(), 1e-5)):
        log_prob = head(torch.zeros(3, so3_size(3))).log_prob(random_rotations(3))
        assert log_prob.abs().max() < tolerance


def test_the_scale_multiplies_the_log_density():
    coeffs, rotations = torch.randn(2, so3_size(2)), random_rotations(2)
    density = HarmonicHead(scale=0.25).eval()(coeffs)
    assert torch.allclose(evaluate_so3(density.coeffs, rotations), 0.25 * evaluate_so3(coeffs, rotations), atol=1e-5)


def test_the_density_is_deterministic_in_eval_mode_and_freshly_normalised_in_training():
    head, coeffs, rotations = HarmonicHead(), 3 * torch.randn(2, so3_size(6)), random_rotations(2)
    head.training_normaliser = TurnedGrid(level=1)
    assert not torch.equal(head(coeffs).log_prob(rotations), head(coeffs).log_prob(rotations))
    head.eval()
    assert torch.equal(head(coeffs).log_prob(rotations), head(coeffs).log_prob(rotations))


def test_the_training_normaliser_agrees_with_the_exact_one_on_a_smooth_density():
    head, coeffs, rotations = HarmonicHead(), 0.2 * torch.randn(2, so3_size(3)), random_rotations(2)
    fast = head.train()(coeffs).log_prob(rotations)
    # Degree 3 at an amplitude of two nats is resolved by 36,864 nodes to better than a hundredth of a nat.
    assert (fast - head.eval()(coeffs).log_prob(rotations)).abs().max() < 0.01


def test_gradients_reach_coefficients_and_scale():
    head, coeffs = HarmonicHead(), torch.randn(2, so3_size(2), requires_grad=True)
    (-head(coeffs).log_prob(random_rotations(2)).mean()).backward()
    assert coeffs.grad is not None and coeffs.grad.isfinite().all()
    assert head.log_scale.grad is not None and head.log_scale.grad.abs() > 0
