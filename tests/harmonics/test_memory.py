"""Memory estimates against the allocator's record."""

from collections.abc import Callable

import pytest
import torch

from armillary.harmonics import S2Transform, SO3Transform, s2_size, so3_size

SIZE = {S2Transform: s2_size, SO3Transform: so3_size}
# lmax, rings, azimuths, batch: tables prevail, then the work; matrix products, then Fourier transforms.
CASES = [(24, None, None, 1), (6, 14, 28, 256), (10, 20, 40, 64), (10, 12, 140, 32)]


def peak_bytes(work: Callable[[], object]) -> tuple[int, int, object]:
    """Most bytes held at once, bytes held at the end, and what came out."""
    with torch.profiler.profile(profile_memory=True) as profile:
        result = work()
    held, peak = 0, 0
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak, held, result


@pytest.mark.parametrize("kind", [S2Transform, SO3Transform])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("lmax", "rings", "azimuths", "batch"), CASES)
def test_estimates_agree_with_the_allocator_to_a_fifth(
    kind: type, dtype: torch.dtype, lmax: int, rings: int | None, azimuths: int | None, batch: int
) -> None:
    kind(lmax, rings, azimuths)  # what is kept for all transforms of this lmax
    building, tables, transform = peak_bytes(lambda: kind(lmax, rings, azimuths, dtype=dtype))
    coeffs = torch.randn(batch, SIZE[kind](lmax), dtype=dtype)
    forward, kept, values = peak_bytes(lambda: transform.synthesis(coeffs))
    backward, _, _ = peak_bytes(lambda: transform.analysis(values))
    working = tables + coeffs.nbytes + max(forward, kept + backward)
    estimate = kind.memory(lmax, rings, azimuths, dtype=dtype, batch=batch)
    assert 0.8 < estimate / max(building, working) < 1.25


@pytest.mark.parametrize("kind", [S2Transform, SO3Transform])
def test_estimates_need_no_memory(kind: type) -> None:
    # A petabyte, asked for without making it.
    peak, _, estimate = peak_bytes(lambda: kind.memory(3000, rings=30000))
    assert estimate > 1e12 or kind is S2Transform and estimate > 1e11
    assert peak < 1e4
