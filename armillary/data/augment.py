"""From crops to batches: random virtual cameras for training, the straight look for evaluation.

All geometry (turn in the plane, zoom, shift, jittered box) is one virtual camera per sample and one resampling; the
label turns with the camera, so an augmented picture is a true view of the object. A mirrored picture is a true view of
the mirrored object (`mirrored`). Brightness, tone, blur and noise change pixels alone.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.data.sample import Batch
from armillary.data.store import ImageStore
from armillary.data.virtual_camera import VirtualCamera, aim, aim_at_box, square_intrinsics


@dataclass(frozen=True)
class Augmentation:
    """Random views of a store's crops; call it with ``store[index]`` and a generator.

    Example:
        >>> from armillary.data import Sample
        >>> store = ImageStore.from_samples([Sample(torch.rand(3, 48, 48), torch.eye(3))], size=48, progress=False)
        >>> batch = Augmentation(size=32)(store, torch.Generator().manual_seed(0))
        >>> batch.images.shape
        torch.Size([1, 3, 32, 32])
    """

    # Width and height of the pictures, pixels.
    size: int = 64
    # The picture is turned in its plane by a uniform angle in [-turn, turn], radians.
    turn: float = math.pi
    # The object's size in the picture varies by a factor in [1 / (1 + zoom), 1 + zoom].
    zoom: float = 0.15
    # The object's centre moves by up to this share of half the picture's width, along each axis.
    shift: float = 0.1
    # Standard deviation of a further turn in the plane, as though the camera's up direction were uncertain, radians.
    up: float = 0.0
    # Each side of the object's box moves by up to this share of the box's width; the picture is then the smallest
    # square about the box's covering cone that holds its corners, turned as they are.
    box: float = 0.0
    # Probability of a mirrored picture. Only for categories whose members have mirror images of their kind in the plane
    # x = 0 of the object frame, and labels that are rotations object to camera (PASCAL3D+): see `mirrored`.
    flip: float = 0.0
    # Brightness varies by a factor in [1 - gain, 1 + gain], each colour by a quarter of that besides.
    gain: float = 0.3
    # Middle tones are raised or lowered: x + tone x (1 - x), a cheap stand-in for gamma 1 -+ tone.
    tone: float = 0.3
    # Standard deviation of the pixel noise, drawn per picture from [0, noise].
    noise: float = 0.03
    # Weight of a blurred copy (binomial, 3 x 3), drawn per picture from [0, blur].
    blur: float = 0.5
    # Sampled points per output pixel along each axis: 1 is right while crops are at most twice the output's resolution.
    supersample: int = 1

    def __call__(self, store: ImageStore, generator: torch.Generator | None = None) -> Batch:
        """One random view of each sample of the store."""
        draw = _Uniform(len(store), generator, store.images.device)
        turn = draw(-self.turn, self.turn)
        zoom = torch.exp(draw(-1.0, 1.0) * math.log1p(self.zoom))
        shift = torch.stack([draw(-self.shift, self.shift), draw(-self.shift, self.shift)], -1)
        if self.up > 0:
            turn = turn + self.up * draw.normal((len(store),))
        if self.box > 0:
            sides = torch.stack([draw(-self.box, self.box) for _ in range(4)], -1)
            camera = _box_camera(store, self.size, turn, zoom, shift, sides)
        else:
            camera = _camera(store, self.size, turn, zoom, shift)
        batch = _look(store, camera, self.supersample)
        if self.flip > 0:
            batch = mirrored(batch, draw(0.0, 1.0) < self.flip)
        return replace(batch, images=self._repaint(batch.images, draw))

    def _repaint(
        self, images: Float[Tensor, "batch 3 height width"], draw: "_Uniform"
    ) -> Float[Tensor, "batch 3 height width"]:
        if self.blur > 0:
            images = torch.lerp(images, _smooth(images), draw(0.0, self.blur)[:, None, None, None])
        brightness = draw(1 - self.gain, 1 + self.gain)[:, None, None, None]
        colour = torch.stack([draw(1 - self.gain / 4, 1 + self.gain / 4) for _ in range(3)], -1)[:, :, None, None]
        images = images * (brightness * colour)
        if self.tone > 0:
            # x (1 + s - s x): the tone curve with strength s.
            strength = draw(-self.tone, self.tone)[:, None, None, None]
            images = images.clamp_(0, 1).mul_(torch.addcmul(1 + strength, images, strength, value=-1))
        if self.noise > 0:
            strength = draw(0.0, self.noise)[:, None, None, None]
            # Normal numbers cost as much as the resampling: draw for a quarter of the batch and use them four times.
            noise = draw.normal((-(-len(images) // 4), *images.shape[1:]))
            for start in range(0, len(images), len(noise)):
                part = images[start : start + len(noise)]
                part.addcmul_(noise[: len(part)], strength[start : start + len(noise)])
        return images.clamp_(0, 1)


@dataclass(frozen=True)
class _Uniform:
    """Draws per sample, on the generator's device, moved to the store's."""

    count: int
    generator: torch.Generator | None
    device: torch.device

    def __call__(self, low: float, high: float) -> Float[Tensor, " batch"]:
        source = self.device if self.generator is None else self.generator.device
        return (low + (high - low) * torch.rand(self.count, generator=self.generator, device=source)).to(self.device)

    def normal(self, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        source = self.device if self.generator is None else self.generator.device
        return torch.randn(shape, generator=self.generator, device=source).to(self.device)


def mirrored(batch: Batch, chosen: Bool[Tensor, " batch"]) -> Batch:
    r"""The batch with some of its pictures mirrored left to right, and labels that are true of them.

    With F = diag(-1, 1, 1), a mirror shows the camera points F (R x + t) = (F R F) (F x) + F t: the mirrored object
    under the proper rotation F R F at F t. So the label holds where the mirrored object F x is one of the category too:
    for one symmetric object, and for a category closed under mirrors with axes that they keep. In PASCAL3D+, where x is
    an object's side, F R F is the rotation with azimuth and in-plane turn negated.

    Args:
        batch: centred square pictures, so that their intrinsics stay.
        chosen: which of them.

    Example:
        >>> batch = Batch(torch.eye(3)[None, None].expand(1, 3, 3, 3), torch.eye(3)[None], torch.tensor([0]))
        >>> mirrored(batch, torch.tensor([True])).images[0, 0, 0]
        tensor([0., 0., 1.])
    """
    sign = torch.ones(len(chosen), 3, dtype=batch.rotations.dtype, device=batch.rotations.device)
    sign[:, 0] = torch.where(chosen, -1.0, 1.0)
    translations = batch.translations
    return replace(
        batch,
        images=torch.where(chosen[:, None, None, None], batch.images.flip(-1), batch.images),
        rotations=sign[:, :, None] * batch.rotations * sign[:, None, :],
        translations=None if translations is None else sign * translations,
    )


def centre_crop(store: ImageStore, size: int = 64, supersample: int = 1) -> Batch:
    """The store's crops without their margin, unturned: what evaluation looks at.

    Example:
        >>> from armillary.data import Sample
        >>> store = ImageStore.from_samples([Sample(torch.rand(3, 48, 48), torch.eye(3))], size=48, progress=False)
        >>> bool((centre_crop(store, 32).rotations == store.rotations).all())
        True
    """
    zero = torch.zeros(len(store), device=store.images.device)
    return _look(store, _camera(store, size, zero, zero + 1, torch.stack([zero, zero], -1)), supersample)


def _smooth(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Pictures under the filter (1, 2, 1) / 4 along both axes; slices, as pooling is ten times slower on a CPU."""
    for dim in (2, 3):
        count = images.shape[dim]
        smooth = images.clone()
        before, middle, after = (images.narrow(dim, start, count - 2) for start in (0, 1, 2))
        smooth.narrow(dim, 1, count - 2).copy_((before + after).mul_(0.25).add_(middle, alpha=0.5))
        images = smooth
    return images


def _camera(
    store: ImageStore,
    size: int,
    turn: Float[Tensor, " batch"],
    zoom: Float[Tensor, " batch"],
    shift: Float[Tensor, "batch 2"],
) -> VirtualCamera:
    """Virtual cameras inside the store's; zoom 1 and shift 0 frame the object with no margin."""
    half_width = store.size / 2 / store.intrinsics[:, 0, 0] / store.margin
    direction = torch.cat([-shift * half_width[:, None], torch.ones_like(turn)[:, None]], -1)
    return aim(direction, size / 2 / half_width * zoom, size, turn)


def _box_camera(
    store: ImageStore,
    size: int,
    turn: Float[Tensor, " batch"],
    zoom: Float[Tensor, " batch"],
    shift: Float[Tensor, "batch 2"],
    sides: Float[Tensor, "batch 4"],
) -> VirtualCamera:
    """Virtual cameras inside the store's, each aimed at the object's square with its sides moved."""
    half_width = store.size / 2 / store.margin
    outward = sides.new_tensor([-1.0, -1.0, 1.0, 1.0])
    box = half_width * (outward + 2 * sides - shift.repeat(1, 2)) + store.intrinsics[:, :2, 2].repeat(1, 2)
    camera = aim_at_box(box, store.intrinsics, size, turn=turn)
    return replace(camera, intrinsics=square_intrinsics(camera.intrinsics[:, 0, 0] * zoom, size))


def _look(store: ImageStore, camera: VirtualCamera, supersample: int) -> Batch:
    return Batch(
        images=camera.look(store.images, store.intrinsics, supersample),
        rotations=camera.turn(store.rotations),
        category=store.category,
        intrinsics=camera.intrinsics,
        translations=None if store.translations is None else camera.turn_translations(store.translations),
        names=store.names,
    )
