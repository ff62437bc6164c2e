"""The rotation between two signals on the sphere, against e3nn's coefficients and brute force over a grid of SO(3).

Both sides start from samples on an equiangular grid of bandwidth B, many channels, and want the rotation at which the
correlation summed over channels is largest. Theirs sums the channels first, too, and evaluates the correlation at every
rotation of the level-4 grid with e3nn's ``wigner_D``: the table would be 51 GB, so it has to be made in parts. One such
part is timed and scaled to all 294,912 rotations, their coefficients not counted. The second row leaves even the Wigner
matrices out of their time. Errors are angles to the planted rotation; theirs is the distance of the nearest rotation of the grid.
"""

from collections.abc import Iterator

import torch
from density import degree_weights
from duel import Conditions, compete, duel
from e3nn_wigner import to_e3nn_axes, wigner_matrices
from row import Row
from torch import Tensor

from armillary.harmonics import S2Transform, correlate, find_peaks, rotate_s2, s2_size
from armillary.so3 import geodesic_distance, nearest_cell, random_rotations, so3_grid_rotation, so3_grid_size

TARGET, TARGET_DEGREES = 100.0, 0.01
LEVEL = 4


def rows(conditions: Conditions) -> Iterator[Row]:
    """Against e3nn with its Wigner matrices, and with a table given."""
    from e3nn import o3

    bandwidth, channels, part = conditions.size((32, 32, 256), (4, 2, 8))
    lmax = bandwidth - 1
    generator = torch.Generator().manual_seed(0)
    planted = random_rotations(1, generator=generator, dtype=torch.float64)[0]
    second = torch.randn(channels, s2_size(lmax), generator=generator, dtype=torch.float64)
    grid = S2Transform(lmax, 2 * bandwidth, 2 * bandwidth, grid="equiangular", dtype=torch.float64)
    signals = [grid.synthesis(coeffs) for coeffs in (rotate_s2(second, planted), second)]
    signals = [signal.to(conditions.device, torch.float32) for signal in signals]
    ours_to_coeffs = S2Transform(lmax, 2 * bandwidth, 2 * bandwidth, grid="equiangular").to(conditions.device)
    theirs_to_coeffs = o3.FromS2Grid((2 * bandwidth, 2 * bandwidth), lmax, device=conditions.device)
    cells = torch.arange(part)
    changed = to_e3nn_axes(so3_grid_rotation(cells, LEVEL, dtype=torch.float32)).to(conditions.device)
    weighted = correlate(*(theirs_to_coeffs(signal) for signal in signals)).sum(0) * degree_weights(lmax).to(changed)

    def ours() -> Tensor:
        first, other = (ours_to_coeffs.analysis(signal) for signal in signals)
        return find_peaks(correlate(first, other).sum(0), 1)[0][0]

    error = geodesic_distance(ours().double().cpu(), planted).rad2deg().item()
    nearest = so3_grid_rotation(nearest_cell(planted, LEVEL), LEVEL, dtype=torch.float64)
    measured = {
        "error": error,
        "their_error": geodesic_distance(nearest, planted).rad2deg().item(),
        "target_error": TARGET_DEGREES,
        "unit": "degrees",
    }
    name = f"S2 correlation, B = {bandwidth}, {channels} channels / e3nn"
    scale = so3_grid_size(LEVEL) / part
    yield duel(
        f"{name}, brute force over level {LEVEL}",
        ours,
        lambda: (wigner_matrices(lmax, changed) @ weighted).argmax(),
        conditions,
        scale=scale,
        target=TARGET,
        note=f"theirs scaled from {part} rotations",
        **measured,
    )
    table = wigner_matrices(lmax, changed)
    yield duel(
        f"{name}, its table given",
        ours,
        lambda: (table @ weighted).argmax(),
        conditions,
        scale=scale,
        note=f"theirs scaled from {part} rotations",
        **measured,
    )


if __name__ == "__main__":
    compete(__doc__, rows)
