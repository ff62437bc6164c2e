"""Weighted sums of densities, of one family or several."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.families.surveyed import SurveyedDistribution
from armillary.distributions.integration.adaptive_tree import AdaptiveTree

HINTS = 64  # component peaks that the survey is told of, those of the heaviest components first
PEAKS = 3  # of each component


class Mixture(SurveyedDistribution):
    r"""Density :math:`p(R)=\sum_k w_k\,p_k(R)`.

    The components come in groups, each a batch of one family whose last batch axis counts its components:
    ``Mixture(weights, MatrixFisher(F), Uniform((*batch, 1)))`` with weights of shape ``(*batch, 4)`` and F of shape
    ``(*batch, 3, 3, 3)`` is three matrix Fishers and a floor for outliers.

    ``log_prob``, ``sample``, ``rotate`` and ``expand`` are exact and work on whole groups; peaks are climbed to from
    the components' on the sum; entropy, mean and credible regions are by adaptive cubature.

    Args:
        weights: Nonnegative; divided by their sum.
        groups: Distributions of batch shapes ``(*batch, k_i)`` whose k_i add up to k.
        tree: How the mass is found.

    Example:
        >>> from armillary.distributions import MatrixFisher, Uniform
        >>> peak = MatrixFisher.isotropic(torch.eye(3)[None], sigma=0.1)
        >>> density = Mixture(torch.tensor([0.9, 0.1]), peak, Uniform((1,)))
        >>> density.log_prob(torch.diag(torch.tensor([1.0, -1.0, -1.0]))).exp()
        tensor(0.1000)
    """

    def __init__(
        self, weights: Float[Tensor, "*batch k"], *groups: SO3Distribution, tree: AdaptiveTree | None = None
    ) -> None:
        batch, k = weights.shape[:-1], weights.shape[-1]
        counts = [group.batch_shape[-1] if group.batch_shape else 0 for group in groups]
        if sum(counts) != k or any(group.batch_shape[:-1] != batch for group in groups) or 0 in counts:
            shapes = ", ".join(str(tuple(group.batch_shape)) for group in groups)
            raise ValueError(
                f"expected groups of batch shape (*{tuple(batch)}, k_i) with k_i that add up to the {k} weights, "
                f"got {shapes or 'none'}; the last batch axis of a group counts its components"
            )
        if not bool(((weights >= 0) & weights.isfinite()).all() and (weights.sum(-1) > 0).all()):
            raise ValueError(
                f"expected nonnegative weights, not all zero, got {weights.min():.3g} to {weights.max():.3g}; "
                "pass probabilities, the softmax of logits"
            )
        super().__init__(batch, tree or AdaptiveTree(), weights.new_empty(0))
        self.weights, self.groups, self._counts = weights / weights.sum(-1, keepdim=True), groups, counts

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density for Haar probability, differentiable in rotation, weights and components."""
        each = torch.cat([group.log_prob(value[..., None, :, :]) for group in self.groups], -1)
        highest = torch.where(self.weights > 0, each, -torch.inf).detach().amax(-1, keepdim=True)
        # Components without weight may be higher; those far below count for nothing and are slow to exponentiate.
        ratio = (each - highest).clamp(-80, 80).exp()
        return (self.weights * ratio).sum(-1).log() + highest[..., 0]

    def _height(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        return self.log_prob(value)

    def _hints(self) -> Float[Tensor, "densities k 3 3"]:
        """Peaks of the components."""
        peaks = torch.cat([group.modes(PEAKS).rotation for group in self.groups], -4)
        weights = self.weights.detach().reshape(-1, self.weights.shape[-1])
        order = weights.argsort(dim=-1, descending=True, stable=True)
        chosen = order[:, : -(-HINTS // PEAKS), None, None, None]
        return peaks.reshape(*weights.shape, PEAKS, 3, 3).take_along_dim(chosen, 1).flatten(1, 2)

    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Independent draws: a component by its weight, then a draw of its own."""
        count, densities = torch.Size(sample_shape).numel(), self.batch_shape.numel()
        weights = self.weights.detach().reshape(densities, -1)
        which = torch.multinomial(weights, max(count, 1), replacement=True, generator=generator)[:, :count]
        uses = torch.nn.functional.one_hot(which, weights.shape[-1]).cumsum(1)
        turn = uses.take_along_dim(which[..., None], -1)[..., 0] - 1  # which draw of its component each sample takes
        row = torch.arange(densities, device=which.device)[:, None].expand_as(which)
        result = weights.new_empty(densities, count, 3, 3)
        first = 0
        for group, size in zip(self.groups, self._counts, strict=True):
            own = (which >= first) & (which < first + size)
            most = int(turn[own].max()) + 1 if bool(own.any()) else 0
            draws = group.sample((most,), generator=generator).reshape(most, densities, size, 3, 3)
            result[own] = draws[turn[own], row[own], which[own] - first].to(result)
            first += size
        return result.transpose(0, 1).reshape(*sample_shape, *self.batch_shape, 3, 3)

    def rotate(self, rotation: Float[Tensor, "*shape 3 3"]) -> "Mixture":
        """The law of ``rotation @ X``: exact, every component turns."""
        batch = torch.broadcast_shapes(rotation.shape[:-2], self.batch_shape)
        turned = [group.rotate(rotation[..., None, :, :]) for group in self.groups]
        return Mixture(self.weights.expand(*batch, -1), *turned, tree=self.tree)

    def expand(self, batch_shape: torch.Size | tuple[int, ...]) -> "Mixture":  # type: ignore[override]
        """The same densities with a larger batch shape."""
        wide = [group.expand((*batch_shape, size)) for group, size in zip(self.groups, self._counts, strict=True)]
        return Mixture(self.weights.expand(*batch_shape, -1), *wide, tree=self.tree)
