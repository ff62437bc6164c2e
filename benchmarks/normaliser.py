"""The exact normaliser against the mean over a level-5 grid: time, and the grid's error on sharp densities.

Run ``python benchmarks/normaliser.py`` (option: ``--out FILE.json``). The densities have lmax 6 and peaks of the given
width: one peak, sixty (an icosahedron's), and a random function.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from armillary.distributions import AdaptiveGrid
from armillary.harmonics import derivative_coeffs, evaluate_on_so3_grid, expand_so3, rotate_so3, so3_size, wigner_D
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import SymmetryGroup, random_rotations

LMAX = 6


def peaks(centres: Tensor, sigma_deg: float) -> Tensor:
    """Log-density with a smooth peak about each centre, of the given standard deviation."""
    D = wigner_D(LMAX, centres)
    fade = [math.exp(-l * (l + 1) / LMAX**2) for l in range(LMAX + 1) for _ in range((2 * l + 1) ** 2)]
    coeffs = (D * degree_weights(LMAX, D) * torch.tensor(fade).to(D)).sum(0)
    curvature = -expand_so3(derivative_coeffs(coeffs), centres[:1]).hessian[0, 0, 0]
    return coeffs / (curvature * math.radians(sigma_deg) ** 2)


def seconds(function, repeats: int = 3) -> float:
    """Median time after one call that is not counted."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Print the table; write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    one = torch.eye(3, dtype=torch.float64)[None]
    sixty = SymmetryGroup.icosahedral().elements().double()
    cases = {
        "one peak of 4 degrees": peaks(one, 4.0),
        "one peak of 1 degree": peaks(one, 1.0),
        "one peak of 0.5 degrees": peaks(one, 0.5),
        "sixty peaks of 1.5 degrees": peaks(sixty, 1.5),
        "random, deviation 6 nats": 0.3 * torch.randn(so3_size(LMAX), generator=generator).double(),
    }
    results, exact = [], AdaptiveGrid()
    for name, coeffs in cases.items():
        turns = random_rotations(4, generator=generator, dtype=torch.float64)
        turned = rotate_so3(coeffs, turns).float()
        grid = evaluate_on_so3_grid(turned, 5).logsumexp(-1) - math.log(72 * 8**5)
        error = (grid - exact.log_integral(turned)).abs().max().item()
        ours = seconds(lambda turned=turned: exact.log_integral(turned)) / len(turns)
        theirs = seconds(lambda turned=turned: evaluate_on_so3_grid(turned, 5).logsumexp(-1)) / len(turns)
        results.append(
            {
                "name": f"normaliser, {name}",
                "ratio": round(theirs / ours, 2),
                "target": None,
                "ours_ms": round(1e3 * ours, 1),
                "theirs_ms": round(1e3 * theirs, 1),
                "peak_mb": None,
                "grid_error_nats": round(error, 4),
            }
        )
        print(
            f"{name}: exact {1e3 * ours:.0f} ms, level-5 grid {1e3 * theirs:.0f} ms and wrong by {error:.2g} nats",
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
