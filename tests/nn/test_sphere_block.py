"""Laws of the blocks of spherical CNNs: constants stay constant, low degrees stay, rotations pass up to the table."""

import pytest
import torch
from torch import nn

from armillary.harmonics import S2Transform, rotate_s2, s2_size
from armillary.harmonics.so3_transform import Grid
from armillary.nn import GridBlock, S2BatchNorm, S2Pointwise, SpectralBlock, ZonalConvolution
from armillary.nn.equivariance import equivariance_error, invariance_error, on_coefficients
from armillary.nn.sphere_block import GridPooling
from armillary.nn.sphere_pooling import degree_norms, spectral_pooling, weighted_average_pooling, weighted_mean
from armillary.so3 import random_rotations, rotation_z

LMAX, SIDE = 15, 32
PI = torch.tensor(torch.pi, dtype=torch.float64)
GRIDS: tuple[Grid, ...] = ("driscoll-healy", "equiangular")


@pytest.fixture(autouse=True)
def _double_precision():
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(previous)


def signal(power: float = 0.0) -> torch.Tensor:
    """Eight times four functions of variance 1 whose coefficients fall with (1 + l)^-power."""
    degree = torch.arange(LMAX + 1).repeat_interleave(2 * torch.arange(LMAX + 1) + 1)
    coeffs = torch.randn(8, 4, s2_size(LMAX)) / (1 + degree) ** power
    return coeffs / coeffs.norm(dim=-1, keepdim=True)


def transform(grid: Grid = "driscoll-healy", side: int = SIDE) -> S2Transform:
    return S2Transform(side // 2 - 1, side, side, grid)


def pooling(grid: Grid):
    return on_coefficients(weighted_average_pooling, transform(grid), transform(grid, SIDE // 2))


def grid_block(halve: GridPooling | None):
    after = transform(side=SIDE // 2 if halve else SIDE)
    return on_coefficients(GridBlock(4, 4, SIDE, 8, halve), transform(), after)


# The module's table: how to make a layer, its error with equal coefficients and with falling ones.
TABLE = {
    "zonal convolution": (lambda: ZonalConvolution(4, 4, LMAX, 8), 1e-14, 1e-14),
    "spectral pooling": (lambda: lambda coeffs: spectral_pooling(coeffs, 7), 1e-14, 1e-14),
    "batch norm": (lambda: S2BatchNorm(4), 1e-14, 1e-14),
    "SiLU, 1.5": (lambda: S2Pointwise(LMAX, nn.SiLU(), 1.5), 0.018, 8e-4),
    "SiLU, 2": (lambda: S2Pointwise(LMAX, nn.SiLU(), 2.0), 0.003, 3.5e-5),
    "PReLU, 1.5": (lambda: S2Pointwise(LMAX, nn.PReLU(4, init=0.1), 1.5), 0.056, 0.013),
    "PReLU, 2": (lambda: S2Pointwise(LMAX, nn.PReLU(4, init=0.1), 2.0), 0.025, 0.006),
    "spectral block": (lambda: SpectralBlock(4, 4, LMAX, 8, 1.5), 0.008, 9e-4),
    "grid batch norm": (
        lambda: on_coefficients(nn.BatchNorm2d(4, affine=False), transform(), transform()),
        0.034,
        0.076,
    ),
    "weighted pooling, equiangular": (lambda: pooling("equiangular"), 0.58, 0.26),
    "weighted pooling, Driscoll-Healy": (lambda: pooling("driscoll-healy"), 0.64, 0.30),
    "grid block": (lambda: grid_block(None), 0.13, 0.07),
    "grid block that halves by averages": (lambda: grid_block("weighted"), 0.52, 0.34),
    "grid block that halves spectra": (lambda: grid_block("spectral"), 0.13, 0.10),
}


@pytest.mark.parametrize("name", TABLE)
def test_rotations_pass_through_up_to_the_table(name):
    make, equal, falling = TABLE[name]
    layer, turns = make(), random_rotations(8, dtype=torch.float64)
    # A half more for the draws of weights, functions and rotations.
    assert equivariance_error(layer, signal(), turns) < 1.5 * equal
    assert equivariance_error(layer, signal(1.5), turns) < 1.5 * falling


@pytest.mark.parametrize("name", TABLE)
def test_a_constant_stays_a_constant(name):
    coeffs = torch.zeros(8, 4, s2_size(LMAX))
    coeffs[..., 0] = torch.randn(8, 4)
    result = TABLE[name][0]()(coeffs)
    assert result[..., 1:].abs().max() < 1e-12


@pytest.mark.parametrize("grid", GRIDS)
def test_pooling_keeps_constants_and_means(grid):
    assert torch.allclose(pooling(grid)(torch.eye(s2_size(LMAX))[:1, None])[0, 0], torch.eye(s2_size(7))[0])
    assert torch.allclose(weighted_mean(torch.full((3, SIDE, SIDE), 2.5)), torch.tensor(2.5))
    values = transform(grid).synthesis(signal())
    # Cells of a pair of rows weigh together as their pooled row does.
    assert torch.allclose(weighted_mean(weighted_average_pooling(values)), weighted_mean(values), atol=1e-12)


def test_the_weighted_mean_of_the_equiangular_grid_is_nearly_the_mean():
    coeffs = signal()
    # Midpoints in rows pi / 32 high: second order, and of each even degree.
    assert (weighted_mean(transform("equiangular").synthesis(coeffs)) - coeffs[..., 0]).abs().max() < 0.002


def test_weighted_pooling_commutes_with_turns_by_whole_cells():
    coeffs = signal()
    values = transform().synthesis(coeffs)
    turned = transform().synthesis(rotate_s2(coeffs, rotation_z(4 * 2 * PI / SIDE)))
    assert torch.allclose(turned, values.roll(4, -1), atol=1e-13)
    assert torch.equal(weighted_average_pooling(values.roll(4, -1)), weighted_average_pooling(values).roll(2, -1))


def test_most_of_the_error_of_weighted_pooling_is_half_a_cell():
    """Column k of the coarse grid is the mean of columns half a fine cell, pi / 32, further on."""
    pool, turns, back = pooling("equiangular"), random_rotations(8, dtype=torch.float64), rotation_z(PI / SIDE)
    low = signal(1.5)
    low[..., s2_size(7) :] = 0
    # A third, and an eighth; the lines allow for the draw.
    for coeffs, share in ((signal(1.5), 0.45), (low, 0.2)):
        corrected = equivariance_error(lambda part: rotate_s2(pool(part), back), coeffs, turns)
        assert corrected < share * equivariance_error(pool, coeffs, turns)


def test_spectral_pooling_keeps_low_degrees_exactly_on_every_point():
    coeffs = signal()
    low = coeffs.clone()
    low[..., s2_size(7) :] = 0
    assert torch.equal(spectral_pooling(coeffs, 7), low[..., : s2_size(7)])
    assert torch.allclose(
        transform(side=16).synthesis(spectral_pooling(coeffs, 7)), transform().synthesis(low)[..., ::2, ::2], atol=1e-13
    )
    with pytest.raises(ValueError, match="expected lmax from 0 to 15, got 16"):
        spectral_pooling(coeffs, 16)


def test_batch_norm_is_of_the_integrals():
    norm, coeffs = S2BatchNorm(4), 3 * signal()
    coeffs[..., 0] += torch.tensor([0.0, 5.0, -5.0, 100.0])
    fine = S2Transform(LMAX, 40, 64)
    values = fine.synthesis(norm(coeffs))
    weights = fine.polar_weights[:, None] / 64 / 8
    assert (values * weights).sum((0, 2, 3)).abs().max() < 1e-12
    # eps of 1e-5 beside a variance of 9.
    assert ((values.square() * weights).sum((0, 2, 3)) - 1).abs().max() < 2e-6


def test_batch_norm_remembers_what_it_saw():
    norm, coeffs = S2BatchNorm(4, momentum=1.0), signal()
    trained = norm(coeffs)
    norm.eval()
    assert torch.allclose(norm(coeffs), trained)
    assert torch.allclose(norm(coeffs[:3]), trained[:3])


def test_norms_of_degrees_do_not_turn_and_have_gradients_at_zero():
    assert invariance_error(degree_norms, signal(), random_rotations(8, dtype=torch.float64)) < 1e-14
    zero = torch.zeros(1, s2_size(3), requires_grad=True)
    degree_norms(zero).sum().backward()
    assert zero.grad is not None and zero.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_reach_every_parameter(dtype):
    grid, spectral = GridBlock(4, 6, SIDE, 8, halve="weighted").to(dtype), SpectralBlock(4, 6, 7, 8).to(dtype)
    coeffs = signal().to(dtype)
    values = transform().to(dtype).synthesis(coeffs)
    (grid(values).square().sum() + spectral(coeffs).pow(3).sum()).backward()
    for parameter in [*grid.parameters(), *spectral.parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0
