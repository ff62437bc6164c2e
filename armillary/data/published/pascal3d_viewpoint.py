"""Viewpoint estimation on PASCAL3D+ as Spherical Regression and its forerunners evaluate it: all objects, by filters.

Other than the protocol of pascal3d.py, all objects of the category that a folder names are taken, and those with a
coarse viewpoint too. Tests are on VOC's val under a filter: `viewpoint-easy` leaves out what is difficult, truncated or
occluded, `viewpoint-nonOccl` keeps the difficult, `viewpoint-nonDiff` the truncated and occluded, `viewpoint-all` all.
`viewpoint-train` has everything of VOC train, ImageNet train and ImageNet val. The counts below are those that the
original counted; it gives two annotations of ImageNet with empty boxes a box of one pixel, here they are left out.

Reference: https://github.com/leoshine/Spherical_Regression, dataset/Pascal3D/anno_db_v2/util_v2.py
"""

from collections.abc import Callable
from pathlib import Path

from armillary.data.published.fault import OnFault
from armillary.data.published.pascal3d import Pascal3d
from armillary.data.published.pascal3d_annotation import EXCLUSIONS, Exclusion

PREFIX = "viewpoint-"
FILTERS: dict[str, tuple[Exclusion, ...]] = {
    "easy": EXCLUSIONS,
    "nonOccl": ("occluded", "truncated"),
    "nonDiff": ("difficult",),
    "all": (),
}
# Objects of each category, in the order of PASCAL_CATEGORIES, that the original counts.
VAL_OBJECTS = {
    "easy": (276, 118, 244, 252, 154, 310, 247, 23, 137, 40, 113, 222),
    "nonDiff": (433, 358, 424, 630, 301, 1004, 1176, 305, 356, 285, 315, 392),
    "all": (484, 380, 491, 733, 320, 1173, 1449, 374, 376, 387, 329, 414),
}
TRAIN_OBJECTS = (2445, 1752, 3105, 2276, 1401, 6823, 2510, 2686, 1632, 1857, 1635, 1664)


def viewpoint_splits(folder: Path, on_fault: OnFault = "skip") -> dict[str, Callable[[], Pascal3d]]:
    """What opens each split of the protocol, under its name.

    Example:
        >>> [*viewpoint_splits(Path("PASCAL3D+_release1.1"))][:2]
        ['viewpoint-train', 'viewpoint-easy']
    """

    def opener(split: str, exclude: tuple[Exclusion, ...]) -> Callable[[], Pascal3d]:
        return lambda: Pascal3d(folder, split, exclude, objects="all", coarse=True, on_fault=on_fault)

    tests = {PREFIX + name: opener("test", exclude) for name, exclude in FILTERS.items()}
    return {f"{PREFIX}train": opener("train", ()), **tests}
