"""Where the FFT overtakes the small matrix product on one azimuth: the measurement behind ``LONGEST_PRODUCT``.

Run ``python benchmarks/azimuth.py`` (option: ``--out FILE.json``). Rows of 2 lmax + 1 = nodes / 2 - 1 orders, as the
transforms have them at an oversampling of two.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from armillary.harmonics import fourier

ROWS = 4096


def milliseconds(nodes: int, longest_product: int, repeats: int = 7) -> float:
    """Median time of one synthesis and one analysis of ``ROWS`` rows with the branch fixed."""
    lmax = (nodes // 2 - 1) // 2
    series = torch.randn(ROWS, 2 * lmax + 1)
    kept, fourier.LONGEST_PRODUCT = fourier.LONGEST_PRODUCT, longest_product
    times = []
    try:
        for _ in range(repeats):
            start = time.perf_counter()
            fourier.analyse_circle(fourier.synthesise_circle(series, nodes), lmax)
            times.append(time.perf_counter() - start)
    finally:
        fourier.LONGEST_PRODUCT = kept
    return 1e3 * statistics.median(times[1:])


def main() -> None:
    """Print both times for each size; write them as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for nodes in (16, 32, 64, 96, 128, 192, 256, 384, 512):
        product, transform = milliseconds(nodes, 10**9), milliseconds(nodes, 0)
        ours = product if nodes <= fourier.LONGEST_PRODUCT else transform
        other = transform if nodes <= fourier.LONGEST_PRODUCT else product
        row = {
            "name": f"azimuth of {nodes} nodes",
            "ratio": round(other / ours, 2),
            "target": None,
            "ours_ms": round(ours, 2),
            "theirs_ms": round(other, 2),
            "peak_mb": None,
        }
        results.append(row)
        print(f"{nodes:4d} nodes: product {product:8.2f} ms, FFT {transform:8.2f} ms", flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
