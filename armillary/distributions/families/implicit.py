"""A density given by any energy function: a network that scores rotations, for example."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.families.surveyed import SurveyedDistribution
from armillary.distributions.integration.adaptive_tree import AdaptiveTree
from armillary.distributions.integration.tree_leaves import log_sum

Energy = Callable[[Tensor], Tensor]


class ImplicitDistribution(SurveyedDistribution):
    r"""Density :math:`p(R)=\exp(E(R))/Z` of any function E, its normaliser by adaptive cubature.

    E may be anything that scores rotations: a network given an image, a product of likelihoods, a formula. It is called
    with rotations of shape ``(n, *batch_shape, 3, 3)`` and returns ``(n, *batch_shape)``: each density of the batch
    scores the rotations of its own column. A network closes over its image features, ``lambda R: head(features, R)``
    with ``features`` of shape ``(*batch_shape, channels)``, and computes what does not depend on R once. All densities
    of the batch are integrated together, each at its own nodes.

    ``log_prob`` is differentiable in the rotation and in all that E depends on; for the latter E is evaluated again,
    with gradients, at the nodes that carry the mass. The nodes are found once: make the distribution anew when what E
    depends on has changed, as a model's forward pass does. Training needs no more than ``AdaptiveTree(1e-2)``.

    Args:
        energy: E.
        batch_shape: Shape of the batch of densities that E scores at once.
        starts: Rotations where narrow peaks may be (labels, a regressor's answers). Peaks are also climbed to from the
            highest of the first 6,912 nodes.
        tree: How Z is found.
        dtype: Of the rotations given to E and of the answers.
        device: Of the rotations given to E.

    Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965, whose Z is a sum over a full grid.

    Example:
        >>> density = ImplicitDistribution(lambda R: 3 * R[..., 2, 2], dtype=torch.float64)
        >>> density.log_prob(torch.eye(3).double()).exp()  # 3 / (1 - exp(-6)) * 2
        tensor(6.0149, dtype=torch.float64)
    """

    def __init__(
        self,
        energy: Energy,
        batch_shape: torch.Size | tuple[int, ...] = (),
        starts: Float[Tensor, "*batch k 3 3"] | None = None,
        tree: AdaptiveTree | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(torch.Size(batch_shape), tree or AdaptiveTree(), torch.empty(0, dtype=dtype, device=device))
        if starts is not None and starts.shape[:-3] != self.batch_shape:
            raise ValueError(
                f"expected starts of shape (*{tuple(batch_shape)}, k, 3, 3), got {tuple(starts.shape)}; expand them"
            )
        self.energy, self.starts = energy, starts

    def _height(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        energy = self.energy(value)
        shape = torch.broadcast_shapes(value.shape[:-2], self.batch_shape)
        if energy.shape != shape:
            raise ValueError(
                f"expected energies of shape {tuple(shape)} for rotations of shape {tuple(value.shape)}, got "
                f"{tuple(energy.shape)}; return one for each rotation"
            )
        return energy

    def _hints(self) -> Float[Tensor, "densities k 3 3"] | None:
        return None if self.starts is None else self.starts.detach().reshape(-1, *self.starts.shape[-3:])

    @property
    def log_normaliser(self) -> Float[Tensor, "*batch"]:
        """log Z, differentiable in what E depends on; the relative error of Z is estimated by ``survey.error``."""
        (cloud,) = self._clouds
        if not torch.is_grad_enabled() or not self._height(self._identity).requires_grad:
            return self._gather(lambda cloud: cloud.log_integral())
        rotation = cloud.nodes.rotations(torch.arange(len(cloud.owner), device=cloud.owner.device))
        log_mass = self._evaluate(cloud.owner, rotation) + cloud.nodes.log_weights()
        return log_sum(log_mass, cloud.owner, len(cloud.rows)).to(self._like).reshape(self.batch_shape)

    @property
    def _identity(self) -> Float[Tensor, "*batch 3 3"]:
        return torch.eye(3, dtype=self._like.dtype, device=self._like.device).expand(*self.batch_shape, 3, 3)

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density for Haar probability, differentiable in the rotation and in what E depends on."""
        return self._height(value) - self.log_normaliser

    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Independent draws, by rejection (`Cloud.draw`)."""
        count = torch.Size(sample_shape).numel()
        with torch.no_grad():
            draws = self._gather(lambda cloud: cloud.draw(self._evaluate, count, generator))
        return draws.movedim(-3, 0).reshape(*sample_shape, *self.batch_shape, 3, 3)

    def rotate(self, rotation: Float[Tensor, "*shape 3 3"]) -> "ImplicitDistribution":
        """The law of ``rotation @ X``: exact, E is asked at the rotations turned back."""
        batch = torch.broadcast_shapes(rotation.shape[:-2], self.batch_shape)
        turn, energy = rotation.to(self._like), self.energy
        starts = None if self.starts is None else rotation[..., None, :, :] @ self.starts
        starts = None if starts is None else starts.expand(*batch, *starts.shape[-3:])
        return self._like_this(lambda value: energy(turn.mT @ value), batch, starts)

    def expand(self, batch_shape: torch.Size | tuple[int, ...]) -> "ImplicitDistribution":  # type: ignore[override]
        """The same densities with a larger batch shape, each integrated by itself."""
        starts = None if self.starts is None else self.starts.expand(*batch_shape, *self.starts.shape[-3:])
        energy, like = self.energy, torch.zeros(batch_shape, dtype=self._like.dtype, device=self._like.device)
        return self._like_this(lambda value: energy(value) + like, torch.Size(batch_shape), starts)

    def _like_this(self, energy: Energy, batch_shape: torch.Size, starts: Tensor | None) -> "ImplicitDistribution":
        like = self._like
        return ImplicitDistribution(energy, batch_shape, starts, self.tree, dtype=like.dtype, device=like.device)
