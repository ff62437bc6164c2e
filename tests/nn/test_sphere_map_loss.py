"""Laws of the losses between functions on the sphere: 0 at a fit, exact means, and what turns may do to them."""

import math

import pytest
import torch

from armillary.distributions import TurnedGrid
from armillary.harmonics import S2Transform, rotate_s2, s2_size
from armillary.nn.sphere_map_loss import (
    contrast_loss,
    in_plane_loss,
    pair_distribution,
    pair_loss,
    relative_map_error,
    spectral_loss,
    weighted_huber,
)
from armillary.so3 import geodesic_distance, random_rotations, rotation_x, rotation_z

LMAX, SIDE = 7, 16
TRANSFORM = S2Transform(LMAX, SIDE, SIDE, "equiangular", dtype=torch.float64)
WEIGHTS = TRANSFORM.polar_weights


def answers(count: int = 5, seed: int = 0) -> torch.Tensor:
    """Functions of variance about 1, double precision, (count, 3 channels, coefficients)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, s2_size(LMAX), generator=generator, dtype=torch.float64) / s2_size(LMAX) ** 0.5


def turns(count: int = 5) -> torch.Tensor:
    return random_rotations(count, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def test_a_perfect_answer_has_no_loss():
    coeffs = answers()
    values = TRANSFORM.synthesis(coeffs)
    assert torch.equal(weighted_huber(values, values, WEIGHTS), torch.zeros(5, 3, dtype=torch.float64))
    assert torch.equal(spectral_loss(coeffs, coeffs), torch.zeros(5, 3, dtype=torch.float64))
    assert torch.equal(relative_map_error(coeffs, coeffs), torch.zeros(5, dtype=torch.float64))


def test_with_a_distant_threshold_the_huber_loss_is_half_the_spectral_one():
    """Parseval: both are half the mean square, of degree 14, which 16 rings and 16 azimuths integrate exactly."""
    first, second = answers(), answers(seed=1)
    huber = weighted_huber(TRANSFORM.synthesis(first), TRANSFORM.synthesis(second), WEIGHTS, delta=1e3)
    assert (2 * huber - spectral_loss(first, second)).abs().max() < 1e-13


def test_the_spectral_loss_is_the_mean_square_on_a_finer_grid():
    first, second = answers(), answers(seed=1)
    fine = S2Transform(LMAX, 2 * LMAX + 1, 4 * LMAX + 1, dtype=torch.float64)
    square = fine.synthesis(first - second).square().mean(-1) @ fine.polar_weights
    assert (square - spectral_loss(first, second)).abs().max() < 1e-13


def test_huber_is_torchs_at_each_node_and_a_number_for_each_map():
    first, second = 3 * torch.randn(2, 4, SIDE, SIDE), torch.zeros(2, 4, SIDE, SIDE)
    loss = weighted_huber(first, second, WEIGHTS.float(), delta=0.5)
    each = torch.nn.functional.huber_loss(first, second, reduction="none", delta=0.5)
    expected = (each * WEIGHTS.float()[:, None]).sum((-2, -1)) / SIDE
    assert loss.shape == (2, 4) and torch.allclose(loss, expected)
    # The weights need no scale.
    assert torch.allclose(weighted_huber(first, second, 7 * WEIGHTS.float(), delta=0.5), expected)
    # The threshold is the same everywhere: a constant error of 3 costs 3 delta - delta^2 / 2.
    assert weighted_huber(second[0, 0] + 3, second[0, 0], WEIGHTS.float(), 0.5).item() == pytest.approx(1.375)


def test_weights_of_degrees_pick_degrees():
    first, second = answers(), answers(seed=1)
    ones = torch.ones(LMAX + 1, dtype=torch.float64)
    assert torch.allclose(spectral_loss(first, second, ones), spectral_loss(first, second))
    third = torch.eye(LMAX + 1, dtype=torch.float64)[3]
    assert torch.allclose(spectral_loss(first, second, third), (first - second)[..., 9:16].square().sum(-1))
    with pytest.raises(ValueError, match="expected 8 weights, one for each degree, got 3; add or cut some"):
        spectral_loss(first, second, ones[:3])


def test_losses_of_coefficients_do_not_change_when_both_turn():
    first, second, turn = answers(), answers(seed=1), turns()
    turned = [rotate_s2(part, turn[:, None]) for part in (first, second)]
    weights = torch.linspace(1, 2, LMAX + 1, dtype=torch.float64)
    assert torch.allclose(spectral_loss(*turned, weights), spectral_loss(first, second, weights))
    assert torch.allclose(relative_map_error(*turned), relative_map_error(first, second))


def test_answers_that_turn_with_the_picture_have_no_in_plane_loss():
    coeffs, angle = answers(), torch.linspace(-3, 3, 5, dtype=torch.float64)
    turned = rotate_s2(coeffs, rotation_z(angle)[:, None])
    assert in_plane_loss(turned, coeffs, angle).abs().max() < 1e-28
    assert in_plane_loss(turned, coeffs, -angle)[[0, 1, 3, 4]].min() > 0.1
    # What does not depend on azimuth need not turn.
    zonal = torch.zeros_like(coeffs)
    zonal[..., [degree * degree + degree for degree in range(LMAX + 1)]] = 1.0
    assert in_plane_loss(zonal, zonal, angle).abs().max() < 1e-28


def test_by_cells_the_in_plane_turn_is_a_shift_of_azimuths():
    coeffs = answers()
    shifted = TRANSFORM.analysis(TRANSFORM.synthesis(coeffs).roll(3, -1))
    angle = torch.full((5,), 3 * 2 * math.pi / SIDE, dtype=torch.float64)
    assert in_plane_loss(shifted, coeffs, angle).max() < 1e-28


def test_the_density_of_a_pair_peaks_at_the_relative_rotation():
    second, first_turn, second_turn = answers(), turns(), turns().flip(0)
    # One shape, seen turned by Q1 and by Q2.
    pair = [rotate_s2(second, turn[:, None]) for turn in (first_turn, second_turn)]
    relative = first_turn @ second_turn.mT
    density = pair_distribution(pair[0], pair[1], 100.0)
    # The ascent ends at rounding.
    assert geodesic_distance(density.mode, relative).max() < 1e-6
    # At the peak the correlation is 1, nowhere more.
    log_density = -pair_loss(pair[0], pair[1], relative, 100.0)
    assert (log_density + density.log_normaliser - 100.0).abs().max() < 1e-9
    elsewhere = -pair_loss(pair[0], pair[1], rotation_x(torch.tensor(0.3).double()) @ relative, 100.0)
    assert (elsewhere < log_density - 3).all()


def test_means_and_scales_do_not_change_the_pair_loss():
    first, second, relative = answers(), answers(seed=1), turns()
    expected = pair_loss(first, second, relative, 20.0)
    moved = second.clone()
    moved[..., 0] += 5
    assert torch.allclose(pair_loss(3 * first, 0.2 * moved, relative, 20.0), expected)
    # Nothing known: the uniform density.
    nothing = torch.zeros_like(first)
    assert pair_loss(first, nothing, relative, 20.0).abs().max() < 1e-9
    assert pair_loss(first, second, relative, 0.0).abs().max() < 1e-9


def test_both_normalisers_train_alike():
    first, second, relative = answers().float(), answers(seed=1).float(), turns().float()
    found = []
    for normaliser in (None, TurnedGrid(generator=torch.Generator().manual_seed(0))):
        leaf, sharpness = first.clone().requires_grad_(), torch.tensor(10.0, requires_grad=True)
        loss = pair_loss(leaf, second, relative, sharpness, normaliser)
        loss.mean().backward()
        assert leaf.grad is not None and sharpness.grad is not None
        found.append((loss.detach(), leaf.grad, sharpness.grad))
    # The turned grid is an unbiased estimate, here of a broad density.
    assert torch.allclose(found[0][0], found[1][0], atol=0.02)
    assert (found[0][1] - found[1][1]).norm() < 0.05 * found[0][1].norm()


def test_zeros_have_relative_error_one_and_a_target_of_zeros_is_finite_or_infinite_not_nan():
    coeffs = answers()
    assert torch.allclose(relative_map_error(torch.zeros_like(coeffs), coeffs), torch.ones(5, dtype=torch.float64))
    assert not relative_map_error(torch.zeros_like(coeffs), torch.zeros_like(coeffs)).isnan().any()


def test_the_contrast_is_the_cross_entropy_of_finding_ones_own_target():
    generator = torch.Generator().manual_seed(5)
    predicted, target = (torch.randn(6, 3, 16, generator=generator) for _ in range(2))
    found = contrast_loss(predicted, target, sharpness=7.0)
    for row in range(6):
        a = predicted[row, :, 1:].flatten()
        cosine = torch.stack([torch.cosine_similarity(a, other[:, 1:].flatten(), dim=0) for other in target])
        assert torch.allclose(found[row], -(7 * cosine).softmax(0)[row].log(), atol=1e-5)
    # What turns all shapes alike changes nothing: rotations keep inner products.
    rotation = random_rotations(1, generator=generator)[:, None]
    turned = contrast_loss(rotate_s2(predicted, rotation), rotate_s2(target, rotation), sharpness=7.0)
    assert torch.allclose(turned, found, atol=1e-5)
    # Chance: all predictions alike.
    assert torch.allclose(
        contrast_loss(predicted[:1].expand(6, 3, 16), target, 1e-6), torch.tensor(6.0).log(), atol=1e-4
    )
