"""ModelNet10-SO(3): views of 4,899 models of furniture under uniform rotations, and where its parts lie.

    ModelNet10-SO3/                    unzipping nests it in a folder of the same name: both are found
      train_100V.Rawjpg.lmdb/          100 views of each training model         split `train`
      train_20V.Rawjpg.lmdb/            20 views of each training model         split `limited_train`
      test_20V.Rawjpg.lmdb/             20 views of each test model             split `test`

    modelnet10/                        as the original Image2Sphere converts them
      modelnet10_train.npz
      modelnet10_limited_train.npz
      modelnet10_test.npz

Pictures are 224 x 224, grey on white. The stored quaternion is scalar first, active on columns. **Which camera it
speaks of is not documented.** The rotation given here is the stored one, in which all published figures are
stated. Loaders of others draw it as though the object were seen under :math:`S R^T S`, S = diag(1, -1, 1)
(`seen_rotations`); geodesic errors are the same in both. Where that is so, turning a picture in its plane does not turn
the stored label from the left: train on the stored labels without turned pictures.

Reference: Spherical Regression (Liao et al., 2019), https://arxiv.org/abs/1904.05404
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.published.fault import Faults
from armillary.data.sample import ROTATION_TOLERANCE, DatasetInfo
from armillary.so3 import nearest_rotation, rotation_defect

CATEGORIES = (
    "bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet",
)  # fmt: skip
# Split: the LMDB folder, the npz file.
PARTS = {
    "train": ("train_100V.Rawjpg.lmdb", "modelnet10_train.npz"),
    "limited_train": ("train_20V.Rawjpg.lmdb", "modelnet10_limited_train.npz"),
    "test": ("test_20V.Rawjpg.lmdb", "modelnet10_test.npz"),
}
POSES = "viewID2quat.pkl"


def modelnet10_info(name: str) -> DatasetInfo:
    """The ten categories; symmetries of the models are not stated, and crops are the whole pictures."""
    # A radius of 0 says that no bounding sphere is known, nor worth estimating: there is no camera.
    count = len(CATEGORIES)
    return DatasetInfo(name, CATEGORIES, centres=torch.zeros(count, 3), radii=torch.zeros(count))


def category_of(view: str) -> str:
    """The category in a view's name.

    Example:
        >>> category_of("night_stand_0001.v012")
        'night_stand'
    """
    return view.split(".")[0].rpartition("_")[0]


def seen_rotations(stored: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""The rotation object to camera that loaders of others draw a stored label with, :math:`S R^T S`.

    Its own inverse. Not verified: no calibration is published.

    Example:
        >>> seen_rotations(torch.eye(3)).diagonal()
        tensor([1., 1., 1.])
    """
    mirror = torch.tensor([1.0, -1.0, 1.0], dtype=stored.dtype, device=stored.device)
    return mirror[:, None] * stored.mT * mirror


def sound_samples(
    rotations: Float[np.ndarray, "samples 3 3"],
    categories: Sequence[str],
    names: list[str],
    faults: Faults,
    known: Sequence[str] = CATEGORIES,
) -> tuple[Int[Tensor, " sound"], Float[Tensor, "sound 3 3"], Int[Tensor, " sound"]]:
    """Which samples have a rotation and a known category, their rotations (projected) and categories."""
    matrices = torch.as_tensor(np.asarray(rotations, dtype=np.float64))
    finite = matrices.isfinite().all(-1).all(-1)
    defect = torch.where(finite, rotation_defect(matrices.nan_to_num(0.0, 0.0, 0.0)), torch.inf)
    number = {category: index for index, category in enumerate(known)}
    category = torch.tensor([number.get(name, -1) for name in categories], dtype=torch.int64)
    for index in (defect > ROTATION_TOLERANCE).nonzero().flatten().tolist():
        faults.add("without a rotation", names[index])
    for index in (category < 0).nonzero().flatten().tolist():
        faults.add("of unknown category", names[index])
    sound = ((defect <= ROTATION_TOLERANCE) & (category >= 0)).nonzero().flatten()
    return sound, nearest_rotation(matrices[sound]).float(), category[sound]


def modelnet10_parts(path: Path) -> dict[str, Path]:
    """The LMDB folders or npz files of a folder by split, one level of nesting allowed; empty if it holds none."""
    places = [path, *(path / name for name in ("ModelNet10-SO3", "modelnet10"))]
    places += [path / "ModelNet10-SO3" / "ModelNet10-SO3"]
    for place in places:
        for form in (0, 1):
            found = {split: place / files[form] for split, files in PARTS.items() if (place / files[form]).exists()}
            if found:
                return found
    return {}


def is_modelnet10_lmdb(path: Path) -> bool:
    """Whether a path is one of the LMDB folders."""
    return path.is_dir() and (path / POSES).is_file()


def is_modelnet10_npz(path: Path) -> bool:
    """Whether a path is an npz file as the original Image2Sphere reads it: it has imgs and rots."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"imgs.npy", "rots.npy"} <= {*archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return False
