"""Laws of the cross entropies over a grid: they are the dense ones, and what they say of known densities."""

import math

import pytest
import torch

from armillary.data import Batch
from armillary.distributions import HarmonicDistribution, MatrixFisher, TurnedGrid
from armillary.distributions.cells import cell_log_likelihood, random_cell_log_likelihood
from armillary.harmonics import so3_size, wigner_D
from armillary.so3 import geodesic_distance, random_rotations
from armillary.so3.grid import so3_grid, so3_grid_rotation, so3_grid_size
from armillary.training import TrainConfig
from armillary.training.module import loss_of

LMAX, BATCH = 4, 5


@pytest.fixture
def coeffs(generator) -> torch.Tensor:
    return 0.3 * torch.randn(BATCH, so3_size(LMAX), generator=generator, dtype=torch.float64)


def dense_heights(coeffs: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Logits from a table of modes times points, as the original computes them."""
    scale = [math.sqrt(2 * l + 1) for l in range(LMAX + 1) for _ in range((2 * l + 1) ** 2)]
    return coeffs @ (wigner_D(LMAX, points) * coeffs.new_tensor(scale)).T


def dense_cross_entropy(coeffs: torch.Tensor, points: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The original's loss: nearest point by distance, softmax over all of them."""
    distance = geodesic_distance(truth[:, None], points[None])
    return torch.nn.functional.cross_entropy(dense_heights(coeffs, points), distance.argmin(1), reduction="none")


@pytest.mark.parametrize("level", [1, 2])
def test_the_full_grid_is_the_dense_cross_entropy(coeffs, generator, level):
    truth = random_rotations(BATCH, generator=generator, dtype=torch.float64)
    coeffs.requires_grad_(True)
    ours = math.log(so3_grid_size(level)) - cell_log_likelihood(HarmonicDistribution(coeffs), truth, level)
    dense = dense_cross_entropy(coeffs, so3_grid(level, dtype=torch.float64), truth)
    # Both in float64; sums over 4,608 cells of exponentials near 1.
    torch.testing.assert_close(ours, dense, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(loss.sum(), coeffs)[0] for loss in (ours, dense)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


@pytest.mark.parametrize("include_truth", [False, True])
def test_random_cells_are_the_dense_cross_entropy_over_them(coeffs, generator, include_truth):
    truth, level, count = random_rotations(BATCH, generator=generator, dtype=torch.float64), 2, 300
    coeffs.requires_grad_(True)
    seed = generator.seed()
    ours = math.log(count) - random_cell_log_likelihood(
        HarmonicDistribution(coeffs), truth, level, count, include_truth, generator=generator.manual_seed(seed)
    )
    cell = torch.randint(so3_grid_size(level), (count,), generator=generator.manual_seed(seed))
    points = so3_grid_rotation(cell, level, dtype=torch.float64)
    if include_truth:
        points = torch.cat([truth, points[BATCH:]])
    dense = dense_cross_entropy(coeffs, points, truth)
    torch.testing.assert_close(ours, dense, rtol=0, atol=1e-10)
    gradients = [torch.autograd.grad(loss.sum(), coeffs)[0] for loss in (ours, dense)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-10)


def test_other_families_are_taken_at_the_same_points(generator):
    # Of degree 1, a matrix Fisher density is a harmonic one: tr(A^T R) = sum over the nine entries.
    matrix = torch.randn(BATCH, 3, 3, generator=generator)
    degree_one = matrix[:, [1, 2, 0]][:, :, [1, 2, 0]].flatten(1) / math.sqrt(3)
    both = HarmonicDistribution(torch.cat([torch.zeros(BATCH, 1), degree_one], 1)), MatrixFisher(matrix)
    truth = random_rotations(BATCH, generator=generator)
    seed = generator.seed()
    for include_truth in (False, True):
        found = [
            random_cell_log_likelihood(each, truth, 1, 200, include_truth, generator=generator.manual_seed(seed))
            for each in both
        ]
        # float32 heights of a few nats.
        torch.testing.assert_close(*found, rtol=0, atol=2e-5)


def test_a_cell_likelihood_approaches_the_density_and_is_capped_by_its_grid(generator):
    smooth = HarmonicDistribution(0.1 * torch.randn(BATCH, so3_size(2), generator=generator, dtype=torch.float64))
    truth = so3_grid(3, dtype=torch.float64)[torch.randint(36864, (BATCH,), generator=generator)]
    # At a cell's centre only the normaliser differs, a sum over cells of 0.13 rad with equal weights: 2.5e-4 off.
    torch.testing.assert_close(cell_log_likelihood(smooth, truth, 3), smooth.log_prob(truth), rtol=0, atol=1e-3)
    sharp = HarmonicDistribution(1e4 * torch.randn(BATCH, so3_size(2), generator=generator, dtype=torch.float64))
    assert (cell_log_likelihood(sharp, truth, 1) <= math.log(so3_grid_size(1)) + 1e-6).all()


class Constant(torch.nn.Module):
    """A model whose answer does not depend on the picture."""

    def __init__(self, coeffs: torch.Tensor) -> None:
        super().__init__()
        self.coeffs = coeffs

    def forward(self, images: torch.Tensor, category: torch.Tensor) -> HarmonicDistribution:
        return HarmonicDistribution(self.coeffs, TurnedGrid(generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("loss", ["likelihood", "full-grid", "random-grid"])
def test_losses_are_in_full_precision_where_the_encoder_is_not(generator, loss):
    coeffs = torch.randn(BATCH, so3_size(LMAX), generator=generator)
    batch = Batch(torch.zeros(BATCH, 3, 4, 4), random_rotations(BATCH, generator=generator), torch.zeros(BATCH).long())
    config = TrainConfig(loss=loss, grid_level=2, grid_points=500, grid_truth=True)
    losses = []
    for mixed in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            losses.append(loss_of(Constant(coeffs), batch, config))
    assert losses[0] == losses[1] and losses[1].dtype == torch.float32


def test_a_uniform_answer_scores_zero_whatever_the_loss(generator):
    batch = Batch(torch.zeros(BATCH, 3, 4, 4), random_rotations(BATCH, generator=generator), torch.zeros(BATCH).long())
    for loss in ("likelihood", "full-grid", "random-grid"):
        config = TrainConfig(loss=loss, grid_level=2, grid_points=500)
        # float32 sums over some thousand cells.
        assert loss_of(Constant(torch.zeros(BATCH, so3_size(LMAX))), batch, config).abs() < 1e-4
