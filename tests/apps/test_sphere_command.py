"""``armillary sphere``: what it leaves behind, what its picture shows, and what it says of mistakes."""

import numpy as np
import pytest
import torch

from armillary.apps.cli import main
from armillary.apps.plots.spherical_map import on_sphere
from armillary.data import make_shape
from armillary.data.spherical import sphere_directions, spherical_maps


@pytest.fixture
def voxels(tmp_path):
    occupied = np.zeros((8, 8, 8), dtype=bool)
    occupied[2:6, 1:7, 3:5] = True
    np.save(tmp_path / "block.npy", occupied)
    return tmp_path / "block.npy"


def test_it_leaves_arrays_and_a_picture(tmp_path, voxels, capsys):
    assert main(["sphere", "mug", str(voxels), "--size", "16", "--hull", "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"maps.npz", "preview.png"}
    assert "block: sphere of radius 3." in capsys.readouterr().out
    with np.load(tmp_path / "out" / "maps.npz") as file:
        known = spherical_maps([make_shape("mug").mesh], 16, hull=True)
        assert (file["values"][:1] == known.values.numpy()).all() and tuple(file["channels"]) == known.channels
        assert file["names"].tolist() == ["mug", "block"]


@pytest.mark.parametrize("grid", ["equiangular", "driscoll-healy", "gauss-legendre"])
def test_the_ball_shows_the_values_where_they_are(grid):
    values = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    shown = on_sphere(values, grid)(sphere_directions(8, grid).float())
    # At a pole all azimuths are one place.
    assert torch.equal(shown[1:], values[1:])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 4)), "expected full cells, got none of 64"),
        (np.zeros((5, 3)), "expected 16 points or more at different places, got 1"),
        (np.zeros((5, 4)), r"expected points \(k, 3\) or occupancies \(x, y, z\), got shape \(5, 4\)"),
    ],
)
def test_unusable_arrays_are_refused_in_one_line(tmp_path, capsys, array, message):
    np.save(tmp_path / "bad.npy", array)
    assert main(["sphere", str(tmp_path / "bad.npy"), "--out", str(tmp_path / "out")]) == 2
    with pytest.raises(ValueError, match=message):
        raise ValueError(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("default:.*far.off lies:UserWarning")
def test_unknown_names_get_the_closest_and_flat_meshes_are_named(tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert main(["sphere", "mugs", *out]) == 2
    assert "did you mean mug?" in capsys.readouterr().err
    (tmp_path / "sail.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert main(["sphere", str(tmp_path / "sail.off"), *out]) == 2
    assert "sail.off: expected rays that meet the surface, got none of 4096" in capsys.readouterr().err
    (tmp_path / "far.off").write_text(
        "OFF\n4 4 0\n99 0 0\n100 0 0\n99 1 0\n99 0 1\n3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3\n"
    )
    assert main(["sphere", str(tmp_path / "far.off"), "--size", "8", *out]) == 0
    assert "from the origin (1 of 1 lie far): centred" in capsys.readouterr().err
