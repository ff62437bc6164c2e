"""How far the highest node of a correlation grid lies from the planted rotation: the table of ``harmonics/align.py``.

Run ``python benchmarks/correlation_grid.py`` (option: ``--pairs``). Random band-limited maps of four channels, one
turned onto the other by a random rotation; errors in degrees, median / largest. The last column is that of the refined
peak.
"""

import argparse

import torch

from armillary.harmonics import align_s2, rotate_s2, s2_size
from armillary.so3 import geodesic_distance, random_rotations

CHANNELS = 4


def errors_deg(bandwidth: int, oversampling: float | None, pairs: int, seed: int = 0) -> torch.Tensor:
    """Error of each pair in degrees, in float64."""
    generator = torch.Generator().manual_seed(seed)
    second = torch.randn(pairs, CHANNELS, s2_size(bandwidth - 1), generator=generator, dtype=torch.float64)
    planted = random_rotations(pairs, generator=generator, dtype=torch.float64)
    first = rotate_s2(second, planted[:, None])
    # One pair after the other: the grids are large.
    found = [align_s2(a, b, channel_dim=0, oversampling=oversampling) for a, b in zip(first, second, strict=True)]
    return geodesic_distance(torch.stack([best.rotation[0] for best in found]), planted).rad2deg()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    options = parser.parse_args()
    for bandwidth in (4, 8, 16, 32):
        cells = []
        for oversampling in (1.0, 2.0, 4.0, None):
            error = errors_deg(bandwidth, oversampling, options.pairs if oversampling else 2)
            cells.append(f"{error.median():.2g} / {error.max():.2g}")
        print(f"{bandwidth:4d}  " + "   ".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
