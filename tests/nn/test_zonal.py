"""Laws of the zonal convolution: one factor a degree, so rotations pass; a convolution by the definition's integral."""

import math

import pytest
import torch

from armillary.harmonics import S2Transform, evaluate_s2, s2_size
from armillary.nn.equivariance import equivariance_error, on_coefficients
from armillary.nn.zonal import ZonalConvolution, knot_weights
from armillary.so3 import random_rotations

LMAX = 7
KINDS = [(None, "factors"), (4, "factors"), (4, "kernel"), (1, "factors")]


@pytest.fixture(autouse=True)
def _double_precision():
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(previous)


def signal(channels: int = 3) -> torch.Tensor:
    return torch.randn(5, channels, s2_size(LMAX), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("knots", "spectrum"), KINDS)
def test_rotations_pass_through(knots, spectrum, special_rotations, generator):
    layer = ZonalConvolution(3, 2, LMAX, knots, spectrum, bias=True)
    assert layer.bias is not None
    torch.nn.init.normal_(layer.bias)
    turns = torch.cat([special_rotations, random_rotations(5, generator=generator, dtype=torch.float64)])
    coeffs = signal()[:1].expand(len(turns), -1, -1)
    # Rounding of sums over 3 channels and 15 orders.
    assert equivariance_error(layer, coeffs, turns) < 1e-14


@pytest.mark.parametrize(("knots", "spectrum"), KINDS)
def test_it_is_the_integral_with_its_kernel(knots, spectrum):
    """(f * k)(x) = mean over y of f(y) k(angle between x and y), by a quadrature exact to twice the degree."""
    layer, coeffs = ZonalConvolution(3, 2, LMAX, knots, spectrum), signal()[0]
    transform = S2Transform(2 * LMAX)
    nodes = transform.points.flatten(0, 1)
    weights = (transform.polar_weights[:, None].expand(transform.shape) / transform.azimuths).flatten()
    point = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.7]), dim=0)
    kernels = layer.profile((nodes @ point).clamp(-1, 1).acos())
    values = evaluate_s2(coeffs[:, None], nodes)
    expected = torch.einsum("in,ion,n->o", values, kernels, weights)
    found = evaluate_s2(layer(coeffs)[:, None], point[None])[:, 0]
    # The cosine's arc loses half the digits near the poles of the kernel.
    assert torch.allclose(found, expected, atol=1e-7 * expected.abs().max().item())


def test_zonal_convolutions_commute():
    one, other, coeffs = ZonalConvolution(1, 1, LMAX), ZonalConvolution(1, 1, LMAX, knots=3), signal(1)
    assert torch.allclose(one(other(coeffs)), other(one(coeffs)), atol=1e-13)


def test_the_kernel_form_is_the_published_factor():
    """2 pi sqrt(4 pi / (2 l + 1)) k_l0, k linear between knots."""
    layer = ZonalConvolution(1, 1, LMAX, 2, "kernel")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, 8.0]]]))
    expected = [2 * math.pi * math.sqrt(4 * math.pi / (2 * l + 1)) * (1 + l) for l in range(LMAX + 1)]
    assert torch.allclose(layer.factors()[0, 0], torch.tensor(expected))


def test_a_constant_stays_a_constant():
    coeffs = torch.zeros(1, 3, s2_size(LMAX))
    coeffs[..., 0] = torch.tensor([1.0, -2.0, 0.5])
    layer = ZonalConvolution(3, 2, LMAX, 4, bias=True)
    assert layer(coeffs)[..., 1:].abs().max() == 0
    assert torch.allclose(layer(coeffs)[0, :, 0], coeffs[0, :, 0] @ layer.factors()[..., 0])


def test_fewer_knots_make_a_more_local_kernel():
    """One knot, equal factors, is the most local kernel of the band limit: all else spreads its energy wider."""
    angle = torch.linspace(0, math.pi, 2001)
    torch.manual_seed(0)
    spreads = []
    for knots in (1, 3, None):
        energy = ZonalConvolution(8, 8, 31, knots).profile(angle).square() * angle.sin()
        spreads.append(((energy * angle).sum(-1) / energy.sum(-1)).mean().item())
    assert spreads[0] < spreads[1] < spreads[2]


def test_knots_are_met_and_sum_to_one():
    weights = knot_weights(14, 8)
    assert torch.allclose(weights.sum(0), torch.ones(15))
    assert torch.equal(weights[:, ::2], torch.eye(8))
    with pytest.raises(ValueError, match="expected 1 to 4 knots at lmax 3, got 8; use 4"):
        knot_weights(3, 8)


def test_a_wrong_length_is_refused():
    with pytest.raises(ValueError, match="expected coefficients of lmax 7, got 9"):
        ZonalConvolution(1, 1, LMAX)(torch.zeros(1, 9))


def test_the_error_sees_what_does_not_turn(generator):
    transform, turns = S2Transform(LMAX), random_rotations(5, generator=generator, dtype=torch.float64)
    mask = 1 + transform.points[..., 0]
    layer = on_coefficients(lambda values: values * mask, transform, transform)
    assert equivariance_error(layer, signal(), turns) > 0.3
