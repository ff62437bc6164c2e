"""Faults of a data set's files: counted and named, then skipped with a summary or fatal, never silent."""

import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

# Leave faulty samples out with one note that counts them, or refuse the data set.
OnFault = Literal["skip", "fail"]
# So many names of each kind are told.
_TOLD = 3


@dataclass
class Faults:
    """What is wrong with a data set, by kind, while it is being read.

    Example:
        >>> faults = Faults("voc")
        >>> for name in ("0001", "0007"):
        ...     faults.add("no viewpoint", name)
        >>> print(faults)
        2 no viewpoint (0001, 0007)
        >>> faults.settle("fail", samples=10)
        Traceback (most recent call last):
        ...
        ValueError: voc: expected 10 sound samples, got 2 no viewpoint (0001, 0007); mend the files, or skip these \
samples
    """

    # The folder or file, for messages.
    source: str
    # Kind of fault -> names of the samples that have it.
    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """Note that a sample has a fault."""
        self.found.setdefault(kind, []).append(name)

    @property
    def counts(self) -> Counter[str]:
        """How many samples have each kind of fault."""
        return Counter({kind: len(names) for kind, names in self.found.items()})

    def __len__(self) -> int:
        return self.counts.total()

    def __str__(self) -> str:
        return "; ".join(f"{len(names)} {kind} ({_shortened(names)})" for kind, names in self.found.items())

    def settle(self, on_fault: OnFault, samples: int, stacklevel: int = 3) -> None:
        """Say what is wrong: a warning if faulty samples are left out, an error if they are fatal.

        Args:
            on_fault: what to do.
            samples: how many samples there are, faulty ones included.
            stacklevel: of the warning.
        """
        if not self.found:
            return
        if on_fault == "fail":
            raise ValueError(
                f"{self.source}: expected {samples} sound samples, got {self}; mend the files, or skip these samples"
            )
        warnings.warn(f"{self.source}: {len(self)} of {samples} samples left out: {self}", stacklevel=stacklevel)


def _shortened(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
