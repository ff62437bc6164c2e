"""`armillary spacecraft render`: parts and a film of one satellite; what cannot be rendered is refused in one line."""

import math
from pathlib import Path

import pytest
import torch

from armillary.apps.cli import main
from armillary.apps.film import timed_frames
from armillary.apps.spacecraft.render import drifting, shell_inertia, tumbling
from armillary.data import load_mesh, open_dataset
from armillary.data.shapes.primitive import box
from armillary.data.spacecraft import spacecraft_splits
from armillary.data.spacecraft.scene import SatelliteSettings
from armillary.so3 import geodesic_distance

SMALL = SatelliteSettings(width=96, height=60)


def words(out: Path, *more: str) -> list[str]:
    parts = [
        "--train",
        "2",
        "--validation",
        "1",
        "--lightbox",
        "0",
        "--sunlamp",
        "1",
        "--width",
        "96",
        "--height",
        "60",
    ]
    return ["spacecraft", "render", "--out", str(out), *parts, *more]


def test_parts_and_a_film(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "satellite"
    assert main(words(out, "--film", "3", "--film-domain", "sunlamp")) == 0
    assert "7 pictures" in capsys.readouterr().out
    assert {*spacecraft_splits(out)} == {"train", "validation", "sunlamp", "film"}
    frames = timed_frames(out / "film" / "frames.csv", 1.0)
    assert [frame.time for frame in frames] == [0.0, 0.1, 0.2]
    film = open_dataset(out, "film")
    assert torch.allclose(film.rotations, tumbling(SMALL, 3, 10.0).rotation.float(), atol=1e-5)
    assert abs(load_mesh(out / "model.ply").bounding_sphere()[1] - 1) < 1e-3
    # The same command again has nothing to do.
    assert main(words(out)) == 0


def test_a_tumble_turns_freely_at_10_to_30_degrees_a_second() -> None:
    film = tumbling(SMALL, 50, 10.0)
    step = geodesic_distance(film.rotation[:-1], film.rotation[1:]).rad2deg()
    assert 1.0 <= float(step[0]) <= 3.0
    moment = torch.tensor(shell_inertia(SMALL.satellite().mesh), dtype=torch.float64)
    in_object = (film.rotation.mT @ film.velocity[..., None])[..., 0]
    energy = (moment * in_object.square()).sum(-1)
    assert (energy / energy[0] - 1).abs().max() < 1e-4


def test_a_drift_stays_in_the_frame() -> None:
    for seed in range(5):
        path = drifting(SatelliteSettings(seed=seed), 30)
        camera = SatelliteSettings().camera()
        pixels = path[:, :2] / path[:, 2:] * camera.fx
        assert bool((pixels.abs() < torch.tensor([120.0, 75.0])).all())
        assert path[:, 2].min() >= 5 and path[:, 2].max() <= 7.5


def test_the_skin_of_a_cube_has_the_moments_of_its_faces() -> None:
    # Faces of side 2 at distance 1, per unit of mass: x^2 has mean (2 * 1 + 4 * 1/3) / 6.
    assert shell_inertia(box((2.0, 2.0, 2.0))) == pytest.approx((10 / 9,) * 3, rel=1e-6)
    assert math.isclose(shell_inertia(box((2.0, 2.0, 2.0)).scaled(2 * math.sqrt(3)))[0], 40 / 9, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--train", "-1"], "expected pictures of some part, got train -1"),
        (["--train", "0", "--validation", "0", "--sunlamp", "0"], "expected pictures of some part"),
        (["--fps", "0"], "expected frames per second above zero, got 0.0"),
        (["--nearest", "0.1"], "expected nearest and farthest"),
        (["--film-domain", "night"], "film-domain"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(words(tmp_path / "out", *more)) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
