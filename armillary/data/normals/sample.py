"""What a reader of surface normals gives: `NormalSample`, and the `NormalReader` interface.

Normals are unit vectors in the camera frame (OpenCV: x right, y down, z forward) that face the camera, n_z <= 0, and 0
where they are not known. A surface seen at a grazing angle beside the optical axis may have n_z > 0: its normal is
then taken to the nearest unit vector with n_z = 0, as the published data and figures do (`camera_facing`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

# A stored length within these bounds is a unit vector but for rounding to 8 bits or halves of floats.
LENGTHS = (0.9, 1.1)


@dataclass(frozen=True)
class NormalSample:
    """One picture and the normal at each of its pixels.

    Example:
        >>> wall = torch.tensor([0.0, 0, -1])[:, None, None].expand(3, 4, 6)
        >>> NormalSample(torch.rand(3, 4, 6), wall, torch.ones(4, 6, dtype=torch.bool)).normals.shape
        torch.Size([3, 4, 6])
    """

    # Colours in [0, 1].
    image: Float[Tensor, "3 height width"]
    # Unit vectors, camera frame, n_z <= 0; 0 outside the mask.
    normals: Float[Tensor, "3 height width"]
    # Where the normal is known.
    mask: Bool[Tensor, "height width"]
    # How messages name it; unique in its data set.
    name: str = ""


class NormalReader(Dataset[NormalSample], ABC):
    """Pictures with normals on disk: a length, and one `NormalSample` per index, made by `checked_sample`.

    Attributes:
        source: the file or folder, for messages.
    """

    source: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> NormalSample: ...


def camera_facing(normals: Float[Tensor, "3 *pixels"]) -> Float[Tensor, "3 *pixels"]:
    """The nearest unit vectors with n_z <= 0; 0 where there is no direction.

    Example:
        >>> camera_facing(torch.tensor([0.6, 0.0, 0.8])), camera_facing(torch.tensor([0.0, 0.0, -2.0]))
        (tensor([1., 0., 0.]), tensor([ 0.,  0., -1.]))
    """
    return functional.normalize(torch.cat([normals[:2], normals[2:].clamp_max(0.0)]), dim=0, eps=1e-6)


def checked_sample(
    image: Float[Tensor, "3 height width"],
    normals: Float[Tensor, "3 rows columns"],
    mask: Bool[Tensor, "down across"],
    name: str,
    source: str,
) -> NormalSample:
    """A sample whose normals face the camera and are 0 outside the mask; ValueError if they are not unit or of a size.

    Example:
        >>> checked_sample(torch.rand(3, 4, 6), torch.zeros(3, 4, 6), torch.ones(4, 6, dtype=torch.bool), "7", "a.npz")
        Traceback (most recent call last):
        ...
        ValueError: a.npz: picture 7: expected unit normals where the mask holds, got 24 of zero length; clear the \
mask there
    """
    where = f"{source}: picture {name}"
    size = tuple(image.shape[-2:])
    for what, shape in (("normals", normals.shape[-2:]), ("a mask", mask.shape)):
        if tuple(shape) != size:
            raise ValueError(
                f"{where}: expected {what} of {size[1]} x {size[0]} pixels as the picture, got "
                f"{shape[1]} x {shape[0]}; store all at one size"
            )
    if not bool(mask.any()):
        raise ValueError(f"{where}: expected pixels with a normal, got an empty mask; drop the picture")
    length = torch.linalg.vector_norm(normals[:, mask], dim=0)
    faults = {"with NaN or infinity": ~length.isfinite(), "of zero length": length < 1e-3}
    faults["of another length"] = (length < LENGTHS[0]) | (length > LENGTHS[1])
    for what, wrong in faults.items():
        if bool(wrong.any()):
            remedy = "scale them" if "another" in what else "clear the mask there"
            raise ValueError(
                f"{where}: expected unit normals where the mask holds, got {int(wrong.sum())} {what}; {remedy}"
            )
    facing = torch.where(mask, camera_facing(normals.nan_to_num(0.0)), 0.0)
    # A normal that looked straight away from the camera is none.
    return NormalSample(image, facing, mask & (facing != 0).any(0), name)
