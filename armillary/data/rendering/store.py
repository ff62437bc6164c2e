"""Views rendered straight into memory: an `ImageStore` without files, for demos and training on shapes."""

import math
import sys
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from tqdm import tqdm

from armillary.data.rendering.lighting import BackgroundKind
from armillary.data.rendering.renderer import Backend, Renderer
from armillary.data.rendering.scene import BLOCK, LightKind, PoseKind, SceneSettings, draw_block, render_block
from armillary.data.sample import DatasetInfo
from armillary.data.shapes.shape import Shape
from armillary.data.store import ImageStore


def shapes_of(views: ImageStore) -> Int[Tensor, " views"]:
    """Number of the shape that each view of a `rendered_store` shows, from its name SHAPE/VIEW; parts keep numbers."""
    return torch.tensor([int(name.split("/")[0]) for name in views.names])


def rendered_store(
    shapes: Sequence[Shape],
    views_per_shape: int,
    size: int = 96,
    seed: int = 0,
    margin: float = 1.5,
    fov_deg: float = 20.0,
    lights: LightKind = "studio",
    background: BackgroundKind = "black",
    poses: PoseKind = "uniform",
    backend: Backend = "auto",
    progress: bool = True,
) -> ImageStore:
    """Random centred views of shapes; shapes of one name share a category.

    Args:
        shapes: solids, zoo members or meshes.
        views_per_shape: pictures of each.
        size: of the crops, pixels.
        seed: view i of shape k is a pure function of (seed, k, i).
        margin: half the crop's width over the object's outline; 1 leaves augmentation no room.
        fov_deg: field of view of the whole crop, degrees.
        lights: "studio" (the same for all) or "random".
        background: what stands behind the object.
        poses: all rotations alike, or those of a camera on the view sphere that keeps the object's z axis up.
        backend: of the renderer.
        progress: show a bar.

    Example:
        >>> from armillary.data import Mesh, Shape
        >>> sail = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
        >>> store = rendered_store([Shape("sail", sail)], 3, size=16, backend="torch", progress=False)
        >>> store.images.shape
        torch.Size([3, 3, 16, 16])
    """
    if not shapes or views_per_shape < 1:
        raise ValueError(
            f"expected shapes and views, got {len(shapes)} shapes and {views_per_shape} views; ask for one"
        )
    settings = SceneSettings(size, fov_deg, 1 / margin, 0.0, 0.0, lights, background, seed, poses, tilt_deg=0.0)
    spheres = [shape.mesh.bounding_sphere() for shape in shapes]
    names, symmetries = [shape.name for shape in shapes], [shape.symmetry for shape in shapes]
    info, category = DatasetInfo.of_objects("rendered", names, symmetries, spheres)
    count = len(shapes) * views_per_shape
    images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    rotations, translations = torch.zeros(count, 3, 3), torch.zeros(count, 3)
    renderer = Renderer(size=size, backend=backend)
    if progress and backend == "auto" and renderer.backend == "torch":
        tqdm.write(renderer.note, file=sys.stderr)
    bar = tqdm(total=count, desc="rendering", unit="image", disable=not progress, delay=1.0)
    for number, (shape, (centre, radius)) in enumerate(zip(shapes, spheres, strict=True)):
        for block in range(math.ceil(views_per_shape / BLOCK)):
            here = min(BLOCK, views_per_shape - block * BLOCK)
            views = draw_block(centre, radius, settings, number, block)
            frames = render_block(renderer, shape.mesh, views, settings, here)
            first = number * views_per_shape + block * BLOCK
            images[first : first + here] = frames.rgb.permute(0, 3, 1, 2).cpu()
            rotations[first : first + here] = views.rotations[:here]
            translations[first : first + here] = views.translations[:here]
            bar.update(here)
    bar.close()
    renderer.close()
    return ImageStore(
        images,
        rotations,
        settings.intrinsics().repeat(count, 1, 1),
        torch.tensor(category).repeat_interleave(views_per_shape),
        turns=torch.eye(3).repeat(count, 1, 1),
        names=tuple(f"{number:06d}/{view:06d}" for number in range(len(shapes)) for view in range(views_per_shape)),
        info=info,
        margin=margin,
        translations=translations,
    )
