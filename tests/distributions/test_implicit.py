"""Black boxes give the same answers as the families whose formulas they hide."""

import math

import pytest
import torch
from torch import Tensor, nn

from armillary.distributions import AdaptiveTree, HarmonicDistribution, ImplicitDistribution, MatrixFisher
from armillary.harmonics import evaluate_so3, so3_size, wigner_D
from armillary.so3 import exp, geodesic_distance, random_rotations

DEGREE = math.pi / 180
TOLERANCE = AdaptiveTree().tolerance


def pair(generator: torch.Generator, batch: tuple[int, ...] = ()) -> tuple[MatrixFisher, ImplicitDistribution]:
    F = 3 * torch.randn(*batch, 3, 3, generator=generator, dtype=torch.float64)
    return MatrixFisher(F), ImplicitDistribution(lambda R: (F * R).sum((-2, -1)), batch, dtype=torch.float64)


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_answers_are_those_of_the_family_behind_it(batch: tuple[int, ...], generator: torch.Generator) -> None:
    known, hidden = pair(generator, batch)
    R = random_rotations(10, *batch, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(hidden.log_prob(R), known.log_prob(R), rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(hidden.entropy(), known.entropy(), rtol=0, atol=1e-3)
    assert geodesic_distance(hidden.mean, known.mean).max() < 1e-3
    assert geodesic_distance(hidden.mode, known.mode).max() < 1e-6
    ours, theirs = hidden.credible_region(0.5), known.credible_region(0.5)
    torch.testing.assert_close(ours.volume, theirs.volume, rtol=0.05, atol=1e-3)
    torch.testing.assert_close(ours.threshold, theirs.threshold, rtol=0, atol=0.05)


def test_many_peaks_are_those_of_the_harmonics_behind_it(generator: torch.Generator) -> None:
    coeffs = 1.5 * torch.randn(so3_size(3), generator=generator, dtype=torch.float64)
    known = HarmonicDistribution(coeffs)
    hidden = ImplicitDistribution(lambda R: evaluate_so3(coeffs, R), dtype=torch.float64)
    ours, theirs = hidden.modes(3), known.modes(3)
    assert geodesic_distance(ours.rotation, theirs.rotation).max() < 1e-5
    torch.testing.assert_close(ours.log_prob, theirs.log_prob, rtol=0, atol=2 * TOLERANCE)
    torch.testing.assert_close(hidden.moments(3), known.moments(3), rtol=0, atol=2e-3)


def test_shapes_follow_the_batch(generator: torch.Generator) -> None:
    _, hidden = pair(generator, (2, 3))
    sample = hidden.sample((4,), generator=generator)
    assert sample.shape == (4, 2, 3, 3, 3) and hidden.log_prob(sample).shape == (4, 2, 3)
    assert hidden.modes(2).rotation.shape == (2, 3, 2, 3, 3)
    R = random_rotations(2, 3, generator=generator, dtype=torch.float64)
    turn = random_rotations(2, 1, 3, generator=generator, dtype=torch.float64)
    turned = hidden.rotate(turn)
    assert turned.batch_shape == (2, 2, 3)
    torch.testing.assert_close(turned.log_prob(turn @ R)[1], hidden.log_prob(R), rtol=0, atol=2 * TOLERANCE)
    wide = hidden.expand((3, 2, 3))
    torch.testing.assert_close(wide.log_prob(R)[2], hidden.log_prob(R))


def test_samples_have_the_moments_of_the_density(generator: torch.Generator) -> None:
    _, hidden = pair(generator)
    draws = (
        wigner_D(2, hidden.sample((4000,), generator=generator))
        * torch.tensor([1.0] + 9 * [3**0.5] + 25 * [5**0.5]).double()
    )
    noise = draws.std(0) / math.sqrt(4000)
    # 34 coefficients: the largest of their errors is below 4.5 standard errors in all but one of 3,000 runs.
    assert ((draws.mean(0) - hidden.moments(2)).abs() - 4.5 * noise).max() < 1e-3


def test_gradients_pass_to_all_that_the_energy_depends_on(generator: torch.Generator) -> None:
    concentration = torch.tensor([1.5, 3.0], dtype=torch.float64, requires_grad=True)
    centre = random_rotations(2, generator=generator, dtype=torch.float64)
    R = random_rotations(2, generator=generator, dtype=torch.float64).requires_grad_()

    def log_prob(concentration: Tensor, R: Tensor) -> Tensor:
        def energy(value: Tensor) -> Tensor:
            return concentration * ((value * centre).sum((-2, -1)) - 3)

        return ImplicitDistribution(energy, (2,), tree=AdaptiveTree(1e-2), dtype=torch.float64).log_prob(R)

    # The nodes do not move with the parameters, so the derivative of the sum over them is exact.
    assert torch.autograd.gradcheck(log_prob, (concentration, R), atol=1e-6, rtol=1e-6)
    # And it is that of the exact normaliser, to the tolerance of the sum.
    log_prob(concentration, R.detach()).sum().backward()
    exact = concentration.detach().clone().requires_grad_()
    MatrixFisher(exact[:, None, None] * centre).log_prob(R.detach()).sum().backward()
    torch.testing.assert_close(concentration.grad, exact.grad, rtol=0, atol=2e-2)


def test_a_network_that_closes_over_features_learns_by_its_likelihood() -> None:
    torch.manual_seed(0)  # the initial weights; samples have their own generator
    generator = torch.Generator().manual_seed(0)
    features = torch.eye(2)
    labels = random_rotations(2, generator=generator)
    head = nn.Sequential(nn.Linear(11, 32), nn.GELU(), nn.Linear(32, 1))

    def energy(R: Tensor) -> Tensor:
        return head(torch.cat([features.expand(*R.shape[:-2], 2), R.flatten(-2)], -1))[..., 0]

    optimiser = torch.optim.Adam(head.parameters(), 0.03)
    losses = []
    for _ in range(12):
        loss = -ImplicitDistribution(energy, (2,), tree=AdaptiveTree(1e-2)).log_prob(labels).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1


def test_sharp_densities_are_normalised_with_a_hint(generator: torch.Generator) -> None:
    centre = random_rotations(generator=generator, dtype=torch.float64)
    hint = centre @ exp(torch.tensor([0.0, 0.1 * DEGREE, 0.0], dtype=torch.float64))
    for sigma in (2.0 * DEGREE, 0.1 * DEGREE):
        known = MatrixFisher.isotropic(centre, sigma=sigma)
        hidden = ImplicitDistribution(
            lambda R, k=0.5 / sigma**2: k * ((R * centre).sum((-2, -1)) - 3), starts=hint[None], dtype=torch.float64
        )
        assert abs(hidden.log_prob(centre) - known.log_prob(centre)) < 1e-3
        assert abs(hidden.entropy() - known.entropy()) < 5e-3


def test_float32_energies_get_float32_rotations_and_answers(generator: torch.Generator) -> None:
    seen = set()

    def energy(R: Tensor) -> Tensor:
        seen.add(R.dtype)
        return 3 * R[..., 2, 2]

    density = ImplicitDistribution(energy, dtype=torch.float32)
    assert density.sample((2,), generator=generator).dtype == density.entropy().dtype == torch.float32
    assert density.log_prob(torch.eye(3)).dtype == torch.float32 and seen == {torch.float32}


def test_bad_energies_and_starts_are_named() -> None:
    with pytest.raises(ValueError, match="expected energies of shape"):
        ImplicitDistribution(lambda R: R[..., 0], (2,)).log_prob(torch.eye(3))
    with pytest.raises(ValueError, match=r"expected starts of shape \(\*\(2,\), k, 3, 3\), got \(1, 3, 3\)"):
        ImplicitDistribution(lambda R: R[..., 0, 0], (2,), starts=torch.eye(3)[None])
    with pytest.raises(ValueError, match="NaN"):
        ImplicitDistribution(lambda R: R[..., 0, 0] * math.nan).entropy()
