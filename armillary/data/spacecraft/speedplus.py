"""SPEED+ as published: the satellite Tango rendered, and photographed as a model under two lights.

    speedplus/                       speedplusv2/ in the file that holds the labels of lightbox and sunlamp
      camera.json                    Nu, Nv, cameraMatrix, distCoeffs (k1, k2, p1, p2, k3), ...
      model.ply                      optional, not published: another spacecraft's mesh, metres
      synthetic/                     a domain
        train.json                   list of {filename, q_vbs2tango_true (scalar first), r_Vo2To_vbs_true (m)}
        validation.json
        images/img000001.jpg         1920 x 1200, grey
        masks/img000001.png          not black where the satellite is; synthetic only             optional
      lightbox/                      diffuse light, Earth's albedo
        test.json
        images/
      sunlamp/                       direct light
        test.json
        images/

Splits: `train` and `validation` of synthetic, `lightbox`, `sunlamp`; a domain's folder alone has those of its lists.
Domains of other names are `NAME-train`, `NAME-validation` and `NAME` (test). Pictures are straightened (camera.py).
"""

from pathlib import Path

from armillary.data.published import Faults, OnFault
from armillary.data.spacecraft.camera import SPEEDPLUS_CAMERA, LensCamera, read_lens_camera
from armillary.data.spacecraft.label import read_label_list
from armillary.data.spacecraft.photos import SpacecraftPhotos, find_spacecraft

LISTS = ("train", "validation", "test")


def open_speedplus(
    domain: Path, part: str = "train", data_split: float = 1.0, straight: bool = True, on_fault: OnFault = "skip"
) -> SpacecraftPhotos:
    """One list of a domain.

    Args:
        domain: its folder, as ``speedplus/synthetic``.
        part: train, validation or test.
        data_split: this part of the list, from its start, as the SPEED+ fork of Image2Sphere takes it.
        straight: undo the lens.
        on_fault: leave faulty pictures out with one note, or refuse the data set.
    """
    file = domain / f"{part}.json"
    faults = Faults(str(file))
    labels, camera = read_label_list(file, faults), find_camera(domain)
    masks = domain / "masks" if (domain / "masks").is_dir() else None
    return SpacecraftPhotos(
        labels,
        domain / "images",
        camera,
        file,
        name_of(domain, part),
        domain.resolve().name,
        masks,
        find_spacecraft(domain.resolve().parent),
        faults,
        data_split,
        straight,
        on_fault,
    )


def name_of(domain: Path, part: str) -> str:
    """Of a part of a data set.

    Example:
        >>> name_of(Path("/data/speedplus/sunlamp"), "test")
        'speedplus sunlamp test'
    """
    place = domain.resolve()
    return f"{place.parent.name} {place.name} {part}"


def find_camera(domain: Path, needed: bool = True) -> LensCamera:
    """That of camera.json in the domain's folder or the one above; SPEED+'s own where none is needed."""
    places = [folder / "camera.json" for folder in (domain.resolve(), domain.resolve().parent)]
    file = next((place for place in places if place.is_file()), None)
    if file is None and needed:
        raise FileNotFoundError(f"{places[1]}: expected the camera, got no such file; unpack the data set again")
    return SPEEDPLUS_CAMERA if file is None else read_lens_camera(file)


def is_label_list(path: Path) -> bool:
    """Whether a file begins as a JSON list of pictures does, whole or truncated."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096).lstrip()
    return start.startswith(b"[") and (b'"filename"' in start or start.rstrip() == b"[]")
