"""Gradients of every public function: those of finite differences, and finite at every special rotation and pole."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from armillary.harmonics import (
    S2Transform,
    SO3Transform,
    correlate,
    correlate_so3,
    derivative_coeffs,
    evaluate_on_so3_grid,
    evaluate_s2,
    evaluate_so3,
    expand_so3,
    rotate_s2,
    rotate_so3,
    s2_size,
    so3_size,
    spherical_harmonics,
    split_degrees,
    wigner_D,
)
from armillary.so3 import exp, random_rotations

LMAX = 2
S2, SO3 = s2_size(LMAX), so3_size(LMAX)
TRANSFORMS = [
    pytest.param(kind(LMAX, azimuths=azimuths, grid=grid, dtype=torch.float64), id=f"{kind.__name__}-{grid}-{azimuths}")
    for kind in (S2Transform, SO3Transform)
    for azimuths, grid in ((5, "gauss-legendre"), (6, "equiangular"), (5, "driscoll-healy"))
]
# Linear or bilinear in their coefficients.
OF_COEFFS = {
    "correlate": (correlate, (S2, S2)),
    "correlate with channels": (lambda a, b: correlate(a.unflatten(0, (1, 2)), b.unflatten(0, (1, 2)), 1), (S2, S2)),
    "correlate_so3": (correlate_so3, (SO3, SO3)),
    "derivative_coeffs": (derivative_coeffs, (SO3,)),
    "evaluate_on_so3_grid": (lambda c: evaluate_on_so3_grid(c, 0), (SO3,)),
    "split_degrees": (lambda c: split_degrees(c)[2], (SO3,)),
}
# Functions of rotations, and of coefficients and rotations.
OF_ROTATIONS = {
    "wigner_D": lambda R: wigner_D(LMAX, R),
    "rotate_s2": lambda R: rotate_s2(ramp(S2), R),
    "rotate_so3": lambda R: rotate_so3(ramp(SO3), R),
    "evaluate_so3": lambda R: evaluate_so3(ramp(SO3), R),
    "expand_so3": lambda R: torch.cat([part.flatten() for part in expand_so3(derivative_coeffs(ramp(SO3)), R)]),
    "spherical_harmonics": lambda R: spherical_harmonics(LMAX, R[..., 2]),
    "evaluate_s2": lambda R: evaluate_s2(ramp(S2), R[..., 2]),
}
OF_BOTH = {
    "rotate_s2": (rotate_s2, S2),
    "rotate_so3": (rotate_so3, SO3),
    "evaluate_so3": (evaluate_so3, SO3),
    "evaluate_s2": (lambda c, R: evaluate_s2(c, R[..., 2]), S2),
}


def ramp(size: int) -> Tensor:
    """Coefficients that are all different."""
    return torch.linspace(-1, 2, size, dtype=torch.float64)


def variable(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms(transform: S2Transform | SO3Transform, generator: torch.Generator) -> None:
    coeffs = variable(generator, S2 if isinstance(transform, S2Transform) else SO3)
    assert gradcheck(transform.synthesis, (coeffs,), fast_mode=True)
    values = variable(generator, *transform.synthesis(coeffs).shape)
    assert gradcheck(transform.analysis, (values,), fast_mode=True)


@pytest.mark.parametrize("azimuths", [130, 131])
def test_transforms_by_fft(azimuths: int, generator: torch.Generator) -> None:
    transform = S2Transform(LMAX, rings=3, azimuths=azimuths, dtype=torch.float64)
    assert gradcheck(transform.synthesis, (variable(generator, S2),), fast_mode=True)
    assert gradcheck(transform.analysis, (variable(generator, 3, azimuths),), fast_mode=True)


@pytest.mark.parametrize("name", OF_COEFFS)
def test_functions_of_coefficients(name: str, generator: torch.Generator) -> None:
    function, sizes = OF_COEFFS[name]
    assert gradcheck(function, tuple(variable(generator, 2, size) for size in sizes), fast_mode=True)


@pytest.mark.parametrize("name", OF_ROTATIONS)
def test_functions_of_rotations_along_the_group(name: str, generator: torch.Generator) -> None:
    # R = Q exp(w) stays a rotation, at which alone these functions are defined.
    Q, w = random_rotations(2, generator=generator, dtype=torch.float64), variable(generator, 2, 3)
    assert gradcheck(lambda w: OF_ROTATIONS[name](Q @ exp(w)), (w,))


@pytest.mark.parametrize("name", OF_BOTH)
def test_functions_of_coefficients_and_rotations(name: str, generator: torch.Generator) -> None:
    function, size = OF_BOTH[name]
    Q = random_rotations(2, generator=generator, dtype=torch.float64)
    inputs = variable(generator, 2, size), variable(generator, 2, 3)
    assert gradcheck(lambda coeffs, w: function(coeffs, Q @ exp(w)), inputs)


@pytest.mark.parametrize("name", OF_ROTATIONS)
def test_gradients_at_identity_half_turns_and_poles(name: str, special_rotations: Tensor) -> None:
    R = special_rotations.clone().requires_grad_()
    value = OF_ROTATIONS[name](R)
    value.square().sum().backward()
    assert value.isfinite().all() and R.grad is not None and R.grad.isfinite().all()


@pytest.mark.parametrize("name", OF_ROTATIONS)
def test_gradients_at_special_rotations_are_those_of_finite_differences(name: str, special_rotations: Tensor) -> None:
    Q, step = special_rotations, 1e-5
    w = torch.zeros(len(Q), 3, dtype=torch.float64, requires_grad=True)
    weights = ramp(OF_ROTATIONS[name](Q).numel()).view_as(OF_ROTATIONS[name](Q))
    gradient = torch.autograd.grad((weights * OF_ROTATIONS[name](Q @ exp(w))).sum(), w)[0]
    for axis, turn in enumerate(step * torch.eye(3, dtype=torch.float64)):
        ahead, behind = ((weights * OF_ROTATIONS[name](Q @ exp(s * turn))).flatten() for s in (1, -1))
        slope = ((ahead - behind) / (2 * step)).sum()
        # Third derivatives times step^2 / 6, and rounding over the step; thousands of terms of size 1 to 30.
        torch.testing.assert_close(gradient[:, axis].sum(), slope, rtol=1e-6, atol=1e-4)
