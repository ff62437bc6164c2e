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


def _circle(nodes: int, longest_product: int) -> fourier.Circle:
    """Transform with the branch fixed."""
    kept, fourier.LONGEST_PRODUCT = fourier.LONGEST_PRODUCT, longest_product
    try:
        return fourier.Circle((nodes // 2 - 1) // 2, nodes)
    finally:
        fourier.LONGEST_PRODUCT = kept


def _there_and_back(circle: fourier.Circle, series: Tensor) -> Tensor:
    return circle.analysis(circle.synthesis(series))


def rows(conditions: Conditions) -> Iterator[Row]:
    """One row for each number of nodes."""
    sizes, count = conditions.size((SIZES, 4096), (SIZES[:1], 16))
    generator = torch.Generator().manual_seed(0)
    for nodes in sizes:
        series = torch.randn(count, 2 * ((nodes // 2 - 1) // 2) + 1, generator=generator).to(conditions.device)
        branches = {"product": _circle(nodes, nodes).to(series), "FFT": _circle(nodes, 0).to(series)}
        ours = "product" if nodes <= fourier.LONGEST_PRODUCT else "FFT"
        theirs = "FFT" if ours == "product" else "product"
        yield duel(
            f"azimuth of {nodes} nodes, {ours} / {theirs}",
            lambda series=series, circle=branches[ours]: _there_and_back(circle, series),
            lambda series=series, circle=branches[theirs]: _there_and_back(circle, series),
            conditions,
        )


if __name__ == "__main__":
    compete(__doc__, rows)
