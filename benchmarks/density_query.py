"""Level-5 density query: 2,359,296 rotations from 455 coefficients, against the dense 455 x N matrix product.

Run ``python benchmarks/density_query.py`` (options: ``--level``, ``--repeats``, ``--out FILE.json``). Both sides run
alternately in one process on one thread; the reported times are medians. Where the dense matrix does not fit (4.3 GB at
level 5) it is multiplied at level 4 and its time is scaled by the number of rotations, which flatters it: building the
matrix is not counted. Targets at batch 1: 20 times faster, below 100 MB beside the answer.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from armillary.harmonics import evaluate_on_so3_grid, so3_size, wigner_D
from armillary.harmonics.healpix_grid import ring_grid
from armillary.harmonics.wigner import degree_weights
from armillary.so3 import so3_grid, so3_grid_size

LMAX, DENSE_LEVEL = 6, 4
TARGET, TARGET_MB = 20.0, 100.0


def dense_matrix(level: int) -> Tensor:
    """Every basis function at every rotation of the grid, (modes, cells)."""
    parts = so3_grid(level).split(2**14)
    return torch.cat([(wigner_D(LMAX, part) * degree_weights(LMAX, part)).T for part in parts], 1)


def peak_megabytes(batch: int, level: int) -> float:
    """Largest memory of one query beside its own answer, tables it builds included, by the allocator's record."""
    ring_grid.cache_clear()
    coeffs = torch.randn(batch, so3_size(LMAX))
    answer = batch * so3_grid_size(level) * coeffs.element_size()
    with torch.profiler.profile(profile_memory=True, record_shapes=False) as profile:
        result = evaluate_on_so3_grid(coeffs, level)
    held, peak = 0, 0
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    assert result.numel() * result.element_size() == answer
    return (peak - answer) / 1e6


def compare(batch: int, level: int, repeats: int, matrix: Tensor) -> dict[str, object]:
    """Median times of both sides, measured alternately."""
    coeffs = torch.randn(batch, so3_size(LMAX))
    scale = so3_grid_size(level) / matrix.shape[1]
    ours, theirs = [], []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        evaluate_on_so3_grid(coeffs, level)
        middle = time.perf_counter()
        coeffs @ matrix
        theirs.append((time.perf_counter() - middle) * scale)
        ours.append(middle - start)
    # The first round builds our tables and warms both.
    mine, dense = statistics.median(ours[1:]), statistics.median(theirs[1:])
    return {
        "name": f"density query, level {level}, batch {batch}",
        "ratio": round(dense / mine, 1),
        "target": TARGET if batch == 1 else None,
        "ours_ms": round(1e3 * mine, 2),
        "theirs_ms": round(1e3 * dense, 1),
        "peak_mb": round(peak_megabytes(batch, level), 1),
        "target_mb": TARGET_MB if batch == 1 else None,
    }


def main() -> None:
    """Print the table; write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--level", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    matrix = dense_matrix(min(DENSE_LEVEL, options.level))
    results = []
    for batch in options.batches:
        repeats = options.repeats if batch == 1 else min(options.repeats, 3)
        results.append(compare(batch, options.level, repeats, matrix))
        row = results[-1]
        print(
            f"{row['name']}: {row['ours_ms']} ms, dense {row['theirs_ms']} ms, ratio {row['ratio']}, "
            f"extra memory {row['peak_mb']} MB",
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
