"""Tables of constants, built once for each size, dtype and device."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

Sizes = ParamSpec("Sizes")
Table = TypeVar("Table")


def constant(build: Callable[Sizes, Table]) -> Callable[Sizes, Table]:
    """Keep the last 32 tables that a function built, as ordinary tensors even where inference mode asked first.

    While a graph is traced nothing is kept: its tensors are not real ones.

    Example:
        >>> ones = constant(torch.ones)
        >>> ones(3) is ones(3)
        True
    """
    kept = lru_cache(maxsize=32)(torch.inference_mode(False)(build))

    @wraps(build)
    def table(*sizes: Sizes.args, **options: Sizes.kwargs) -> Table:
        return build(*sizes, **options) if torch.compiler.is_compiling() else kept(*sizes, **options)

    return table
