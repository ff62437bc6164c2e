"""Laws of products: proportional to the product of densities, normalised, in the smallest family that holds it."""

import math

import pytest
import torch

from armillary.distributions import (
    Bingham,
    HarmonicDistribution,
    ImplicitDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    SO3Distribution,
    Uniform,
)
from armillary.distributions.calculus.log_coefficients import turn_object
from armillary.distributions.calculus.product import product
from armillary.harmonics import so3_size
from armillary.so3 import exp, random_rotations

F = torch.tensor([[4.0, 1.0, 0.0], [-1.0, 2.0, 0.5], [0.3, 0.0, 1.0]], dtype=torch.float64)
TURN = exp(torch.tensor([0.4, -0.3, 0.2], dtype=torch.float64))


def harmonic(lmax: int) -> HarmonicDistribution:
    generator = torch.Generator().manual_seed(lmax)
    return HarmonicDistribution(0.3 * torch.randn(so3_size(lmax), generator=generator, dtype=torch.float64))


def mixture() -> Mixture:
    turns = torch.stack([torch.eye(3, dtype=torch.float64), TURN @ TURN])
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    return Mixture(weights, MatrixFisher(5 * turns), Uniform((1,), dtype=torch.float64))


FAMILIES: dict[str, SO3Distribution] = {
    "uniform": Uniform(dtype=torch.float64),
    "fisher": MatrixFisher(F),
    "bingham": Bingham.from_matrix_fisher(MatrixFisher(F.mT)),
    "harmonic-2": harmonic(2),
    "harmonic-3": harmonic(3),
    "mixture": mixture(),
    "laplace": RotationLaplace(2 * F),
}
SLOW = {(a, b) for a in ("harmonic-2", "harmonic-3", "bingham") for b in ("mixture", "laplace")}
PAIRS = [(a, b) for i, a in enumerate(FAMILIES) for b in list(FAMILIES)[i:] if (a, b) not in SLOW]
PAIRS += [("harmonic-2", "mixture"), ("bingham", "laplace")]
CLOSED = {"uniform", "fisher", "bingham", "harmonic-2", "harmonic-3"}
EXACT = 3e-4  # two normalisers of 1e-4 and what their densities' own are off by


def kind(first: str, second: str) -> type:
    if {first, second} == {"uniform"}:
        return Uniform
    if {first, second} <= {"uniform", "fisher", "bingham"}:
        return MatrixFisher
    if {first, second} <= CLOSED:
        return HarmonicDistribution
    return ImplicitDistribution if "laplace" in (first, second) else Mixture


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_product_is_proportional_to_the_product_in_its_family(
    first: str, second: str, generator: torch.Generator
) -> None:
    both = product(FAMILIES[first], FAMILIES[second])
    assert type(both) is kind(first, second)
    R = random_rotations(200, generator=generator, dtype=torch.float64)
    constant = both.log_prob(R) - FAMILIES[first].log_prob(R) - FAMILIES[second].log_prob(R)
    assert constant.max() - constant.min() < EXACT
    # Half of the nodes at uniform rotations, half drawn from the density: q = (1 + p) / 2, whose ratio is bounded by 2.
    points = torch.cat([R, both.sample((200,), generator=generator)])
    p = both.log_prob(points).exp()
    ratio = 2 * p / (1 + p)
    assert abs(ratio.mean() - 1) <= 5 * ratio.std() / math.sqrt(len(ratio)) + EXACT


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "laplace"])
def test_uniform_evidence_changes_nothing(name: str, generator: torch.Generator) -> None:
    R = random_rotations(50, generator=generator, dtype=torch.float64)
    same = product(FAMILIES[name], Uniform(dtype=torch.float64))
    torch.testing.assert_close(same.log_prob(R), FAMILIES[name].log_prob(R), rtol=0, atol=EXACT)


@pytest.mark.parametrize("names", [("fisher", "bingham"), ("harmonic-2", "fisher"), ("mixture", "mixture")])
def test_powers_temper(names: tuple[str, str], generator: torch.Generator) -> None:
    first, second = (FAMILIES[name] for name in names)
    tempered = product(first, second, powers=(0.5, 2))
    R = random_rotations(100, generator=generator, dtype=torch.float64)
    constant = tempered.log_prob(R) - first.log_prob(R) / 2 - 2 * second.log_prob(R)
    assert constant.max() - constant.min() < EXACT


def test_the_order_and_the_frame_do_not_matter(generator: torch.Generator) -> None:
    R = random_rotations(50, generator=generator, dtype=torch.float64)
    parts = [FAMILIES[name] for name in ("fisher", "harmonic-2", "mixture")]
    whole, backwards = product(*parts), product(*parts[::-1])
    torch.testing.assert_close(whole.log_prob(R), backwards.log_prob(R), rtol=0, atol=EXACT)
    turned = product(*(part.rotate(TURN) for part in parts))
    torch.testing.assert_close(turned.log_prob(TURN @ R), whole.log_prob(R), rtol=0, atol=EXACT)
    moved = product(*(turn_object(part, TURN) for part in parts))
    torch.testing.assert_close(moved.log_prob(R @ TURN), whole.log_prob(R), rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", FAMILIES)
def test_turning_the_object_multiplies_from_the_right(name: str, generator: torch.Generator) -> None:
    R = random_rotations(50, generator=generator, dtype=torch.float64)
    turned = turn_object(FAMILIES[name], TURN)
    torch.testing.assert_close(turned.log_prob(R @ TURN), FAMILIES[name].log_prob(R), rtol=0, atol=EXACT)


def test_batches_broadcast(generator: torch.Generator) -> None:
    wide = HarmonicDistribution(0.2 * torch.randn(3, 1, so3_size(2), generator=generator))
    fishers = MatrixFisher(torch.randn(4, 3, 3, generator=generator))
    lone = Mixture(torch.ones(2), MatrixFisher(torch.randn(2, 3, 3, generator=generator)))
    both, all_three = product(wide, fishers), product(wide, fishers, lone)
    assert both.batch_shape == all_three.batch_shape == (3, 4)
    R = random_rotations(generator=generator)
    one = product(HarmonicDistribution(wide.coeffs[2, 0]), MatrixFisher(fishers.parameter[1]), lone)
    torch.testing.assert_close(all_three.log_prob(R)[2, 1], one.log_prob(R), rtol=0, atol=2 * EXACT)


def test_sharp_evidence_that_disagrees_keeps_its_weights() -> None:
    # Two modes a radian apart with kappa = 500: products of the far pairs are e^-400 of the near ones.
    turns = torch.stack([torch.eye(3, dtype=torch.float64), exp(torch.tensor([1.0, 0, 0], dtype=torch.float64))])
    first = Mixture(torch.tensor([0.7, 0.3], dtype=torch.float64), MatrixFisher(500 * turns))
    second = Mixture(torch.tensor([0.2, 0.8], dtype=torch.float64), MatrixFisher(500 * turns))
    both = product(first, second)
    assert isinstance(both, Mixture)
    expected = torch.tensor([0.14, 0.24], dtype=torch.float64) / 0.38
    torch.testing.assert_close(both.weights[[0, 3]], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("powers", [(1.0,), (1.0, -0.5), (1.0, math.nan)])
def test_impossible_powers_are_named(powers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="as many powers"):
        product(Uniform(), Uniform(), powers=powers)


def test_nothing_has_no_product() -> None:
    with pytest.raises(ValueError, match="at least one density"):
        product()
