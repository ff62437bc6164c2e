"""Random streams of a run: one for each step, so that a resumed run draws what it would have drawn."""

import torch


def mixed_seed(seed: int, number: int) -> int:
    """A seed for number so-and-so of the things a run draws.

    Example:
        >>> mixed_seed(0, 1) != mixed_seed(1, 0)
        True
    """
    # SplitMix64's odd constants: neighbouring seeds and steps must not share random streams.
    mixed = (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & (2**64 - 1)
    return (mixed ^ (mixed >> 31)) & (2**63 - 1)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step, on the processor."""
    return torch.Generator().manual_seed(mixed_seed(seed, step))
