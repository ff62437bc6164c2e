"""Poses in a wrong convention are found by the pictures, named, and refused; sound ones and round objects pass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from armillary.data import make_solid, open_dataset
from armillary.data.reprojection import READINGS, reading_shares, require_reprojection


@pytest.fixture
def with_mesh(write_miniature: Callable[[str], Path], box_corners: np.ndarray) -> Callable[[str], Path]:
    """A miniature with the box's mesh beside it."""

    def write(kind: str) -> Path:
        folder = write_miniature(kind)
        folder = folder if folder.is_dir() else folder.parent
        faces = ConvexHull(box_corners).simplices
        lines = [" ".join(map(str, corner)) for corner in box_corners] + [f"3 {a} {b} {c}" for a, b, c in faces]
        (folder / "model.off").write_text("\n".join(["OFF", f"{len(box_corners)} {len(faces)} 0", *lines]) + "\n")
        return folder

    return write


@pytest.mark.parametrize("kind", ["npz", "csv", "nerf", "colmap"])
def test_sound_poses_pass(with_mesh: Callable[[str], Path], kind: str) -> None:
    assert len(open_dataset(with_mesh(kind))) == 5


def test_a_quaternion_of_wrong_order_is_refused_with_the_right_one(with_mesh: Callable[[str], Path]) -> None:
    folder = with_mesh("csv")
    text = (folder / "poses.csv").read_text()
    (folder / "poses.csv").write_text(text.replace("qx,qy,qz,qw", "qw,qx,qy,qz"))
    with pytest.raises(ValueError, match="csv: by model.off: expected the object's points .* whose scalar is last"):
        open_dataset(folder)
    (folder / "model.off").unlink()
    assert len(open_dataset(folder)) == 5


def test_the_other_wrong_order_and_the_other_direction_are_named(with_mesh: Callable[[str], Path]) -> None:
    folder = with_mesh("colmap")
    images = folder / "sparse" / "0" / "images.txt"
    lines = [line.split() for line in images.read_text().splitlines()]
    # Scalar last where the format has it first.
    moved = [[w[0], *w[2:5], w[1], *w[5:]] if len(w) > 9 and w[0] != "#" else w for w in lines]
    images.write_text("\n".join(" ".join(words) for words in moved) + "\n")
    with pytest.raises(ValueError, match="whose scalar is last"):
        open_dataset(folder)
    folder = with_mesh("npz")
    arrays = dict(np.load(folder / "photos.npz"))
    np.savez(folder / "photos.npz", **{**arrays, "R": arrays["R"].transpose(0, 2, 1)})
    with pytest.raises(ValueError, match="from the camera to the object"):
        open_dataset(folder)


def test_true_poses_are_inside_and_each_reading_undoes_its_mistake(
    with_mesh: Callable[[str], Path], box_corners: np.ndarray
) -> None:
    sample, points = open_dataset(with_mesh("npz"))[0], torch.from_numpy(box_corners).float()
    shares = reading_shares(sample, points)
    assert shares is not None and shares[0] == 1.0
    wxyz, xyzw = [*READINGS][1:3]
    for first, second in ((wxyz, xyzw), (xyzw, wxyz), ([*READINGS][3],) * 2):
        torch.testing.assert_close(READINGS[second](READINGS[first](sample.rotation)), sample.rotation)


def test_a_round_object_says_nothing(with_mesh: Callable[[str], Path]) -> None:
    reader = open_dataset(with_mesh("npz"))
    # A small ball about the origin stays where it is, however it is turned.
    require_reprojection(reader, 0.001 * make_solid("sphX").mesh.vertices, "ball")
