"""The budget of a run, in steps or in minutes, and the learning rate as a function of the part of it that is used.

A schedule over *elapsed budget* finishes on time on any machine: after 15 minutes the cosine is at zero, whether the
machine did one thousand steps or ten.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Budget:
    """How long a run may take, and how much of that is used; survives a resume through ``elapsed_before``.

    Exactly one of ``steps`` and ``minutes`` is given.

    Example:
        >>> Budget(steps=200).fraction(50)
        0.25
        >>> ticks = iter([0.0, 90.0])
        >>> Budget(minutes=3.0, clock=lambda: next(ticks)).fraction(50)
        0.5
    """

    steps: int | None = None
    minutes: float | None = None
    # Seconds used by earlier calls of the same run.
    elapsed_before: float = 0.0
    clock: Callable[[], float] = time.perf_counter
    started: float = field(init=False)

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(
                f"expected a budget in either steps or minutes, got steps {self.steps} and minutes {self.minutes}; "
                "give exactly one of --steps and --minutes"
            )
        if (self.steps or self.minutes or 0.0) <= 0.0:
            raise ValueError(
                f"expected a positive budget, got steps {self.steps} and minutes {self.minutes}; give more than 0"
            )
        self.started = self.clock()

    def elapsed(self) -> float:
        """Seconds used so far, earlier calls included."""
        return self.elapsed_before + self.clock() - self.started

    def fraction(self, step: int) -> float:
        """Part of the budget used when ``step`` steps are done, in [0, 1]."""
        if self.steps is not None:
            return min(step / self.steps, 1.0)
        assert self.minutes is not None
        return min(self.elapsed() / (60.0 * self.minutes), 1.0)


def warmup_cosine(step: int, fraction: float, warmup_steps: int) -> float:
    r"""Factor on the peak learning rate: linear warm-up in steps, cosine to zero in the used part of the budget.

    .. math:: \min\left(1, \frac{k+1}{w}\right) \cdot \tfrac12 (1 + \cos \pi f)

    Example:
        >>> [round(warmup_cosine(step, step / 400, 100), 2) for step in (0, 99, 200, 400)]
        [0.01, 0.86, 0.5, 0.0]
    """
    return _warmup(step, warmup_steps) * 0.5 * (1.0 + math.cos(math.pi * min(fraction, 1.0)))


def warmup_steps_down(step: int, fraction: float, warmup_steps: int, every: float, rate: float) -> float:
    r"""Factor on the peak learning rate: linear warm-up in steps, then steps down at even parts of the budget.

    .. math:: \min\left(1, \frac{k+1}{w}\right) \cdot r^{\lfloor f / e \rfloor}

    With a budget of 40 epochs, e = 15 / 40 and r = 0.1 it is what Image2Sphere is trained with.

    Example:
        >>> [round(warmup_steps_down(epoch, epoch / 40, 0, 0.375, 0.1), 3) for epoch in (0, 14, 15, 29, 30, 39)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    # 1e-9: a part of the budget that is a step in all but its rounding counts as one.
    return _warmup(step, warmup_steps) * rate ** math.floor(min(fraction, 1.0) / every + 1e-9)


def _warmup(step: int, warmup_steps: int) -> float:
    return min(1.0, (step + 1) / max(warmup_steps, 1))
