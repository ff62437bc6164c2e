"""The heaviest cells found from coarse to fine are those of the whole grid, and nothing is lost that matters."""

import math

import pytest
import torch
from torch import Tensor

from armillary.harmonics import evaluate_on_so3_grid, so3_size, wigner_D
from armillary.harmonics.heaviest_cells import _Blocks, _children, _radius, _sphere, heaviest_cells, pixel_radius
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import SymmetryGroup, geodesic_distance, random_rotations, s2_grid, so3_grid, so3_grid_rotation


def spike(centres: Tensor, height: float, lmax: int = 6) -> Tensor:
    D = wigner_D(lmax, centres)
    return height * D * degree_weights(lmax, D)


@pytest.fixture
def densities(generator: torch.Generator) -> Tensor:
    """Moderate, sharp, at the pole of the grid, four peaks, twelve peaks."""
    R = random_rotations(4, generator=generator, dtype=torch.float64)
    pole = torch.eye(3, dtype=torch.float64)
    twelve = SymmetryGroup.tetrahedral().equivalents(R[0])
    return torch.stack(
        [
            0.3 * torch.randn(so3_size(6), generator=generator, dtype=torch.float64),
            spike(R[0], 3.0),
            spike(pole, 0.5),
            spike(R, 0.5).sum(0),
            spike(twelve, 1.0).sum(0),
        ]
    )


def whole_grid(coeffs: Tensor, mass: float, level: int) -> tuple[Tensor, Tensor]:
    """All log probabilities, and which cells come before ``mass`` is reached."""
    log_prob = evaluate_on_so3_grid(coeffs, level).log_softmax(-1)
    ranked, order = log_prob.sort(descending=True)
    before = ranked.exp().cumsum(-1) - ranked.exp()
    return log_prob, torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before < mass)


@pytest.mark.parametrize("level", [2, 4])
@pytest.mark.parametrize("mass", [0.5, 0.99])
def test_they_are_the_heaviest_of_the_whole_grid(level: int, mass: float, densities: Tensor) -> None:
    cells = heaviest_cells(densities, mass, level)
    log_prob, chosen = whole_grid(densities, mass, level)
    assert (cells.owner.diff() >= 0).all()
    for row in range(len(densities)):
        own = cells.owner == row
        index = cells.index[own]
        assert (cells.log_prob[own].diff() <= 0).all() and len(index.unique()) == len(index)
        # Dropped mass lowers each probability by its share.
        slack = cells.dropped[row].item() + 1e-9
        torch.testing.assert_close(cells.log_prob[own], log_prob[row, index], rtol=0, atol=slack)
        covered = log_prob[row, index].exp().sum()
        assert covered >= mass - 1e-11 and abs(covered - cells.mass[row]) <= slack
        # The same cells; equal peaks may differ by which of them, and by a cell more for what was dropped.
        assert abs(len(index) - int(chosen[row].sum())) <= 1 + slack * 1e3 * len(index)
        assert log_prob[row, index].min() >= log_prob[row][chosen[row]].min() - 1e-9


def test_level_5_of_a_sharp_density_agrees_too(generator: torch.Generator) -> None:
    coeffs = spike(random_rotations(generator=generator, dtype=torch.float64), 0.3)
    cells = heaviest_cells(coeffs, 0.95, 5)
    log_prob, chosen = whole_grid(coeffs, 0.95, 5)
    assert set(cells.index.tolist()) == set(chosen.nonzero()[:, 0].tolist())


def test_fine_levels_of_a_sharp_density_are_reached(generator: torch.Generator) -> None:
    centre = random_rotations(generator=generator, dtype=torch.float64)
    cells = heaviest_cells(spike(centre, 30.0), 0.9, 8)
    assert 0 < len(cells.index) < 10_000 and cells.dropped.item() < 1e-4
    assert geodesic_distance(so3_grid_rotation(cells.index, 8, dtype=torch.float64), centre).max() < 0.05


def test_a_uniform_density_takes_its_share_of_the_grid() -> None:
    cells = heaviest_cells(torch.zeros(35), 0.25, 3)
    assert len(cells.index) == 36864 // 4
    torch.testing.assert_close(cells.log_prob, torch.full_like(cells.log_prob, -math.log(36864)), rtol=1e-6, atol=0)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_pixels_lie_within_their_radius(level: int) -> None:
    fine = s2_grid(level + 3, dtype=torch.float64)
    inside = torch.arange(len(fine)) // 4**3
    cosine = (fine * s2_grid(level, dtype=torch.float64)[inside]).sum(-1)
    assert cosine.clamp(max=1).acos().max() <= pixel_radius(level) + 1e-12


@pytest.mark.parametrize("level", [0, 1])
def test_blocks_cover_the_grid_within_their_radius(level: int) -> None:
    # Every cell of the next level is in the children of a block within the radius, at the poles too.
    device = torch.device("cpu")
    pixels, tilts = 12 * 4**level, 6 * 2**level
    block = torch.arange(pixels * tilts)
    cells = so3_grid(level + 1, dtype=torch.float64)
    centres = so3_grid(level, dtype=torch.float64)
    found = torch.zeros(len(cells), dtype=torch.bool)
    for part in block.split(64):
        blocks = _Blocks(torch.zeros_like(part), part // tilts, part % tilts)
        children = _children(blocks, level, 0)
        index = children.pixel * (2 * tilts) + children.tilt
        distance = geodesic_distance(centres[part, None], cells[index][None])
        found[index[distance.min(0).values <= _radius(level)]] = True
    assert found.all()
    assert len(_sphere(0, level, device).theta) == 4 * 2**level - 1


@pytest.mark.parametrize("mass", [0.0, 1.0, math.nan])
def test_a_mass_that_is_no_probability_is_a_mistake(mass: float) -> None:
    with pytest.raises(ValueError, match="expected a mass between 0 and 1"):
        heaviest_cells(torch.zeros(10), mass, 2)
