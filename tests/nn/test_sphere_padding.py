"""Laws of padding on the sphere: a map goes on as its function does, across the poles too; whole-cell turns commute."""

import math

import pytest
import torch

from armillary.harmonics import S2Transform, evaluate_s2, s2_size
from armillary.nn.sphere_padding import SphereConvolution, enlarge_sphere, pad_sphere


def continued(coeffs: torch.Tensor, side: int, width: int) -> torch.Tensor:
    """Values where rings and azimuths go on beyond their ends: polar angles below 0 and above pi too."""
    index = torch.arange(-width, side + width, dtype=torch.float64)
    polar, azimuth = (index[:, None] + 0.5) * math.pi / side, index[None] * 2 * math.pi / side
    axes = (polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos().expand(-1, len(index)))
    return evaluate_s2(coeffs.double()[:, None, None], torch.stack(axes, -1))


# Roundings of sums of 64 (lmax 7) or 256 (15) products of unit variance.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize(("side", "width"), [(16, 1), (16, 3), (16, 16), (32, 5), (4, 4), (2, 1)])
def test_a_padded_map_is_the_function_continued_across_the_poles(dtype, tolerance, side, width):
    lmax = (side - 1) // 2
    generator = torch.Generator().manual_seed(side)
    coeffs = torch.randn(3, s2_size(lmax), dtype=dtype, generator=generator)
    coeffs = coeffs / coeffs.norm(dim=-1, keepdim=True)
    values = S2Transform(lmax, side, side, "equiangular", dtype=dtype).synthesis(coeffs)
    expected = continued(coeffs, side, width)
    assert (pad_sphere(values, width) - expected).abs().max() < tolerance * expected.abs().max()


def test_reflection_without_the_half_turn_is_not_the_function():
    values = S2Transform(7, 16, 16, "equiangular").synthesis(torch.randn(1, 64))
    assert (pad_sphere(values, 1)[:, 0, 1:-1] - values[:, 0]).abs().max() > 0.1


def test_padding_keeps_leading_axes_and_widths_of_zero():
    values = torch.rand(2, 3, 5, 4, 6)
    assert torch.equal(pad_sphere(values, 0), values)
    padded = pad_sphere(values, 2)
    assert padded.shape == (2, 3, 5, 8, 10)
    assert torch.equal(padded[..., 2:-2, 2:-2], values)
    assert torch.equal(padded[1, 2], pad_sphere(values[1, 2], 2))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_a_convolution_commutes_with_turns_by_whole_cells_and_with_half_turns(kernel):
    torch.manual_seed(0)
    layer, values = SphereConvolution(3, 4, kernel).double(), torch.randn(2, 3, 8, 12, dtype=torch.float64)
    result = layer(values)
    assert result.shape == (2, 4, 8, 12)
    for cells in (1, 5, 6):
        # The same products, summed alike.
        assert (layer(values.roll(cells, -1)) - result.roll(cells, -1)).abs().max() < 1e-13


def test_a_kernel_sees_its_neighbours_across_the_pole():
    layer = SphereConvolution(1, 1, bias=False)
    with torch.no_grad():
        layer.convolution.weight.zero_()[0, 0, 0, 1] = 1.0  # reads the cell one ring north
    values = torch.arange(32.0).view(1, 1, 4, 8)
    result = layer(values)
    assert torch.equal(result[..., 1:, :], values[..., :-1, :])
    assert torch.equal(result[0, 0, 0], values[0, 0, 0].roll(4))


def test_an_enlarged_map_is_of_second_order_everywhere():
    torch.manual_seed(0)
    coeffs, errors = torch.randn(4, s2_size(3), dtype=torch.float64), []
    for side in (8, 16, 32):
        coarse, fine = (
            S2Transform(3, size, size, "equiangular", dtype=torch.float64).synthesis(coeffs)
            for size in (side, 2 * side)
        )
        error = (enlarge_sphere(coarse) - fine).abs()
        # No seam: the rows at the poles and the last column are no worse than the rest.
        assert error[:, [0, -1]].max() < 1.5 * error[:, 1:-1].max()
        errors.append(error.max())
    # A quarter with each halving; not yet quite with the coarsest.
    assert errors[0] / errors[1] > 3 and errors[1] / errors[2] > 3.5


def test_enlarging_keeps_constants_and_commutes_with_turns_and_reflections():
    values = torch.randn(2, 3, 4, 8, dtype=torch.float64)
    large = enlarge_sphere(values)
    assert large.shape == (2, 3, 8, 16)
    assert torch.allclose(enlarge_sphere(torch.full((4, 8), 2.5)), torch.tensor(2.5))
    assert torch.allclose(enlarge_sphere(values.roll(3, -1)), large.roll(6, -1), atol=1e-15)
    assert torch.allclose(enlarge_sphere(values.flip(-2)), large.flip(-2), atol=1e-15)
    # Azimuth k to -k.
    mirrored = enlarge_sphere(values.flip(-1).roll(1, -1))
    assert torch.allclose(mirrored, large.flip(-1).roll(1, -1), atol=1e-15)


def test_gradients_pass_through():
    values = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda part: pad_sphere(part, 3), values)
    assert torch.autograd.gradcheck(enlarge_sphere, values)


def test_what_cannot_be_padded_is_said():
    with pytest.raises(ValueError, match="expected an even number of azimuths, got 5; choose another grid"):
        pad_sphere(torch.zeros(4, 5), 1)
    for width in (5, -1):
        with pytest.raises(ValueError, match=f"expected a padding from 0 to 4 on 4 rings and 8 azimuths, got {width};"):
            pad_sphere(torch.zeros(4, 8), width)
    with pytest.raises(ValueError, match="expected an odd kernel, got 4; use 3"):
        SphereConvolution(3, 4, 4)
