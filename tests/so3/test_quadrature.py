"""Laws of quadrature: weights sum to one and integrate Legendre polynomials exactly up to the stated degree."""

import math

import pytest
import torch
from scipy.special import eval_legendre

from armillary.so3 import driscoll_healy, equiangular, gauss_legendre

# Rule, its numbers of nodes, and the degree it states for n nodes.
RULES = [
    (gauss_legendre, [1, 2, 3, 8, 33, 128], lambda n: 2 * n - 1),
    (equiangular, [1, 2, 3, 8, 33, 128], lambda n: n - 1),
    (driscoll_healy, [2, 4, 8, 34, 128], lambda n: n - 1),
]
CASES = [pytest.param(rule, n, degree(n), id=f"{rule.__name__}-{n}") for rule, sizes, degree in RULES for n in sizes]


@pytest.mark.parametrize(("rule", "n", "degree"), CASES)
def test_polynomials_are_integrated_exactly_to_the_stated_degree(rule, n: int, degree: int) -> None:
    beta, weights = rule(n)
    for l in range(degree + 1):
        integral = float(weights.numpy() @ eval_legendre(l, beta.cos().numpy()))
        # n terms of size 1/n each, nodes rounded to eps with slopes up to l^2.
        assert abs(integral - (l == 0)) < 20 * (l + 1) * torch.finfo(torch.float64).eps


@pytest.mark.parametrize(("rule", "n", "degree"), CASES)
def test_the_stated_degree_is_not_modest(rule, n: int, degree: int) -> None:
    # One or two degrees further (the odd one vanishes by symmetry where nodes are mirrored) the rule must fail.
    beta, weights = rule(n)
    misses = [abs(float(weights.numpy() @ eval_legendre(l, beta.cos().numpy()))) for l in (degree + 1, degree + 2)]
    assert max(misses) > 1e-4 / n


@pytest.mark.parametrize(("rule", "n", "degree"), CASES)
def test_nodes_ascend_in_range_and_weights_are_a_probability(rule, n: int, degree: int) -> None:
    beta, weights = rule(n)
    assert beta.shape == weights.shape == (n,)
    assert beta.dtype == weights.dtype == torch.float64
    assert beta.min() >= 0 and beta.max() <= math.pi and (beta.diff() > 0).all()
    assert weights.min() >= -1e-16
    assert abs(weights.sum().item() - 1) < 1e-14


def test_known_integrals() -> None:
    # Half the integral of sin(b) exp(cos b) is sinh(1); of sin(b) b is pi / 2.
    for rule, n in ((gauss_legendre, 12), (equiangular, 16), (driscoll_healy, 16)):
        beta, weights = rule(n)
        assert abs((weights * beta.cos().exp()).sum() - math.sinh(1)) < 1e-14
    beta, weights = equiangular(512)
    assert abs((weights * beta).sum() - math.pi / 2) < 1e-5


def test_impossible_sizes_are_named() -> None:
    for rule in (gauss_legendre, equiangular, driscoll_healy):
        with pytest.raises(ValueError, match="expected at least one quadrature node"):
            rule(0)
    with pytest.raises(ValueError, match="even number"):
        driscoll_healy(5)
