"""The rotation between two signals on the sphere, against e3nn's coefficients and brute force over a grid of SO(3).

Both sides start from samples on an equiangular grid of bandwidth B, many channels, and want the rotation at which the
correlation summed over channels is largest. Theirs sums the channels first, too, and evaluates the correlation at every
rotation of the level-4 grid with e3nn's ``wigner_D``: the table would be 51 GB, so it has to be made in parts. One such
part is timed and scaled to all 294,912 rotations, their coefficients not counted. The second row leaves even the Wigner
matrices out of their time: a part of that table is multiplied that does not fit the caches. Errors are angles to the
planted rotation; theirs is that of the grid's nearest rotation.
"""

from collections.abc import Iterator

import torch
from density import degree_weights, dense_basis
from duel import Conditions, compete, duel
from e3nn_wigner import to_e3nn_axes, wigner_matrices
from row import Row
from torch import Tensor

from armillary.harmonics import S2Transform, align_s2, correlate, rotate_s2, s2_size
from armillary.so3 import geodesic_distance, nearest_cell, random_rotations, so3_grid_rotation, so3_grid_size

TARGET, TARGET_DEGREES = 100.0, 0.01
LEVEL = 4


def rows(conditions: Conditions) -> Iterator[Row]:
    """Against e3nn with its Wigner matrices, and with a table given."""
    from e3nn import o3

    bandwidth, channels, part, large_part = conditions.size((32, 32, 128, 1024), (4, 2, 8, 8))
    lmax = bandwidth - 1
    generator = torch.Generator().manual_seed(0)
    planted = random_rotations(1, generator=generator, dtype=torch.float64)[0]
    second = torch.randn(channels, s2_size(lmax), generator=generator, dtype=torch.float64)
    grid = S2Transform(lmax, 2 * bandwidth, 2 * bandwidth, grid="equiangular", dtype=torch.float64)
    signals = [grid.synthesis(coeffs) for coeffs in (rotate_s2(second, planted), second)]
    signals = [signal.to(conditions.device, torch.float32) for signal in signals]
    ours_to_coeffs = S2Transform(lmax, 2 * bandwidth, 2 * bandwidth, grid="equiangular").to(conditions.device)
    theirs_to_coeffs = o3.FromS2Grid((2 * bandwidth, 2 * bandwidth), lmax, device=conditions.device)
    cells = so3_grid_rotation(torch.arange(large_part), LEVEL, dtype=torch.float32).to(conditions.device)
    changed = to_e3nn_axes(cells[:part])
    correlation = correlate(*(theirs_to_coeffs(signal) for signal in signals), channel_dim=0)
    weighted = correlation * degree_weights(lmax).to(correlation)

    def ours() -> Tensor:
        first, other = (ours_to_coeffs.analysis(signal) for signal in signals)
        return align_s2(first, other, channel_dim=0).rotation[0]

    error = geodesic_distance(ours().double().cpu(), planted).rad2deg().item()
    nearest = so3_grid_rotation(nearest_cell(planted, LEVEL), LEVEL, dtype=torch.float64)
    measured = {
        "error": error,
        "their_error": geodesic_distance(nearest, planted).rad2deg().item(),
        "target_error": TARGET_DEGREES,
        "unit": "degrees",
    }
    name = f"S2 correlation, B = {bandwidth}, {channels} channels / e3nn"
    yield duel(
        f"{name}, brute force over level {LEVEL}",
        ours,
        lambda: (wigner_matrices(lmax, changed) @ weighted).argmax(),
        conditions,
        scale=so3_grid_size(LEVEL) / part,
        target=TARGET,
        note=f"theirs scaled from {part} rotations",
        **measured,
    )
    table = dense_basis(lmax, cells)
    yield duel(
        f"{name}, its table given",
        ours,
        lambda: (table @ correlation).argmax(),
        conditions,
        scale=so3_grid_size(LEVEL) / large_part,
        note=f"theirs scaled from {large_part} rotations",
        **measured,
    )


if __name__ == "__main__":
    compete(__doc__, rows)
