r"""BOP's visible surface discrepancy (VSD): where the surfaces seen under two poses differ, among the pixels of either.

.. math:: e = \operatorname{avg}_{p \in \hat V \cup V}
    \begin{cases} 0 & p \in \hat V \cap V,\ |\hat D(p) - D(p)| < \tau \\ 1 & \text{otherwise}\end{cases}

D are distances from the camera's centre to the model as drawn, V its visible pixels: those where it is no more than
:math:`\delta` behind what the depth camera saw, or where that saw nothing; where the true model is seen, the answered
one is, too.

Reference: https://bop.felk.cvut.cz/challenges/bop-challenge-2019, section 2.2; bop_toolkit, visibility.py ("bop19")
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from armillary.data.rendering import Renderer
from armillary.evaluation.pose.model import ObjectModel

# Tolerance of visibility (metres; ITODD takes 5 mm) and misalignments, parts of the diameter.
DELTA = 0.015
TAUS = tuple(0.05 * step for step in range(1, 11))
# Pixels drawn at once.
_AT_ONCE = 1 << 20


def vsd(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    true_rotation: Float[Tensor, "views 3 3"],
    true_translation: Float[Tensor, "views 3"],
    intrinsics: Float[Tensor, "views 3 3"],
    size: tuple[int, int],
    model: ObjectModel,
    depth: Float[Tensor, "views height width"] | None = None,
    delta: float = DELTA,
    taus: tuple[float, ...] = TAUS,
) -> Float[Tensor, "views taus"]:
    """Discrepancy of each answer, from 0 to 1, for each misalignment.

    Only the part of each picture is drawn in which either pose shows the object.

    Args:
        rotation: answers, R_cam_obj.
        translation: metres.
        true_rotation: labels.
        true_translation: metres.
        intrinsics: of each picture, pixels.
        size: height and width of the pictures.
        model: what is drawn.
        depth: what the depth camera saw, metres along the optical axis, 0 where nothing; None: nothing at all.
        delta: metres.
        taus: parts of the diameter.

    Example:
        >>> from armillary.data import make_solid
        >>> eye, place = torch.eye(3)[None], torch.tensor([[0.0, 0, 5]])
        >>> K = torch.tensor([[[60.0, 0, 31.5], [0, 60, 31.5], [0, 0, 1]]])
        >>> cube = ObjectModel.of_shape(make_solid("cube"))
        >>> vsd(eye, place, eye, place, K, (64, 64), cube, taus=(0.05,))
        tensor([[0.]])
        >>> vsd(eye, -place, eye, place, K, (64, 64), cube, taus=(0.05,))
        tensor([[1.]])
    """
    poses = [(rotation, translation), (true_rotation, true_translation)]
    boxes = torch.stack([_box(*pose, intrinsics, size, model) for pose in poses])
    first, last = boxes[..., :2].amin(0), boxes[..., 2:].amax(0)
    width, height = (last - first).amax(0).clamp_min(0).add(1).tolist()
    limit = torch.tensor([size[1] - width, size[0] - height], device=first.device)
    corner = torch.minimum(first, limit).clamp_min(0)
    renderer = Renderer((height, width), "torch", rotation.device, antialias=False)
    step, limits = max(1, _AT_ONCE // (height * width)), [tau * model.diameter for tau in taus]
    found = []
    for start in tqdm(range(0, len(rotation), step), desc="drawing depth", unit="batch", delay=2, leave=False):
        part = slice(start, start + step)
        camera = intrinsics[part].float().clone()
        camera[:, :2, 2] -= corner[part]
        rays = _ray_lengths(camera, height, width)
        seen = [
            renderer.render(model.mesh, turn[part].float(), place[part].float(), camera).depth * rays
            for turn, place in poses
        ]
        test = None if depth is None else _cut(depth[part], corner[part], height, width) * rays
        found.append(discrepancy(seen[0], seen[1], test, delta, limits))
    return torch.cat(found)


def discrepancy(
    answered: Float[Tensor, "views height width"],
    true: Float[Tensor, "views height width"],
    test: Float[Tensor, "views height width"] | None,
    delta: float,
    limits: list[float],
) -> Float[Tensor, "views limits"]:
    """VSD from distances to the model under both poses and to the scene, 0 where there is nothing; limits in metres."""
    visible_true = _visible(true, test, delta)
    visible = _visible(answered, test, delta) | (visible_true & (answered > 0))
    both, either = visible & visible_true, visible | visible_true
    count, apart = either.flatten(1).sum(1), (either & ~both).flatten(1).sum(1)
    error = (answered - true).abs()
    costs = torch.stack([(both & (error >= limit)).flatten(1).sum(1) for limit in limits], -1)
    share = (costs + apart[:, None]) / count.clamp_min(1)[:, None]
    return torch.where(count[:, None] == 0, 1.0, share)


def _visible(
    model: Float[Tensor, "views height width"], test: Float[Tensor, "views height width"] | None, delta: float
) -> Bool[Tensor, "views height width"]:
    if test is None:
        return model > 0
    return (model > 0) & ((model - test <= delta) | (test == 0))


def _box(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    intrinsics: Float[Tensor, "views 3 3"],
    size: tuple[int, int],
    model: ObjectModel,
) -> Int[Tensor, "views 4"]:
    """Left, top, right, bottom of the pixels that may show the object; all of them if it reaches behind the camera."""
    low, high = model.mesh.vertices.amin(0), model.mesh.vertices.amax(0)
    corners = torch.cartesian_prod(*torch.stack([low, high], 1)).to(rotation)
    image = (corners @ rotation.mT + translation[:, None]) @ intrinsics.to(rotation).mT
    behind = (image[..., 2] <= 0).any(-1, keepdim=True)
    pixels = image[..., :2] / torch.where(image[..., 2:] > 0, image[..., 2:], 1.0)
    most = pixels.new_tensor([size[1] - 1.0, size[0] - 1.0])
    first, last = pixels.amin(1).floor(), pixels.amax(1).ceil()
    first = torch.minimum(torch.where(behind, 0.0, first).clamp_min(0), most)
    last = torch.minimum(torch.where(behind, most, last).clamp_min(0), most)
    return torch.cat([first, last], -1).long()


def _ray_lengths(intrinsics: Float[Tensor, "views 3 3"], height: int, width: int) -> Float[Tensor, "views h w"]:
    """Distance from the camera's centre over depth, for each pixel."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    pixels = torch.stack([columns, rows, torch.ones_like(rows)], -1).to(intrinsics)
    rays = pixels.flatten(0, 1) @ torch.linalg.inv(intrinsics).mT
    return rays.square().sum(-1).sqrt().unflatten(-1, (height, width))


def _cut(
    depth: Float[Tensor, "views height width"], corner: Int[Tensor, "views 2"], height: int, width: int
) -> Float[Tensor, "views rows columns"]:
    rows = corner[:, 1, None] + torch.arange(height, device=depth.device)
    columns = corner[:, 0, None] + torch.arange(width, device=depth.device)
    view = torch.arange(len(depth), device=depth.device)
    return depth[view[:, None, None], rows[:, :, None], columns[:, None, :]].float()
