"""A ReLU of functions on SO(3), forward and backward, against e3nn's ``SO3Activation``.

Both go to a grid, through the function and back; the finer the grid, the less aliases. The error is relative, beside
the same layer on a grid so fine that hardly anything aliases. One row has our default grid, one the coarsest grid of
ours whose error is no larger than e3nn's.
"""

from collections.abc import Iterator

import torch
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor, nn

from armillary.harmonics import so3_size
from armillary.nn import SO3Activation

TARGET = 10.0
FINE = 8.0  # oversampling of the truth: its own error is below 1e-3 for a ReLU
DEFAULT, LADDER = 1.5, (1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0)


def rows(conditions: Conditions) -> Iterator[Row]:
    """The default oversampling, and e3nn's accuracy."""
    from e3nn.nn import SO3Activation as Theirs

    lmax, resolution, channels, batch = conditions.size((6, 10, 8, 32), (2, 4, 2, 2))
    generator = torch.Generator().manual_seed(0)
    coeffs = torch.randn(batch, channels, so3_size(lmax), generator=generator).to(conditions.device)
    few = coeffs[:1].double()
    truth = SO3Activation(lmax, FINE).to(few)(few)
    theirs = Theirs(lmax, lmax, torch.relu, resolution).to(conditions.device)
    their_error = _error(theirs(coeffs[:1]), truth)
    own = {oversampling: _error(SO3Activation(lmax, oversampling).to(few)(few), truth) for oversampling in LADDER}
    equal = next((oversampling for oversampling, error in own.items() if error <= their_error), LADDER[-1])
    for kind, oversampling, target in (("default grid", DEFAULT, TARGET), ("e3nn's accuracy", equal, None)):
        ours = SO3Activation(lmax, oversampling).to(conditions.device)
        yield duel(
            f"SO(3) ReLU, lmax {lmax}, {batch} x {channels}, {kind} / e3nn, resolution {resolution}",
            lambda ours=ours: _forward_backward(ours, coeffs),
            lambda: _forward_backward(theirs, coeffs),
            conditions,
            target=target,
            error=own[oversampling],
            their_error=their_error,
            unit="relative",
            note=f"oversampling {oversampling}",
        )


def _forward_backward(layer: nn.Module, coeffs: Tensor) -> Tensor:
    """The gradient of the sum of squares."""
    variable = coeffs.detach().requires_grad_()
    layer(variable).square().sum().backward()
    assert variable.grad is not None
    return variable.grad


def _error(result: Tensor, truth: Tensor) -> float:
    """Relative distance at the best scale: e3nn estimates its gain from random numbers."""
    result = result * ((result * truth).sum() / result.square().sum())
    return ((result - truth).norm() / truth.norm()).item()


if __name__ == "__main__":
    compete(__doc__, rows)
