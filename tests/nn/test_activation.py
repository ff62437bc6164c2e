"""Laws of the activations: equivariant up to the documented error, exact where nothing aliases."""

import math

import pytest
import torch

from armillary.harmonics import rotate_s2, rotate_so3, s2_size, so3_size
from armillary.nn import S2Activation, SO3Activation, activation
from armillary.nn.activation import grid_size, second_moment_gain
from armillary.so3.rotation import random_rotations

LAYERS = {"SO(3)": (SO3Activation, so3_size, rotate_so3), "S2": (S2Activation, s2_size, rotate_s2)}
# The module's table, with a margin of a third for the random draw.
TABLE = {
    ("SO(3)", torch.relu): {1.5: 0.039, 2.0: 0.017, 3.0: 0.005, 4.0: 0.002},
    ("SO(3)", torch.nn.functional.silu): {1.5: 0.011, 2.0: 0.002, 3.0: 1e-4, 4.0: 2e-5},
    ("S2", torch.relu): {1.5: 0.052, 2.0: 0.027, 3.0: 0.009, 4.0: 0.0045},
    ("S2", torch.nn.functional.silu): {1.5: 0.016, 2.0: 0.0035, 3.0: 2e-4, 4.0: 2e-5},
}


def signal_and_turn(size: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """White coefficients of 4 x 8 functions, and a rotation for each."""
    generator = torch.Generator().manual_seed(seed)
    coeffs = torch.randn(4, 8, size, generator=generator, dtype=torch.float64)
    return coeffs, random_rotations(4, 8, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("space, function", TABLE)
@pytest.mark.parametrize("lmax", [3, 6])
def test_rotations_pass_through_an_activation_up_to_the_table(space, function, lmax):
    layer, size, rotate = LAYERS[space]
    coeffs, turn = signal_and_turn(size(lmax))
    for oversampling, bound in TABLE[space, function].items():
        activation = layer(lmax, oversampling, function).double()
        result = activation(coeffs)
        error = (activation(rotate(coeffs, turn)) - rotate(result, turn)).norm() / result.norm()
        assert error < bound * 4 / 3, (oversampling, float(error))


@pytest.mark.parametrize("space", LAYERS)
def test_an_activation_that_changes_nothing_changes_nothing(space):
    layer, size, _ = LAYERS[space]
    coeffs, _ = signal_and_turn(size(4))
    assert torch.allclose(layer(4, 1.0, torch.Tensor.clone).double()(coeffs), coeffs, atol=1e-5)


@pytest.mark.parametrize("space", LAYERS)
def test_a_positive_constant_passes_a_relu_unchanged_but_for_the_gain(space):
    layer, size, _ = LAYERS[space]
    coeffs = torch.zeros(2, size(3), dtype=torch.float64)
    coeffs[:, 0] = torch.tensor([2.0, -2.0])
    result = layer(3).double()(coeffs)
    expected = torch.zeros_like(coeffs)
    expected[0, 0] = 2 * 2**0.5
    # The tables are made in float32 and cast.
    assert torch.allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("space", LAYERS)
def test_functions_are_activated_one_by_one(space):
    layer, size, _ = LAYERS[space]
    coeffs, _ = signal_and_turn(size(3))
    activation = layer(3).double()
    assert torch.allclose(activation(coeffs)[2, 5], activation(coeffs[2, 5]), atol=1e-12)


@pytest.mark.parametrize("space", LAYERS)
def test_functions_in_parts_are_functions_at_once(space, monkeypatch):
    layer, size, _ = LAYERS[space]
    coeffs, _ = signal_and_turn(size(3))
    layer = layer(3).double()
    at_once = layer(coeffs)
    monkeypatch.setattr(activation, "VALUES_AT_ONCE", 5 * math.prod(layer.transform.shape))
    assert torch.allclose(layer(coeffs), at_once, atol=1e-12)


def test_the_gain_keeps_the_second_moment():
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for function in (torch.relu, torch.tanh, torch.nn.functional.silu):
        # A million draws of a variable with a spread of about 1: half a per cent is five standard errors.
        assert abs((second_moment_gain(function) * function(z)).square().mean() - 1) < 0.006


def test_undersampling_is_refused():
    with pytest.raises(ValueError, match="expected an oversampling of at least 1, got 0.5"):
        grid_size(6, 0.5)
