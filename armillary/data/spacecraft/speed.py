"""SPEED, the data set of the first challenge (2019).

    speed/
      train.json                     list of {filename, q_vbs2tango (scalar first), r_Vo2To_vbs_true (m)}
      real.json                      likewise, five photographs of a model
      test.json, real_test.json      list of {filename}: the organisers keep the labels
      images/
        train/img000001.jpg          1920 x 1200, grey
        real/img000001real.jpg
        test/, real_test/

Splits: `train`, `real`, `test`, `real_test`; those without labels are refused. The files hold no camera: it is the
published one, 17.6 mm of focal length and pixels of 5.86 um, without a lens to undo.
"""

from pathlib import Path

from armillary.data.published import Faults, OnFault
from armillary.data.spacecraft.camera import SPEED_CAMERA
from armillary.data.spacecraft.label import read_label_list
from armillary.data.spacecraft.photos import SpacecraftPhotos, find_spacecraft

PARTS = ("train", "real", "test", "real_test")


def open_speed(
    folder: Path, part: str = "train", data_split: float = 1.0, on_fault: OnFault = "skip"
) -> SpacecraftPhotos:
    """One part of SPEED; arguments as of `open_speedplus`."""
    file = folder / f"{part}.json"
    faults = Faults(str(file))
    return SpacecraftPhotos(
        read_label_list(file, faults),
        folder / "images" / part,
        SPEED_CAMERA,
        file,
        f"{folder.resolve().name} {part}",
        spacecraft=find_spacecraft(folder),
        faults=faults,
        data_split=data_split,
        on_fault=on_fault,
    )
