"""One pair of embeddings to the rotation between them: milliseconds after the network, and degrees off the planted one.

Random maps of 64 channels up to degree 7 and noise of the same power, one pair at a time. Timed are the parts of
``armillary relative`` that follow the network: the four highest peaks of the correlation with their scores; the density
with its normaliser; its peaks' probabilities and its entropy. In turn, medians of rounds; ``--threads 1`` by default.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from armillary.distributions import HarmonicDistribution
from armillary.evaluation.relative import relative_density, relative_rotation
from armillary.harmonics import rotate_s2
from armillary.so3 import geodesic_distance, random_rotations

CHANNELS, COEFFS, TEMPERATURE, TARGET_MS = 64, 64, 50.0, 50.0


def pair(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Two embeddings, and the rotation that takes the second to the first but for noise."""
    second, noise = torch.randn(2, CHANNELS, COEFFS, generator=generator).unbind()
    planted = random_rotations(1, generator=generator)[0]
    return rotate_s2(second, planted) + noise, second, planted


def density(first: Tensor, second: Tensor) -> HarmonicDistribution:
    """The density with its normaliser."""
    made = relative_density(first, second, TEMPERATURE)
    made.log_prob(torch.eye(3))
    return made


def describe(made: HarmonicDistribution) -> None:
    """What is said of a density."""
    made.modes(4)
    made.entropy()


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call: on a busy machine the clock says little."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator, times, errors = torch.Generator().manual_seed(0), [], []
    for _ in range(options.rounds + 3):
        first, second, planted = pair(generator)
        made = density(first, second)
        parts = (
            lambda one=first, two=second: relative_rotation(one, two, 4),
            lambda one=first, two=second: density(one, two),
            lambda one=made: describe(one),
        )
        times.append([milliseconds(part) for part in parts])
        errors.append(geodesic_distance(relative_rotation(first, second).rotation[0], planted).rad2deg().item())
    # The first rounds fill caches.
    medians = [statistics.median(column) for column in zip(*times[3:], strict=True)]
    total = statistics.median(sum(row) for row in times[3:])
    names = ("rotation, four peaks and scores", "density and normaliser", "probabilities and entropy")
    for name, value in zip(names, medians, strict=True):
        print(f"{name:<34}{value:7.1f} ms")
    verdict = "reached" if total < TARGET_MS else "MISSED"
    print(f"{'all of it':<34}{total:7.1f} ms   target {TARGET_MS:.0f} ms {verdict}")
    print(f"{'error, as much noise as signal':<34}{statistics.median(errors):7.2f} degrees (median)")


if __name__ == "__main__":
    main()
