"""What a reader gives and a model consumes: `Sample`, `Batch`, `DatasetInfo` and the `Reader` interface.

A sample is one picture of one object with the rotation that takes object coordinates to camera coordinates,
``x_cam = R_cam_obj @ x_obj + t``, in OpenCV camera axes (x right, y down, z forward) and metres. Pixel coordinates
put the centre of the top-left pixel at (0, 0).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from armillary.so3 import SymmetryGroup, nearest_rotation, rotation_defect

# Labels rounded to three decimals still pass; a scaled, sheared or reflected matrix does not.
ROTATION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Sample:
    """One picture of one object and its pose; parts a data set does not know are None.

    Example:
        >>> sample = Sample(torch.zeros(3, 48, 64), torch.eye(3))
        >>> sample.image.shape, sample.translation
        (torch.Size([3, 48, 64]), None)
    """

    # Colours in [0, 1].
    image: Float[Tensor, "3 height width"]
    # R_cam_obj, active, OpenCV camera.
    rotation: Float[Tensor, "3 3"]
    # Object origin in the camera frame, metres.
    translation: Float[Tensor, "3"] | None = None
    # Pinhole matrix in pixels; the centre of the top-left pixel is (0, 0).
    intrinsics: Float[Tensor, "3 3"] | None = None
    # True where the object is visible.
    mask: Bool[Tensor, "height width"] | None = None
    # Index into `DatasetInfo.categories`.
    category: int = 0
    # How messages name this sample; unique in its data set.
    name: str = ""
    # Every rotation that looks the same, `rotation` among them, where the data set lists them.
    equivalents: Float[Tensor, "members 3 3"] | None = None
    # The object's bounding box: left, top, right, bottom, pixels.
    box: Float[Tensor, "4"] | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for a whole data set: its categories, their symmetries and bounding spheres.

    Example:
        >>> info = DatasetInfo("bolts", ("bolt",))
        >>> info.symmetries[0].order
        1
        >>> DatasetInfo.from_json(info.to_json()).categories
        ('bolt',)
    """

    name: str
    categories: tuple[str, ...]
    # One group per category; left empty it means that no category has a symmetry.
    symmetries: tuple[SymmetryGroup, ...] = ()
    # Centre of each category's bounding sphere in the object frame, metres.
    centres: Float[Tensor, "categories 3"] | None = None
    # Radius of each category's bounding sphere, metres.
    radii: Float[Tensor, " categories"] | None = None

    def __post_init__(self) -> None:
        if not self.symmetries:
            object.__setattr__(self, "symmetries", tuple(SymmetryGroup.trivial() for _ in self.categories))
        if len(self.symmetries) != len(self.categories):
            raise ValueError(
                f"data set {self.name}: expected one symmetry group per category ({len(self.categories)}), "
                f"got {len(self.symmetries)}; use SymmetryGroup.trivial() for a category without symmetry"
            )

    @classmethod
    def of_objects(
        cls,
        name: str,
        names: Sequence[str],
        symmetries: Sequence[SymmetryGroup],
        spheres: Sequence[tuple[Float[Tensor, "3"], float]] | None = None,
    ) -> tuple["DatasetInfo", list[int]]:
        """The info of several objects and the category of each: those of one name share one.

        A category has the symmetry of its first object and the bounding sphere (centre and radius, m) of its largest.

        Example:
            >>> info, category = DatasetInfo.of_objects("tools", ["nut", "bolt", "nut"], [SymmetryGroup.trivial()] * 3)
            >>> info.categories, category
            (('nut', 'bolt'), [0, 1, 0])
        """
        categories = list(dict.fromkeys(names))
        groups = tuple(symmetries[names.index(category)] for category in categories)
        centres = radii = None
        if spheres is not None:
            named = list(zip(names, spheres, strict=True))
            largest = [max((s for n, s in named if n == category), key=lambda s: s[1]) for category in categories]
            centres, radii = torch.stack([centre for centre, _ in largest]), torch.tensor([r for _, r in largest])
        return cls(name, tuple(categories), groups, centres, radii), [categories.index(name) for name in names]

    def to_json(self) -> dict:
        """Plain lists and strings that `json.dump` takes; symmetries as in BOP's models_info.json."""
        return {
            "name": self.name,
            "categories": list(self.categories),
            "symmetries": [{"name": group.name, **group.to_bop()} for group in self.symmetries],
            "centres": None if self.centres is None else self.centres.tolist(),
            "radii": None if self.radii is None else self.radii.tolist(),
        }

    @classmethod
    def from_json(cls, record: dict) -> "DatasetInfo":
        """The inverse of `to_json`."""
        groups = tuple(replace(SymmetryGroup.from_bop(entry), name=entry["name"]) for entry in record["symmetries"])
        centres, radii = record["centres"], record["radii"]
        return cls(
            record["name"],
            tuple(record["categories"]),
            groups,
            None if centres is None else torch.tensor(centres),
            None if radii is None else torch.tensor(radii),
        )


@dataclass(frozen=True)
class Batch:
    """Samples stacked for a model: every picture of one size, every pose in the camera of its picture."""

    images: Float[Tensor, "batch 3 height width"]
    rotations: Float[Tensor, "batch 3 3"]
    category: Int[Tensor, " batch"]
    intrinsics: Float[Tensor, "batch 3 3"] | None = None
    translations: Float[Tensor, "batch 3"] | None = None
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with its tensors on `device`."""
        return Batch(
            self.images.to(device),
            self.rotations.to(device),
            self.category.to(device),
            None if self.intrinsics is None else self.intrinsics.to(device),
            None if self.translations is None else self.translations.to(device),
            self.names,
        )


class Reader(Dataset[Sample], ABC):
    """A data set on disk: `info`, a length, and one `Sample` per index; the same index always gives the same sample."""

    info: DatasetInfo

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample: ...


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one picture size (a DataLoader's ``collate_fn``); a part some sample lacks becomes None.

    Example:
        >>> collate([Sample(torch.zeros(3, 8, 8), torch.eye(3), name="a")] * 2).rotations.shape
        torch.Size([2, 3, 3])
    """
    sizes = {tuple(sample.image.shape[-2:]) for sample in samples}
    if len(sizes) != 1:
        raise ValueError(f"expected pictures of one size, got {sorted(sizes)}; build an ImageStore, which crops them")
    translations = [sample.translation for sample in samples if sample.translation is not None]
    intrinsics = [sample.intrinsics for sample in samples if sample.intrinsics is not None]
    return Batch(
        images=torch.stack([sample.image for sample in samples]),
        rotations=torch.stack([sample.rotation for sample in samples]),
        category=torch.tensor([sample.category for sample in samples]),
        intrinsics=torch.stack(intrinsics) if len(intrinsics) == len(samples) else None,
        translations=torch.stack(translations) if len(translations) == len(samples) else None,
        names=tuple(sample.name for sample in samples),
    )


def valid_rotations(matrices: np.ndarray | Tensor, names: Sequence[str], source: str) -> Float[Tensor, "samples 3 3"]:
    """Rotations of a data set as float32, tiny rounding projected away; a matrix that is no rotation is refused.

    Args:
        matrices: one 3x3 matrix per sample.
        names: one name per sample, for the message.
        source: the file the matrices came from, for the message.

    Example:
        >>> valid_rotations(torch.eye(3)[None] * 1.1, ["0007.png"], "poses.npz")
        Traceback (most recent call last):
        ...
        ValueError: poses.npz: sample 0 (0007.png): matrix is no rotation, defect 0.21; expected R^T R = I and \
determinant 1 within 0.001; divide out the scale
    """
    matrix = torch.as_tensor(np.asarray(matrices, dtype=np.float64))
    if matrix.ndim != 3 or matrix.shape[1:] != (3, 3):
        raise ValueError(f"{source}: expected rotations of shape (samples, 3, 3), got {tuple(matrix.shape)}")
    finite = matrix.isfinite().all(-1).all(-1)
    defect = torch.where(finite, rotation_defect(matrix.nan_to_num(0.0, 0.0, 0.0)), torch.inf)
    wrong = (defect > ROTATION_TOLERANCE).nonzero().flatten().tolist()
    if wrong:
        first = wrong[0]
        others = f" ({len(wrong) - 1} more samples likewise)" if len(wrong) > 1 else ""
        raise ValueError(
            f"{source}: sample {first} ({names[first]}): matrix is no rotation, defect {defect[first]:.3g}; expected "
            f"R^T R = I and determinant 1 within {ROTATION_TOLERANCE:g}; {_remedy(matrix[first])}{others}"
        )
    return nearest_rotation(matrix).float()


def valid_translations(vectors: np.ndarray, names: Sequence[str], source: str) -> Float[Tensor, "samples 3"]:
    """Translations of a data set as float32; one with NaN or infinity is refused."""
    vector = torch.as_tensor(np.array(vectors, dtype=np.float64))
    _refuse(~vector.isfinite().all(-1), vector, "translation t of finite numbers", names, source)
    return vector.float()


def valid_intrinsics(matrices: np.ndarray, names: Sequence[str], source: str) -> Float[Tensor, "samples 3 3"]:
    """Pinhole matrices of a data set as float32; one without focal lengths above zero is refused."""
    matrix = torch.as_tensor(np.array(matrices, dtype=np.float64))
    wrong = ~matrix.isfinite().all(-1).all(-1) | (matrix[:, 0, 0] <= 0) | (matrix[:, 1, 1] <= 0)
    _refuse(wrong, matrix, "pinhole matrix K (pixels) with focal lengths above zero", names, source)
    return matrix.float()


def _refuse(wrong: Bool[Tensor, " samples"], values: Tensor, what: str, names: Sequence[str], source: str) -> None:
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0])
        got = " ".join(str(values[first].tolist()).split())
        raise ValueError(f"{source}: sample {first} ({names[first]}): expected a {what}, got {got}; correct or drop it")


def _remedy(matrix: Float[Tensor, "3 3"]) -> str:
    if not bool(matrix.isfinite().all()):
        return "it holds NaN or infinity: drop this sample"
    determinant = torch.linalg.det(matrix).item()
    if determinant < -0.5:
        return "it is a reflection: convert the axes to a right-handed frame"
    gram = matrix.T @ matrix
    scale = gram.diagonal().mean()
    if scale > 0 and (gram / scale - torch.eye(3, dtype=gram.dtype)).abs().max() < ROTATION_TOLERANCE:
        return "divide out the scale"
    return "correct or drop this sample"
