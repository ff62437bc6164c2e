"""Laws of the three ways to a sphere: unit length, exact Jacobians, finite gradients, golden values of the paper."""

import math

import pytest
import torch
from torch.autograd.functional import jacobian

from armillary.nn.spherical_exponential import log_spherical_exponential, spherical_exponential, spherical_flat

OUTPUT = torch.tensor([0.3, -1.2, 2.0, 0.0], dtype=torch.float64)


def random_outputs(count: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_golden_values():
    # Liao et al. as computed with numpy; six digits are printed.
    paper = torch.tensor([0.177997, 0.039717, 0.974347, 0.131863], dtype=torch.float64)
    program = torch.tensor([0.366670, 0.173202, 0.857877, 0.315595], dtype=torch.float64)
    assert (spherical_exponential(OUTPUT) - paper).abs().max() < 5e-7
    assert (spherical_exponential(OUTPUT / 2) - program).abs().max() < 5e-7


def test_the_programs_square_root_of_a_softmax_is_the_papers_formula():
    o = random_outputs(1000, 3.0)
    formula = o.exp() / (2 * o).exp().sum(-1, keepdim=True).sqrt()
    assert (spherical_exponential(o) - formula).abs().max() < 1e-14
    assert (log_spherical_exponential(o) - formula.log()).abs().max() < 1e-13


@pytest.mark.parametrize("function", [spherical_exponential, spherical_flat])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_the_result_has_unit_length_and_finite_gradients_at_any_gap(function, dtype, scale):
    o = random_outputs(200, scale).clamp(-3e4, 3e4).to(dtype).requires_grad_()
    point = function(o)
    # Rounding of four coordinates.
    assert (point.double().square().sum(-1) - 1).abs().max() < 8 * torch.finfo(dtype).eps
    weight = torch.arange(1, 5, dtype=dtype)
    (point * weight).sum().backward()
    assert o.grad is not None and o.grad.isfinite().all()
    if function is spherical_exponential:
        assert (point > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gap_that_underflows_a_softmax_has_a_finite_gradient(dtype):
    """The square root of a softmax has NaN here: the case of the original's program."""
    naive, ours = (torch.tensor([0.0, -300.0], dtype=dtype, requires_grad=True) for _ in range(2))
    naive.softmax(-1).sqrt().sum().backward()
    spherical_exponential(ours).sum().backward()
    assert not naive.grad.isfinite().all() and ours.grad.isfinite().all()


def test_the_jacobian_is_the_formula_tangent_and_blind_to_a_common_shift():
    for o in random_outputs(20, 2.0):
        p, J = spherical_exponential(o), jacobian(spherical_exponential, o)
        assert (J - (p.diag() - torch.outer(p, p.square()))).abs().max() < 1e-10
        assert J.sum(1).abs().max() < 1e-12 and (p @ J).abs().max() < 1e-12
        assert (spherical_exponential(o + 7.0) - p).abs().max() < 1e-13
        norm = torch.linalg.matrix_norm(J)
        assert (norm - (1 - p.pow(4).sum()).sqrt()).abs() < 1e-10
        assert norm <= math.sqrt(3 / 4) + 1e-12


def test_the_flat_jacobian_is_the_projection_divided_by_the_length():
    for o in random_outputs(20, 2.0):
        p, J = spherical_flat(o), jacobian(spherical_flat, o)
        assert (J - (torch.eye(4, dtype=o.dtype) - torch.outer(p, p)) / o.norm()).abs().max() < 1e-10
        assert (p @ J).abs().max() < 1e-12


def test_flat_outputs_of_any_size_are_safe():
    for size in (1e-38, 1e-20, 1e30):
        o = (size * torch.tensor([3.0, 0.0, -4.0])).requires_grad_()
        p = spherical_flat(o)
        assert (p - torch.tensor([0.6, 0.0, -0.8])).abs().max() < 1e-6
    zero = torch.zeros(2, 3, requires_grad=True)
    spherical_flat(zero)[:, 1].sum().backward()
    assert torch.equal(zero.grad, torch.zeros(2, 3))


@pytest.mark.parametrize("function", [spherical_exponential, spherical_flat, log_spherical_exponential])
def test_channels_first_is_the_same_function(function):
    o = random_outputs(6).reshape(2, 3, 4)
    assert torch.equal(function(o), function(o.movedim(-1, 1), dim=1).movedim(1, -1))
