"""Pictures of one spacecraft with poses: what SPEED+, its tables and SPEED are read into."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.data.camera import project
from armillary.data.picture import picture_files, read_grey
from armillary.data.published import Faults, OnFault
from armillary.data.record import read_json
from armillary.data.sample import DatasetInfo, Reader, Sample
from armillary.data.shapes import load_mesh
from armillary.data.shapes.mesh_file import SUFFIXES
from armillary.data.spacecraft.camera import LensCamera
from armillary.data.spacecraft.label import Labels, sound_labels
from armillary.so3 import SymmetryGroup

# Corners of the body, feet of the solar panel and tips of the antennas of Tango, metres: tangoPoints.mat of
# https://github.com/tpark94/spnv2.
TANGO_POINTS = torch.tensor(
    [
        [-0.37, -0.385, 0.3215],
        [-0.37, 0.385, 0.3215],
        [0.37, 0.385, 0.3215],
        [0.37, -0.385, 0.3215],
        [-0.37, -0.264, 0.0],
        [-0.37, 0.304, 0.0],
        [0.37, 0.304, 0.0],
        [0.37, -0.264, 0.0],
        [-0.5427, 0.4877, 0.2535],
        [0.5427, 0.4877, 0.2591],
        [0.305, -0.579, 0.2515],
    ]
)
# The smallest ball around them: centre and radius, metres.
TANGO_SPHERE = (torch.tensor([0.0, 0.0488, 0.2537]), 0.698)


@dataclass(frozen=True)
class Spacecraft:
    """The object in the pictures: its name, points that outline it, and its bounding sphere, metres."""

    name: str
    points: Float[Tensor, "points 3"]
    centre: Float[Tensor, "3"]
    radius: float
    symmetry: SymmetryGroup = field(default_factory=SymmetryGroup.trivial)


TANGO = Spacecraft("tango", TANGO_POINTS, *TANGO_SPHERE)


def find_spacecraft(folder: Path) -> Spacecraft:
    """That of model.ply (.obj, .stl, ...; metres) in a folder, or Tango where there is none.

    Its symmetry is in render.json of a satellite of our own.
    """
    file = next((file for file in (folder / f"model{suffix}" for suffix in SUFFIXES) if file.is_file()), None)
    if file is None:
        return TANGO
    mesh = load_mesh(file)
    record = folder / "render.json"
    entries = read_json(record, "render again").get("symmetry", {}) if record.is_file() else {}
    group = SymmetryGroup.from_bop(entries)
    return Spacecraft(folder.resolve().name, mesh.vertices, *mesh.bounding_sphere(), group)


class SpacecraftPhotos(Reader):
    """Grey pictures of one spacecraft with camera, rotation and translation.

    Labels without a sound pose, picture or mask (where there are masks) are left out and told. Pictures that show the
    spacecraft in part are kept: `partly_outside` marks them.

    Args:
        labels: in the order of the file.
        pictures: their folder.
        camera: of pictures of its size; others are taken for stretched from it.
        source: the file that listed them, for messages.
        name: of the data set's part.
        domain: put before the file's name in the names of samples; may be empty.
        masks: their folder, of which pictures of the same names are taken; masks are not black where the object is.
        spacecraft: in the pictures.
        faults: what was already found while the labels were read.
        data_split: this part of the labels, from the first on.
        straight: undo the lens, so that samples obey the pinhole matrix; else pictures stay as taken.
        on_fault: leave faulty samples out with one note, or refuse the data set.
    """

    def __init__(
        self,
        labels: Labels,
        pictures: Path,
        camera: LensCamera,
        source: Path,
        name: str,
        domain: str = "",
        masks: Path | None = None,
        spacecraft: Spacecraft = TANGO,
        faults: Faults | None = None,
        data_split: float = 1.0,
        straight: bool = True,
        on_fault: OnFault = "skip",
    ) -> None:
        if not 0 < data_split <= 1:
            raise ValueError(f"{source}: expected a data_split above 0 and up to 1, got {data_split:g}; 1 takes all")
        self.faults = Faults(str(source)) if faults is None else faults
        total = len(labels) + len(self.faults)
        present = {path.name for path in pictures.iterdir()} if pictures.is_dir() else set()
        sound = sound_labels(labels, present, self.faults)
        self._masks = {} if masks is None else picture_files(masks)
        sound = self._with_masks(sound) if self._masks else sound
        chosen = sound[: int(data_split * len(sound))]
        if chosen.files or on_fault == "fail":
            self.faults.settle(on_fault, total)
        if not chosen.files:
            got = f"{self.faults}" if self.faults.found else f"{total} in all"
            raise ValueError(f"{source}: expected pictures with labels, got {got}; {_lack(self.faults)}")
        self._files, self._pictures, self._camera, self._straight = chosen.files, pictures, camera, straight
        self.rotations = chosen.rotations
        self.translations = torch.from_numpy(chosen.position).float()
        self.names = tuple(f"{domain}/{file}" if domain else file for file in chosen.files)
        self.categories = torch.zeros(len(chosen), dtype=torch.int64)
        self.partly_outside = _partly_outside(self.rotations, self.translations, camera, spacecraft)
        centres, radii = spacecraft.centre[None].float(), torch.tensor([spacecraft.radius])
        self.info = DatasetInfo(name, (spacecraft.name,), (spacecraft.symmetry,), centres, radii)
        self.spacecraft, self.camera = spacecraft, camera

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        grey = read_grey(self._pictures / file)
        camera = self._camera.resized(grey.shape[2], grey.shape[1])
        mask = self._mask(file, grey) if self._masks else None
        if self._straight:
            grey = camera.straighten(grey)
            mask = None if mask is None else camera.straighten(mask, nearest=True)
        return Sample(
            grey.expand(3, -1, -1),
            self.rotations[index],
            self.translations[index],
            camera.intrinsics.float(),
            mask=None if mask is None else mask[0] > 0.5,
            name=self.names[index],
        )

    def _with_masks(self, labels: Labels) -> Labels:
        """The labels of pictures that have a mask; the others become faults."""
        found = torch.tensor([Path(file).stem in self._masks for file in labels.files], dtype=torch.bool)
        for place in (~found).nonzero().flatten().tolist():
            self.faults.add("without a mask", labels.files[place])
        return labels[found.numpy()]

    def _mask(self, file: str, picture: Float[Tensor, "1 height width"]) -> Float[Tensor, "1 height width"]:
        path = self._masks[Path(file).stem]
        mask = read_grey(path)
        if mask.shape != picture.shape:
            raise ValueError(
                f"{path}: expected a mask of {picture.shape[2]} x {picture.shape[1]} pixels as its picture, got "
                f"{mask.shape[2]} x {mask.shape[1]}; save it at the picture's size"
            )
        # JPEG leaves shades between black and white.
        return (mask > 0.5).float()


def _partly_outside(
    rotations: Float[Tensor, "samples 3 3"],
    translations: Float[Tensor, "samples 3"],
    camera: LensCamera,
    spacecraft: Spacecraft,
) -> Bool[Tensor, " samples"]:
    """Whether some of the spacecraft's points lie beside the picture."""
    few = spacecraft.points[:: -(-len(spacecraft.points) // 500)].to(rotations)
    pixels = project(few, rotations, translations, camera.intrinsics.float())
    limit = pixels.new_tensor([camera.width, camera.height]) - 0.5
    return ~((pixels > -0.5) & (pixels < limit)).all(-1).all(-1)


def _lack(faults: Faults) -> str:
    if set(faults.found) == {"without a label"}:
        return "labels of this part are not in the files: take another part, or the version with labels"
    return "mend the files or raise data_split"
