"""The exact mode of a density, against the argmax of the dense product over the level-5 grid.

The dense product and its argmax are timed at level 4 and scaled by the number of rotations, the matrix not counted. The
truth is Newton's method in float64 from the grid's argmax and from our answer, whichever climbs higher.
"""

from collections.abc import Iterator

import torch
from density import LMAX, dense_table, peaked, random_density, turned
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor

from armillary.harmonics import derivative_coeffs, evaluate_on_so3_grid, expand_so3, find_peaks
from armillary.so3 import exp, geodesic_distance, so3_grid_rotation, so3_grid_size

TARGETS = {1: 100.0, 64: 60.0}
TARGET_DEGREES = 1e-4
STEPS = 30  # far more than quadratic convergence from 1.7 degrees needs


def newton(coeffs: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The stationary point near each start and its height, float64."""
    derivatives, rotation = derivative_coeffs(coeffs.double()), start.double()[:, None]
    for _ in range(STEPS):
        expansion = expand_so3(derivatives, rotation)
        rotation = rotation @ exp(-torch.linalg.solve(expansion.hessian, expansion.gradient))
    return rotation[:, 0], expand_so3(derivatives, rotation).value[:, 0]


def errors(coeffs: Tensor, mode: Tensor, level: int) -> tuple[float, float]:
    """Largest angle in degrees from our mode, and from the grid's argmax, to the truth."""
    cell = torch.cat([evaluate_on_so3_grid(part, level).argmax(-1) for part in coeffs.split(8)])
    argmax = so3_grid_rotation(cell.cpu(), level, dtype=torch.float64).to(coeffs.device)
    (first, low), (second, high) = newton(coeffs, argmax), newton(coeffs, mode)
    truth = torch.where((low > high)[:, None, None], first, second)
    angles = [geodesic_distance(guess.double(), truth).max() for guess in (mode, argmax)]
    return tuple(angle.rad2deg().item() for angle in angles)


def rows(conditions: Conditions) -> Iterator[Row]:
    """Random log-densities, which have many peaks, and single peaks."""
    level, dense_level = conditions.size((5, 4), (2, 1))
    table = dense_table(LMAX, dense_level, conditions.device)
    generator = torch.Generator().manual_seed(0)
    one_peak = peaked(torch.eye(3)[None], 5.0)
    for batch, target in list(TARGETS.items())[: conditions.size(2, 1)]:
        cases = {
            "random": random_density(batch, 2.0, generator),
            "one peak of 5 degrees": turned(one_peak, batch, generator),
        }
        for name, coeffs in cases.items():
            coeffs = coeffs.to(conditions.device)
            error, their_error = errors(coeffs, find_peaks(coeffs, 1)[0][:, 0], level)
            yield duel(
                f"mode, {name}, lmax {LMAX}, batch {batch} / level-{level} argmax",
                lambda coeffs=coeffs: find_peaks(coeffs, 1),
                lambda coeffs=coeffs: (coeffs @ table).argmax(-1),
                conditions,
                scale=so3_grid_size(level) / table.shape[1],
                target=target,
                error=error,
                their_error=their_error,
                target_error=TARGET_DEGREES,
                unit="degrees",
                note=f"theirs scaled from level {dense_level}",
            )


if __name__ == "__main__":
    compete(__doc__, rows)
