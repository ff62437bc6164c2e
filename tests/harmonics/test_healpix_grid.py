"""Evaluation ring by ring is evaluation at the rotations of the nested grid."""

import pytest
import torch

from armillary.harmonics import evaluate_on_so3_grid, evaluate_so3, so3_size
from armillary.so3 import so3_grid, so3_grid_rotation

EPS = torch.finfo(torch.float64).eps


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("lmax", [0, 1, 6, 10])
def test_grid_evaluation_equals_pointwise_evaluation(lmax: int, level: int, generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(lmax), generator=generator, dtype=torch.float64)
    expected = evaluate_so3(coeffs, so3_grid(level, dtype=torch.float64))
    # HEALPix angles carry an acos near the poles: sqrt(eps) of a cosine there would be 1e-8, its rings stay well away.
    atol = 1000 * (2 * lmax + 1) ** 2 * EPS
    torch.testing.assert_close(evaluate_on_so3_grid(coeffs, level), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_batches_are_the_stack_of_their_functions(batch: tuple[int, ...], generator: torch.Generator) -> None:
    coeffs = torch.randn(*batch, so3_size(3), generator=generator)
    values = evaluate_on_so3_grid(coeffs, 1)
    assert values.shape == (*batch, 576) and values.dtype == torch.float32
    for own, row in zip(values.reshape(-1, 576), coeffs.reshape(-1, so3_size(3)), strict=True):
        torch.testing.assert_close(own, evaluate_on_so3_grid(row, 1), rtol=0, atol=1e-5)  # (2l+1)^3 float32 eps


def test_level_5_agrees_at_random_cells(generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(6), generator=generator)
    cells = torch.randint(72 * 8**5, (200,), generator=generator)
    values = evaluate_on_so3_grid(coeffs, 5)
    expected = evaluate_so3(coeffs.double(), so3_grid_rotation(cells, 5, dtype=torch.float64))
    # float32: sums of 455 terms with values of order 60.
    torch.testing.assert_close(values[cells].double(), expected, rtol=0, atol=60 * 455**0.5 * 1.2e-7)


def test_the_mean_over_the_grid_is_the_constant_term(generator: torch.Generator) -> None:
    # Equal-area pixels are no exact rule: level 3 integrates degree 2 to the square of its 7-degree spacing.
    coeffs = torch.randn(so3_size(2), generator=generator, dtype=torch.float64)
    assert abs(evaluate_on_so3_grid(coeffs, 3).mean() - coeffs[0]) < 0.01


def test_gradcheck(generator: torch.Generator) -> None:
    coeffs = torch.randn(so3_size(2), generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: evaluate_on_so3_grid(c, 0), (coeffs,))
