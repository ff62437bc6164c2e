r"""BOP's maximum symmetry-aware distances between a surface as answered and as it is: in space, and in the picture.

.. math:: e_{MSSD} = \min_{S} \max_{x} | (\hat R x + \hat t) - (R S(x) + t) |,\qquad
    e_{MSPD} = \min_{S} \max_{x} | \pi(\hat R x + \hat t) - \pi(R S(x) + t) |

over the symmetries S of the object and the vertices x of its surface; metres and pixels.

Reference: https://bop.felk.cvut.cz/challenges/bop-challenge-2019, section 2.2
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.bop.model import extreme_points
from armillary.evaluation.pose.model import ObjectModel

# Numbers held at once: small enough to stay near the processor.
_AT_ONCE = 1 << 20


def mssd(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    true_rotation: Float[Tensor, "views 3 3"],
    true_translation: Float[Tensor, "views 3"],
    model: ObjectModel,
) -> Float[Tensor, " views"]:
    """Distance in space of each answer, metres, float64.

    The distance is a convex function of x, so that corners of the convex hull attain its maximum.

    Example:
        >>> from armillary.data import make_solid
        >>> eye, zero = torch.eye(3)[None], torch.zeros(1, 3)
        >>> round(mssd(eye, zero + 0.1, eye, zero, ObjectModel.of_shape(make_solid("cube"))).item(), 5)
        0.17321
    """
    points = extreme_points(torch.unique(model.mesh.vertices, dim=0).double()).to(rotation.device)

    def farthest(part: slice) -> Float[Tensor, " few"]:
        turn, shift = _equivalent(true_rotation[part], true_translation[part], model)
        turn = rotation[part].double()[:, None] - turn
        shift = translation[part].double()[:, None] - shift
        return _norm(points @ turn.mT + shift[..., None, :]).amax(-1).amin(-1)

    return _in_parts(farthest, len(rotation), len(model.turns) * len(points))


def mspd(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    true_rotation: Float[Tensor, "views 3 3"],
    true_translation: Float[Tensor, "views 3"],
    intrinsics: Float[Tensor, "views 3 3"],
    model: ObjectModel,
) -> Float[Tensor, " views"]:
    """Distance in the picture of each answer, pixels, float64; infinite where the object reaches behind the camera.

    Example:
        >>> from armillary.data import make_solid
        >>> eye, place = torch.eye(3)[None], torch.tensor([[0.0, 0, 1e4]])
        >>> K = torch.diag(torch.tensor([1e4, 1e4, 1.0]))[None]
        >>> side = torch.tensor([[3.0, 4, 0]])
        >>> round(mspd(eye, place + side, eye, place, K, ObjectModel.of_shape(make_solid("cube"))).item(), 2)
        5.0
    """
    points = torch.unique(model.mesh.vertices, dim=0).double().to(rotation.device)

    def farthest(part: slice) -> Float[Tensor, " few"]:
        camera = intrinsics[part].double()[:, None]
        seen = _pixels(points, rotation[part].double()[:, None], translation[part].double()[:, None], camera)
        true = _pixels(points, *_equivalent(true_rotation[part], true_translation[part], model), camera)
        return _norm(seen - true).nan_to_num(torch.inf, torch.inf).amax(-1).amin(-1)

    return _in_parts(farthest, len(rotation), len(model.turns) * len(points))


def _equivalent(
    rotation: Float[Tensor, "views 3 3"], translation: Float[Tensor, "views 3"], model: ObjectModel
) -> tuple[Float[Tensor, "views motions 3 3"], Float[Tensor, "views motions 3"]]:
    """All poses that look like the true ones."""
    turns, shifts = (each.to(rotation.device) for each in (model.turns, model.shifts))
    turn = rotation.double()[:, None]
    return turn @ turns, (turn @ shifts[..., None])[..., 0] + translation.double()[:, None]


def _pixels(points: Tensor, rotation: Tensor, translation: Tensor, intrinsics: Tensor) -> Tensor:
    """Projections, NaN behind the camera."""
    image = (points @ rotation.mT + translation[..., None, :]) @ intrinsics.mT
    depth = torch.where(image[..., 2:] > 0, image[..., 2:], torch.nan)
    return image[..., :2] / depth


def _norm(vectors: Float[Tensor, "*batch axes"]) -> Float[Tensor, "*batch"]:
    """Length; a sum of squares by hand is several times faster than vector_norm along a short last axis."""
    return vectors.square().sum(-1).sqrt()


def _in_parts(work: Callable[[slice], Float[Tensor, " few"]], count: int, numbers: int) -> Float[Tensor, " views"]:
    """What work says of all views, so many at once that their numbers fit."""
    return torch.cat([work(part) for part in _parts(count, max(1, _AT_ONCE // max(1, numbers)))])


def _parts(count: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, max(count, 1), step))
