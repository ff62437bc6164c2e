"""What a run ran on: versions, git commit, command, machine."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import armillary


def environment() -> dict[str, Any]:
    """The environment of this process as JSON values.

    Example:
        >>> sorted(environment())[:3]
        ['armillary', 'command', 'git_commit']
    """
    return {
        "armillary": armillary.__version__,
        "git_commit": _git_commit(),
        "command": sys.argv,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
