r"""One invertible map of SO(3), and the small network that says which.

A layer is a diffeomorphism T of SO(3), chosen by a context. Data are x = T(z). Training asks for densities of data,
so the closed form is the way back, :math:`T^{-1}`; the way forth is found from it, to rounding.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init


class FlowLayer(nn.Module, ABC):
    """A diffeomorphism T of SO(3) for each context.

    Attributes:
        features: Length of the context; 0 for a layer that takes none.
    """

    features: int

    @abstractmethod
    def setting(self, context: Float[Tensor, "*batch features"] | None) -> Float[Tensor, "*batch width"]:
        """All that the layer takes from the context: found once, used for many rotations."""

    @abstractmethod
    def forward(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> tuple[Float[Tensor, "*shape 3 3"], Float[Tensor, "*shape"]]:
        r"""From data to base: :math:`T^{-1}(R)` and log of the factor by which it stretches Haar measure at R.

        The setting's leading axes broadcast against the rotation's.
        """

    @abstractmethod
    def inverse(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> Float[Tensor, "*shape 3 3"]:
        """From base to data: T, differentiable in all that ``forward`` is."""


def linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A linear layer with torch's usual start, drawn from ``generator``.

    Example:
        >>> linear(3, 4, None)(torch.zeros(2, 3)).shape
        torch.Size([2, 4])
    """
    layer = skip_init(nn.Linear, inputs, outputs)
    assert isinstance(layer, nn.Linear)
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


def zeros(layer: nn.Linear) -> nn.Linear:
    """The same layer, whose parameters are now zero.

    Example:
        >>> zeros(linear(3, 4, None)).bias.detach()
        tensor([0., 0., 0., 0.])
    """
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def require_context(context: Float[Tensor, "*batch features"] | None, features: int) -> None:
    """Raises ValueError unless the context has ``features`` entries, or is None where there are none."""
    given = 0 if context is None else context.shape[-1]
    if given != features:
        raise ValueError(
            f"expected a context of {features} features, got {given}; build the layers with features={given}"
        )
