r"""Losses between functions on the sphere, one number for each function or picture: 0 (the pair loss aside) at a fit.

Means over the sphere are exact: by the quadrature weights of the grid, which sum to one, or by Parseval's identity on
coefficients, :math:`\int |p-t|^2 = \sum_{lm} |p_{lm}-t_{lm}|^2`. Weights of sin(theta) are neither; and put inside a
Huber loss, as in the code published with the reference, they make its threshold depend on the polar angle.

Reference: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716; of
    the losses it has the Huber loss alone
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions import HarmonicDistribution, Normaliser
from armillary.harmonics import correlate, rotate_s2, s2_lmax
from armillary.so3 import rotation_z


def weighted_huber(
    predicted: Float[Tensor, "*batch rings azimuths"],
    target: Float[Tensor, "*batch rings azimuths"],
    polar_weights: Float[Tensor, " rings"],
    delta: float = 1.0,
) -> Float[Tensor, "*batch"]:
    r"""Mean over the sphere of Huber's loss, :math:`\sum_j w_j\,\overline{h_\delta(p_j - t_j)} / \sum_j w_j`.

    :math:`h_\delta(e) = e^2/2` up to :math:`\delta`, then :math:`\delta(|e| - \delta/2)`; the bar is a ring's mean.

    Args:
        polar_weights: Of the rings, `S2Transform.polar_weights`.
        delta: Where it becomes linear; targets have variance 1.

    Reference: Robust estimation of a location parameter (Huber, 1964), https://doi.org/10.1214/aoms/1177703732

    Example:
        >>> from armillary.harmonics import S2Transform
        >>> weights = S2Transform(7, 16, 16, "equiangular").polar_weights
        >>> weighted_huber(torch.zeros(2, 16, 16), torch.full((2, 16, 16), 3.0), weights)
        tensor([2.5000, 2.5000])
    """
    error = torch.nn.functional.huber_loss(predicted, target, reduction="none", delta=delta)
    return error.mean(-1) @ (polar_weights / polar_weights.sum())


def spectral_loss(
    predicted: Float[Tensor, "*batch coeffs"],
    target: Float[Tensor, "*batch coeffs"],
    degree_weights: Float[Tensor, " degrees"] | None = None,
) -> Float[Tensor, "*batch"]:
    r"""Squared distance by degrees, :math:`\sum_l v_l \sum_m |p_{lm} - t_{lm}|^2`.

    With :math:`v_l = 1` the mean over the sphere of the squared difference.

    Args:
        degree_weights: The v; ones when None.

    Example:
        >>> spectral_loss(torch.zeros(4), torch.tensor([1.0, 2.0, 0.0, 0.0]), torch.tensor([0.0, 0.5]))
        tensor(2.)
    """
    square = (predicted - target).square()
    if degree_weights is None:
        return square.sum(-1)
    lmax = s2_lmax(square.shape[-1])
    if len(degree_weights) != lmax + 1:
        raise ValueError(
            f"expected {lmax + 1} weights, one for each degree, got {len(degree_weights)}; add or cut some"
        )
    return square @ degree_weights.repeat_interleave(2 * torch.arange(lmax + 1, device=square.device) + 1)


def in_plane_loss(
    turned: Float[Tensor, "batch channels coeffs"],
    predicted: Float[Tensor, "batch channels coeffs"],
    angle: Float[Tensor, " batch"],
) -> Float[Tensor, "batch channels"]:
    r"""How far the answer is from turning with the picture, :math:`\lVert E(I_t) - \Lambda(R_z(t)) E(I)\rVert^2`.

    Needs no labels: the sphere's z is the optical axis, and turning the picture by t takes R to Rz(t) R (O3).

    Args:
        turned: Answers to the pictures turned by the angles.
        predicted: Answers to the pictures.
        angle: From x (right) towards y (down), as seen a clockwise turn; radians.

    Example:
        >>> coeffs = torch.tensor([0.0, 0.0, 0.0, 1.0])[None, None]
        >>> in_plane_loss(torch.tensor([0.0, 1.0, 0.0, 0.0])[None, None], coeffs, torch.tensor([torch.pi / 2])).round()
        tensor([[0.]])
    """
    return spectral_loss(turned, rotate_s2(predicted, rotation_z(angle)[:, None]))


def pair_loss(
    first: Float[Tensor, "batch channels coeffs"],
    second: Float[Tensor, "batch channels coeffs"],
    relative: Float[Tensor, "batch 3 3"],
    sharpness: float | Tensor,
    normaliser: Normaliser | None = None,
) -> Float[Tensor, " batch"]:
    r"""Cross entropy, at the true relative rotation, of the density that the correlation of two answers makes.

    .. math:: -\log p(R),\quad p \propto e^{\tau C},\quad
        C(R) = \sum_c \int a_c(Rx)\,b_c(x)\,dx \Big/ \lVert a\rVert\,\lVert b\rVert \in [-1, 1]

    Means are left out of a and b: no rotation moves them. The uniform density has 0, good ones less.

    Args:
        first: Answers a to pictures of objects turned by Q1.
        second: Answers b to pictures of the same objects turned by Q2.
        relative: The R with a = b turned by R: Q1 Q2^T.
        sharpness: The tau, above 0; a parameter where it is learned.
        normaliser: How the density is integrated: exact when None; a ``TurnedGrid`` is quicker in training.

    Reference: the correlation, Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019); the density, of the
        form of Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926

    Example:
        >>> answers = torch.randn(2, 3, 16)
        >>> pair_loss(answers, answers, torch.eye(3).expand(2, 3, 3), sharpness=0.0).abs() < 1e-5
        tensor([True, True])
    """
    return -pair_distribution(first, second, sharpness, normaliser).log_prob(relative)


def contrast_loss(
    predicted: Float[Tensor, "batch channels coeffs"],
    target: Float[Tensor, "batch channels coeffs"],
    sharpness: float,
) -> Float[Tensor, " batch"]:
    r"""How well each prediction tells its own target from those of the other pictures of the batch.

    .. math:: -\log \frac{e^{\tau c_{ii}}}{\sum_j e^{\tau c_{ij}}}, \qquad
        c_{ij} = \langle p_i, t_j\rangle \big/ \lVert p_i\rVert\,\lVert t_j\rVert

    A squared error is lowest at the mean of what a picture may show, which for front and back is no shape at all, and
    is slow to leave it; here the mean tells nothing. The targets are maps, no rotation is asked for. Means are left
    out: what turns a shape does not move them. Chance has the logarithm of the batch's size, a perfect match nearly 0.

    Args:
        sharpness: The tau.

    Reference: Representation Learning with Contrastive Predictive Coding (van den Oord et al., 2018),
        https://arxiv.org/abs/1807.03748, equation 4

    Example:
        >>> maps = torch.tensor([[[0.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 2.0]]])
        >>> contrast_loss(maps, maps, sharpness=20.0) < 1e-8
        tensor([True, True])
    """
    first, second = (torch.nn.functional.normalize(_moved(part).flatten(1), dim=1) for part in (predicted, target))
    return -(sharpness * first @ second.mT).log_softmax(-1).diagonal()


def pair_distribution(
    first: Float[Tensor, "batch channels coeffs"],
    second: Float[Tensor, "batch channels coeffs"],
    sharpness: float | Tensor,
    normaliser: Normaliser | None = None,
) -> HarmonicDistribution:
    r"""The density :math:`p(R) \propto e^{\tau C(R)}` of the relative rotation; arguments as `pair_loss`.

    Example:
        >>> pair_distribution(torch.randn(2, 3, 16), torch.randn(2, 3, 16), 10.0).batch_shape
        torch.Size([2])
    """
    unit = [torch.nn.functional.normalize(_moved(part).flatten(1), dim=1).view_as(part) for part in (first, second)]
    return HarmonicDistribution(sharpness * correlate(*unit, channel_dim=-2), normaliser)


def relative_map_error(
    predicted: Float[Tensor, "batch channels coeffs"], target: Float[Tensor, "batch channels coeffs"]
) -> Float[Tensor, " batch"]:
    r"""Error relative to the target, :math:`\lVert p - t\rVert / \lVert t\rVert`, norms over channels and sphere.

    The norms are weighted by area, by Parseval. 0 is perfect; 1 is what zeros get, the mean over the training set.

    Example:
        >>> relative_map_error(torch.zeros(2, 3, 16), torch.ones(2, 3, 16))
        tensor([1., 1.])
    """
    smallest = torch.finfo(target.dtype).tiny
    return (predicted - target).flatten(1).norm(dim=1) / target.flatten(1).norm(dim=1).clamp_min(smallest)


def _moved(coeffs: Tensor) -> Tensor:
    """Coefficients with the means at 0."""
    return torch.cat([torch.zeros_like(coeffs[..., :1]), coeffs[..., 1:]], -1)
