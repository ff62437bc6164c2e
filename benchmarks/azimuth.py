"""Where the FFT overtakes the small matrix product on one azimuth: the measurement behind ``LONGEST_PRODUCT``.

One synthesis and one analysis of rows of 2 lmax + 1 = nodes / 2 - 1 orders, as the transforms have them at an
oversampling of two. Ours is the branch that the library takes, theirs the other.
"""

from collections.abc import Iterator

import torch
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor

from armillary.harmonics import fourier

SIZES = (16, 32, 64, 96, 128, 192, 256, 384, 512)


def _there_and_back(series: Tensor, nodes: int, longest_product: int) -> Tensor:
    """Synthesis and analysis with the branch fixed."""
    kept, fourier.LONGEST_PRODUCT = fourier.LONGEST_PRODUCT, longest_product
    try:
        return fourier.analyse_circle(fourier.synthesise_circle(series, nodes), series.shape[-1] // 2)
    finally:
        fourier.LONGEST_PRODUCT = kept


def rows(conditions: Conditions) -> Iterator[Row]:
    """One row for each number of nodes."""
    sizes, count = conditions.size((SIZES, 4096), (SIZES[:1], 16))
    generator = torch.Generator().manual_seed(0)
    for nodes in sizes:
        series = torch.randn(count, 2 * ((nodes // 2 - 1) // 2) + 1, generator=generator).to(conditions.device)
        branches = {"product": nodes, "FFT": 0}
        ours = "product" if nodes <= fourier.LONGEST_PRODUCT else "FFT"
        theirs = "FFT" if ours == "product" else "product"
        yield duel(
            f"azimuth of {nodes} nodes, {ours} / {theirs}",
            lambda series=series, nodes=nodes, longest=branches[ours]: _there_and_back(series, nodes, longest),
            lambda series=series, nodes=nodes, longest=branches[theirs]: _there_and_back(series, nodes, longest),
            conditions,
        )


if __name__ == "__main__":
    compete(__doc__, rows)
