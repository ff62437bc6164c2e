"""What a command uses of the machine, checked before any work: threads, device, the folder for results."""

from pathlib import Path

import torch


def use_threads(threads: int | None) -> None:
    """Compute with this many processor threads; None leaves one for each core."""
    if threads is None:
        return
    if threads < 1:
        raise ValueError(f"expected at least one thread, got {threads}; leave --threads out for one per core")
    torch.set_num_threads(threads)


def flush_denormals() -> None:
    """Treat denormal floats as zero in this process, on all threads; call before the first parallel work.

    Tails of a sharp density are denormal, on which CPUs are several times slower. A thread takes the setting from the
    one that starts it, so setting it later reaches the main thread alone.
    """
    torch.set_flush_denormal(True)


def checked_device(name: str) -> torch.device:
    """The device of a name, if this machine has it.

    Example:
        >>> checked_device("gpu")
        Traceback (most recent call last):
        ...
        ValueError: expected a device as cpu, cuda or cuda:1, got gpu; name another --device
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"expected a device as cpu, cuda or cuda:1, got {name}; name another --device") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ValueError(f"expected one of this machine's {found} CUDA devices, got {name}; take --device cpu")
    return device


def check_output(folder: Path) -> None:
    """Refuse a path that cannot become a folder, before hours go into what was to be written there."""
    for path in (folder, *folder.parents):
        if path.is_dir():
            return
        if path.exists():
            raise NotADirectoryError(f"{path}: expected a folder for the results, got a file; choose another --out")
