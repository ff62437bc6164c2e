"""What every test and every docstring example finds: torch in the namespace and the same seed.

armillary itself must not be imported here: pytest loads this file before jaxtyping's import hook is in place.
"""

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seed(doctest_namespace: dict) -> None:
    """Seed the global generators, and give docstring examples ``torch``."""
    torch.manual_seed(0)
    np.random.seed(0)
    doctest_namespace["torch"] = torch


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded generator, for functions that take one."""
    return torch.Generator().manual_seed(0)
