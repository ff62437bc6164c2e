"""Random views of reduced frames with their boxes, and frames from which the object was taken out."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from armillary.data.spacecraft.filling import filled
from armillary.data.spacecraft.frame_store import FrameStore

# A box of which less than this part of each side is left in the frame is not there.
LEAST_SIDE = 0.15
# Smallest side of a box that can be seen, pixels of the reduced frame.
LEAST_PIXELS = 1.5
# Pixels by which masks are widened, which the reduction has blurred.
RIM = 3


@dataclass(frozen=True)
class FrameView:
    """Frames mirrored, moved and enlarged, brighter or darker, with noise; call it with frames, boxes and a generator.

    Example:
        >>> frames, boxes = torch.rand(2, 1, 32, 48), torch.tensor([[4.0, 4, 20, 20]]).repeat(2, 1)
        >>> FrameView()(frames, boxes, torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 1, 32, 48])
    """

    # Probability of each mirror.
    flip: float = 0.5
    # The frame is enlarged by a factor in [1 / (1 + zoom), 1 + zoom].
    zoom: float = 0.4
    # It moves by up to this part of half its width and height.
    shift: float = 0.4
    # Brightness varies by a factor in [1 - gain, 1 + gain].
    gain: float = 0.4
    # Middle tones are raised or lowered: x + tone x (1 - x).
    tone: float = 0.5
    # Standard deviation of the noise, drawn per frame from [0, noise].
    noise: float = 0.05

    def __call__(
        self,
        frames: Float[Tensor, "batch 1 height width"],
        boxes: Float[Tensor, "batch 4"],
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch 1 height width"], Float[Tensor, "batch 4"]]:
        """A random view of each frame."""
        count = len(frames)

        def draw(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        sign = torch.where(draw(2) < self.flip, -1.0, 1.0)
        scale = torch.exp((2 * draw(1) - 1) * math.log1p(self.zoom)) * sign
        frames, boxes = moved(frames, boxes, scale, self.shift * (2 * draw(2) - 1))
        frames = (frames * (1 + self.gain * (2 * draw(1, 1, 1) - 1))).clamp(0, 1)
        frames = frames + self.tone * (2 * draw(1, 1, 1) - 1) * frames * (1 - frames)
        frames = frames + self.noise * draw(1, 1, 1) * torch.randn(frames.shape, generator=generator)
        return frames.clamp(0, 1), boxes


def moved(
    frames: Float[Tensor, "batch 1 height width"],
    boxes: Float[Tensor, "batch 4"],
    scale: Float[Tensor, "batch 2"],
    shift: Float[Tensor, "batch 2"],
) -> tuple[Float[Tensor, "batch 1 height width"], Float[Tensor, "batch 4"]]:
    """Frames enlarged about their middles (negative: mirrored) and moved, with boxes cut at the frame's edges.

    Args:
        frames: whole.
        boxes: pixels; NaN where there is no object, and in the answer where too little of one is left.
        scale: along width and height.
        shift: in half widths and heights.
    """
    height, width = frames.shape[-2:]
    affine = torch.zeros(len(frames), 2, 3)
    affine[:, [0, 1], [0, 1]] = 1 / scale
    affine[:, :, 2] = -shift / scale
    grid = functional.affine_grid(affine, [len(frames), 1, height, width], align_corners=False)
    out = functional.grid_sample(frames, grid, "bilinear", "zeros", align_corners=False)
    size = torch.tensor([width, height])
    # -1 and 1 at the frame's edges.
    corners = (2 * (boxes.unflatten(-1, (2, 2)) + 0.5) / size - 1) * scale[:, None] + shift[:, None]
    low, high = corners.amin(1), corners.amax(1)
    left, right = low.clamp(-1, 1), high.clamp(-1, 1)
    pixels = torch.cat([(left + 1) / 2 * size - 0.5, (right + 1) / 2 * size - 0.5], -1)
    side = right - left
    seen = (side > LEAST_SIDE * (high - low)).all(-1) & (side * size / 2 > LEAST_PIXELS).all(-1)
    return out, torch.where(seen[:, None], pixels, torch.nan)


def without_object(store: FrameStore, chosen: Int[Tensor, " frames"]) -> Float[Tensor, "frames 1 height width"]:
    """Frames whose objects are filled with what is around them.

    What is filled is the mask with a rim, or the box where there is no mask.
    """
    covered = functional.max_pool2d(_cover(store, chosen), 2 * RIM + 1, 1, RIM)
    # The object's edge must not remain as an outline: the two blend over a few pixels.
    soft = torch.maximum(covered, functional.avg_pool2d(covered, 3, 1, 1))
    return filled(store.frames[chosen].float() / 255, soft)


def _cover(store: FrameStore, chosen: Int[Tensor, " frames"]) -> Float[Tensor, "frames 1 height width"]:
    masks, boxes = store.masks[chosen], store.boxes[chosen].nan_to_num(-9.0)
    height, width = masks.shape[-2:]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    left, top, right, bottom = (side[:, None, None] for side in boxes.unbind(-1))
    inside = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
    unknown = ~masks.flatten(1).any(1)
    return torch.where(unknown[:, None, None], inside, masks)[:, None].float()
