"""RenderForCNN's pictures of ShapeNet models, with which PASCAL3D+ is trained, and their mixture with photographs.

    syn_images_cropped_bkg_overlaid/
      02958343/                    WordNet's number (synset) of the category
        1a2b3c.../                 model
          02958343_1a2b3c..._a123_e015_t-03_d004.png

The name holds azimuth, elevation, turn in the plane and distance; the turn has the opposite sign of PASCAL3D+'s theta.
Pictures are crops, so that the true camera is lost: as the original Image2Sphere does, they are taken for pictures
of a camera with focal length 3,000 px at distance 4, centred on the picture. The pose is right, the perspective is not.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import torch

from armillary.data.camera import intrinsics_from_focal
from armillary.data.picture import read_picture
from armillary.data.published.fault import Faults, OnFault
from armillary.data.published.pascal3d_camera import PASCAL_CATEGORIES, in_range, viewpoint_rotation
from armillary.data.sample import DatasetInfo, Reader, Sample

FOLDER = "syn_images_cropped_bkg_overlaid"
# WordNet 3.0 numbers, in the order of PASCAL_CATEGORIES.
SYNSETS = (
    "02691156", "02834778", "02858304", "02876657", "02924116", "02958343",
    "03001627", "04379243", "03790512", "04256520", "04468005", "03211117",
)  # fmt: skip
FOCAL, DISTANCE = 3000.0, 4.0
_NAME = re.compile(r".*_a(-?\d+(?:\.\d+)?)_e(-?\d+(?:\.\d+)?)_t(-?\d+(?:\.\d+)?)_d(-?\d+(?:\.\d+)?)\.png")


class RenderForCnn(Reader):
    """All pictures of a folder.

    Args:
        folder: holds the folders of synsets.
        on_fault: leave out unknown synsets and names without a viewpoint with one note, or refuse the folder.
    """

    def __init__(self, folder: Path, on_fault: OnFault = "skip") -> None:
        self.folder = folder
        self.faults = Faults(str(folder))
        files: list[str] = []
        angles: list[tuple[float, float, float]] = []
        categories: list[int] = []
        for synset in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            for name in _pictures(folder, synset):
                found = _NAME.fullmatch(name)
                if synset not in SYNSETS:
                    self.faults.add("of unknown synset", name)
                elif found is None:
                    self.faults.add("without a viewpoint", name)
                elif not in_range(*(float(number) for number in found.groups()[:3])):
                    self.faults.add("with angles out of range", name)
                else:
                    files.append(name)
                    azimuth, elevation, turn = (float(number) for number in found.groups()[:3])
                    angles.append((azimuth, elevation, -turn))
                    categories.append(SYNSETS.index(synset))
        self.faults.settle(on_fault, len(files) + len(self.faults))
        self.names, self.categories = tuple(files), torch.tensor(categories, dtype=torch.int64)
        azimuth, elevation, theta = torch.tensor(angles, dtype=torch.float64).reshape(-1, 3).unbind(-1)
        self.rotations = viewpoint_rotation(azimuth, elevation, theta).float()
        zero = torch.zeros(len(PASCAL_CATEGORIES))
        self.info = DatasetInfo("RenderForCNN", PASCAL_CATEGORIES, (), zero[:, None].expand(-1, 3), zero)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        image, _ = read_picture(self.folder / self.names[index])
        height, width = image.shape[-2:]
        return Sample(
            image,
            self.rotations[index],
            torch.tensor([0.0, 0.0, DISTANCE]),
            intrinsics_from_focal(FOCAL, width, height),
            category=int(self.categories[index]),
            name=self.names[index],
            # The whole picture, from edge to edge.
            box=torch.tensor([-0.5, -0.5, width - 0.5, height - 0.5]),
        )


class Mixture(Reader):
    """Photographs, then pictures drawn from a second data set: an epoch of both.

    Args:
        real: all of it is in.
        synthetic: of the same categories.
        share: of the second in the whole; at 0.75 the mixture is four times as long as `real`.
        seed: of the draw; take another for each epoch.

    Reference: Image2Sphere trains on PASCAL3D+ with a share of 0.75.
    """

    def __init__(self, real: Reader, synthetic: Reader, share: float = 0.75, seed: int = 0) -> None:
        if not 0 <= share < 1:
            raise ValueError(f"expected a share from 0 to below 1, got {share}; the whole of the photographs is in")
        if real.info.categories != synthetic.info.categories:
            got = ", ".join(synthetic.info.categories)
            raise ValueError(f"expected the categories of {real.info.name}, got {got}; mix like to like")
        self.real, self.synthetic, self.info = real, synthetic, real.info
        extra = round(len(real) * share / (1 - share))
        if extra and not len(synthetic):
            raise ValueError(f"{synthetic.info.name}: expected pictures to draw from, got none; check the folder")
        generator = torch.Generator().manual_seed(seed)
        self._drawn = torch.randint(max(1, len(synthetic)), (extra,), generator=generator)

    def __len__(self) -> int:
        return len(self.real) + len(self._drawn)

    def __getitem__(self, index: int) -> Sample:
        if index < len(self.real):
            return self.real[index]
        sample = self.synthetic[int(self._drawn[index - len(self.real)])]
        # The same picture may be drawn twice.
        return replace(sample, name=f"{sample.name}#{index}")


def _pictures(folder: Path, synset: str) -> list[str]:
    """Names of the pictures of one synset, relative to the folder, in order."""
    models = sorted(entry.name for entry in os.scandir(folder / synset) if entry.is_dir())
    return [
        f"{synset}/{model}/{name}"
        for model in models
        for name in sorted(os.listdir(folder / synset / model))
        if name.endswith(".png")
    ]
