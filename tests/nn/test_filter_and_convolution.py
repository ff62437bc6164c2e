"""Laws of the spherical convolutions: linear in the signal, and a rotation passes through them exactly."""

import math

import pytest
import torch

from armillary.harmonics import rotate_s2, rotate_so3, s2_size, so3_size
from armillary.nn import HarmonicFilter, PointFilter, S2Convolution, SO3Convolution
from armillary.nn.filter import near_identity_rotations, rotation_basis, sphere_basis
from armillary.so3.rotation import geodesic_distance, random_rotations

LMAX = 5
SPHERE_FILTERS = {
    "harmonic": lambda: HarmonicFilter(4, 3, s2_size(LMAX)),
    "points": lambda: PointFilter(4, 3, sphere_basis(LMAX)),
}
ROTATION_FILTERS = {
    "harmonic": lambda: HarmonicFilter(4, 3, so3_size(LMAX)),
    "points": lambda: PointFilter(4, 3, rotation_basis(LMAX, near_identity_rotations())),
    "legacy points": lambda: PointFilter(4, 3, rotation_basis(LMAX, near_identity_rotations(legacy=True))),
}


def tolerance(scale: float) -> float:
    """Rounding of float64 sums over at most (2 lmax + 1) * 4 products."""
    return 100 * (2 * LMAX + 1) * torch.finfo(torch.float64).eps * scale


@pytest.fixture(autouse=True)
def _double_precision():
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(previous)


def turns(channels: int) -> torch.Tensor:
    """Five random rotations, each for all channels."""
    rotation = random_rotations(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return rotation[:, None].expand(5, channels, 3, 3)


@pytest.mark.parametrize("name", SPHERE_FILTERS)
def test_the_sphere_convolution_commutes_with_rotations(name):
    layer, signal = S2Convolution(SPHERE_FILTERS[name]()), torch.randn(5, 4, s2_size(LMAX))
    turned, expected = layer(rotate_s2(signal, turns(4))), rotate_so3(layer(signal), turns(3))
    assert (turned - expected).abs().max() < tolerance(expected.abs().max().item())


@pytest.mark.parametrize("name", ROTATION_FILTERS)
def test_the_rotation_convolution_commutes_with_rotations(name):
    layer, signal = SO3Convolution(ROTATION_FILTERS[name]()), torch.randn(5, 4, so3_size(LMAX))
    turned, expected = layer(rotate_so3(signal, turns(4))), rotate_so3(layer(signal), turns(3))
    assert (turned - expected).abs().max() < tolerance(expected.abs().max().item())


@pytest.mark.parametrize("name", SPHERE_FILTERS)
def test_the_sphere_convolution_equals_its_sum_written_out(name):
    layer, signal = S2Convolution(SPHERE_FILTERS[name]()), torch.randn(2, 4, s2_size(LMAX))
    result, psi = layer(signal), layer.filter()
    for degree, m, n in ((0, 0, 0), (1, -1, 1), (3, 2, -3), (5, -5, 0)):
        width, centre = 2 * degree + 1, degree * degree + degree
        value = sum(signal[:, c, centre + m, None] * psi[c, :, centre + n] for c in range(4)) / math.sqrt(4)
        position = so3_size(degree - 1) + (m + degree) * width + n + degree
        assert torch.allclose(result[..., position], value, rtol=0, atol=tolerance(10))


def test_the_rotation_convolution_equals_its_sum_written_out():
    layer, signal = SO3Convolution(ROTATION_FILTERS["harmonic"]()), torch.randn(2, 4, so3_size(LMAX))
    result, psi = layer(signal), layer.filter()
    for degree, m, n in ((0, 0, 0), (1, -1, 1), (3, 2, -3)):
        width, start = 2 * degree + 1, so3_size(degree - 1)
        value = torch.zeros(2, 3)
        for c in range(4):
            for k in range(width):
                left = signal[:, c, start + (m + degree) * width + k, None]
                value = value + left * psi[c, :, start + k * width + n + degree]
        value = value / math.sqrt(width * 4)
        position = start + (m + degree) * width + n + degree
        assert torch.allclose(result[..., position], value, rtol=0, atol=tolerance(10))


@pytest.mark.parametrize("filters", [SPHERE_FILTERS, ROTATION_FILTERS], ids=["sphere", "rotations"])
def test_untrained_layers_keep_the_variance_of_white_coefficients(filters):
    for make in filters.values():
        filter = make()
        size = filter().shape[-1]
        layer = S2Convolution(filter) if size == s2_size(LMAX) else SO3Convolution(filter)
        # 3 * 64 * 286 samples, correlated through 12 filters: 25 % is four standard errors.
        assert abs(layer(torch.randn(64, 4, size)).square().mean() - 1) < 0.25


def test_the_near_identity_grid_is_what_it_says():
    rotations = near_identity_rotations()
    tilt = torch.acos(rotations[:, 2, 2].clamp(-1, 1))
    assert tilt.max() <= math.pi / 8 + 1e-12
    distance = geodesic_distance(rotations[:, None], rotations[None])
    assert (distance + torch.eye(len(rotations)) > 1e-3).all(), "the default grid has no rotation twice"
    # A small turn about z belongs to the grid's band of turns: a + g covers a full circle evenly.
    total = torch.atan2(rotations[:, 1, 0] - rotations[:, 0, 1], rotations[:, 0, 0] + rotations[:, 1, 1])
    sevenths = (total * 7 / (2 * math.pi)).round()
    assert (total * 7 / (2 * math.pi) - sevenths).abs().max() < 1e-9
    assert torch.equal(torch.bincount(sevenths.long() % 7), torch.full((7,), 21))


def test_the_legacy_grid_counts_rotations_twice_as_the_original_does():
    rotations = near_identity_rotations(legacy=True)
    distance = geodesic_distance(rotations[:, None], rotations[None])
    distinct = sum(bool((distance[i, :i] > 1e-6).all()) for i in range(len(rotations)))
    assert (len(rotations), distinct) == (168, 147)
