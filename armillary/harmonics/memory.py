"""How much memory a computation takes, asked before it runs; how much there is; and large pieces of it."""

import math
import mmap
import os
import sys
from pathlib import Path

import torch
from torch import Tensor

# Below this a refusal could only be a mistake of ours: no look at the machine.
NEGLIGIBLE = 64 * 2**20
LARGE = 32 * 2**20  # bytes from which memory comes in large pages


def available_memory(device: torch.device | str = "cpu") -> int:
    """Bytes that are free: of the GPU, or of the machine's memory with what the file cache would give back.

    Example:
        >>> available_memory() > 0
        True
    """
    device = torch.device(device)
    if device.type == "cuda":
        # What torch has cached of freed tensors is its own to use again.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return _linux_available() or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _linux_available() -> int:
    """MemAvailable of Linux; 0 elsewhere. (``SC_AVPHYS_PAGES`` counts the file cache as used.)"""
    table = Path("/proc/meminfo")
    rows = table.read_text().splitlines() if table.exists() else []
    return next((int(row.split()[1]) * 1024 for row in rows if row.startswith("MemAvailable")), 0)


def require_memory(needed: int, what: str, *devices: torch.device | str) -> None:
    """Raise ValueError when ``needed`` bytes are more than there are on one of the devices.

    Example:
        >>> require_memory(1000, "a small table", "cpu")
    """
    for device in map(torch.device, devices if needed > NEGLIGIBLE else ()):
        available = available_memory(device)
        if needed > available:
            raise ValueError(
                f"expected room for {what}: it takes {needed / 1e9:.1f} GB, got {available / 1e9:.1f} GB free on "
                f"{device}; take a smaller lmax, fewer rings, or float32"
            )


def empty_large(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uninitialised memory of a tensor's dtype and device, for results of many megabytes.

    The system gives out fresh memory in pages of 4 kB, each of which costs more than to fill it. On Linux this asks for
    pages of 2 MB: six times faster to touch first (``benchmarks/density_query.py``).

    Example:
        >>> empty_large((2, 3), torch.zeros(1)).shape
        torch.Size([2, 3])
    """
    count = math.prod(shape)
    if like.device.type != "cpu" or sys.platform != "linux" or count * like.element_size() < LARGE:
        return like.new_empty(shape)
    pages = mmap.mmap(-1, count * like.element_size(), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(pages, dtype=like.dtype).reshape(shape)
