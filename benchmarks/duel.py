"""Two ways of doing the same thing, timed alternately in one process.

What else runs on the machine slows both sides alike, so ratios hold where milliseconds do not. A round is one call of
the slower side and up to five of the faster, and has one ratio of medians; the sides take turns in going first. A
duel's ratio is the median of its rounds, so a load that comes or goes between rounds does not matter.
"""

import argparse
import functools
import gc
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from row import HEADER, Row, write_rows

from armillary.apps.machine import checked_device

Work = Callable[[], object]
Size = TypeVar("Size")
CALLS, FEWEST_ROUNDS, MOST_ROUNDS = 5, 5, 25
SECONDS, SLOW = 8.0, 3.0  # time for the rounds of one duel; from what time of a call on three rounds do


@dataclass(frozen=True)
class Conditions:
    """How a script runs: processor threads, device, and whether only to see that it works: tiny sizes, no targets."""

    threads: int = 2
    device: torch.device = torch.device("cpu")
    quick: bool = False

    def size(self, full: Size, quick: Size) -> Size:
        """One of two sizes of a problem."""
        return quick if self.quick else full


class Times(NamedTuple):
    """Seconds of single calls, and the ratio of medians of each round."""

    ours: list[float]
    theirs: list[float]
    ratios: list[float]


def _seconds(work: Work, device: torch.device) -> float:
    """Wall time of one call, to the end of its work on the device."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def alternate(ours: Work, theirs: Work, conditions: Conditions) -> Times:
    """Time both sides in turns for some seconds, after calls that are not counted."""
    device = conditions.device
    first = [_seconds(work, device) for work in (ours, theirs)]
    slow = max(first) > SLOW
    if not slow:
        # The first call built tables.
        first = [min(before, _seconds(work, device)) for before, work in zip(first, (ours, theirs), strict=True)]
    calls = [max(1, min(CALLS, int(max(first) / mine))) for mine in first]
    times = Times([], [], [])
    start, round_number = time.perf_counter(), 0
    fewest, most = conditions.size((3 if slow else FEWEST_ROUNDS, MOST_ROUNDS), (2, 2))
    while round_number < fewest or (round_number < most and time.perf_counter() - start < SECONDS):
        mine, other = ([], [])
        sides = [(ours, calls[0], mine), (theirs, calls[1], other)]
        for work, count, seconds in sides if round_number % 2 else reversed(sides):
            seconds += [_seconds(work, device) for _ in range(count)]
        times.ours.extend(mine)
        times.theirs.extend(other)
        times.ratios.append(statistics.median(other) / statistics.median(mine))
        round_number += 1
    return times


def forget_tables() -> None:
    """Empty every cache of the library, so that the next call builds its tables again."""
    for thing in gc.get_objects():
        # Not isinstance, which asks lazy modules what they are.
        if type(thing) is functools._lru_cache_wrapper and (thing.__module__ or "").startswith("armillary"):
            thing.cache_clear()


def peak_megabytes(work: Work, device: torch.device) -> float:
    """Largest memory of one call by the allocator's record, its answer and the tables it builds included."""
    forget_tables()
    gc.collect()
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        answer = work()
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    held, peak = 0, 0
    if isinstance(answer, torch.Tensor) and answer.nbytes > max((event.nbytes() for event in events), default=0):
        held = peak = answer.nbytes  # large pages are not the allocator's
    del answer
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 1e6


def duel(
    name: str,
    ours: Work,
    theirs: Work,
    conditions: Conditions,
    *,
    scale: float = 1.0,
    target: float | None = None,
    **more,
) -> Row:
    """The row of one comparison.

    Args:
        name: What is compared, and its size.
        ours: One call of ours.
        theirs: One call of what a user would otherwise do.
        conditions: Threads, device, sizes.
        scale: What their time is multiplied by, where only a part of their work was timed; say so in ``note``.
        target: What the ratio must reach.
        more: Further fields of `Row`.
    """
    times = alternate(ours, theirs, conditions)
    mine, other = statistics.median(times.ours), scale * statistics.median(times.theirs)
    if conditions.quick:
        target, more = None, {key: value for key, value in more.items() if not key.startswith("target_")}
    quartiles = statistics.quantiles(times.ratios, n=4, method="inclusive")
    return Row(
        name=name,
        ratio=scale * statistics.median(times.ratios),
        target=target,
        ours_ms=1e3 * mine,
        theirs_ms=1e3 * other,
        peak_mb=peak_megabytes(ours, conditions.device),
        ratio_low=scale * quartiles[0],
        ratio_high=scale * quartiles[2],
        **more,
    )


def compete(
    about: str, rows: Callable[[Conditions], Iterator[Row]], arguments: Sequence[str] | None = None
) -> list[Row]:
    """The command line of one script: measure, print each row as soon as it is there, write them where asked."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the rows there as JSON")
    parser.add_argument("--threads", type=int, default=2, help="processor threads")
    parser.add_argument("--device", type=checked_device, default=torch.device("cpu"), help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, no targets: only to see that it works")
    parser.add_argument("--no-header", action="store_true", help="print the rows alone")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    # The profiler announces every start and stop otherwise.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    if not options.no_header:
        print(HEADER, flush=True)
    results = []
    with warnings.catch_warnings():
        # Other libraries' deprecations are not what is measured.
        warnings.simplefilter("ignore")
        for row in rows(Conditions(options.threads, options.device, options.quick)):
            print(row, flush=True)
            results.append(row)
    if options.out:
        write_rows(options.out, results)
    return results
