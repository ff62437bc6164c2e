"""Laws of the lifts: a quarter turn of the picture turns the sphere about the optical axis, exactly."""

import math

import pytest
import torch

from armillary.harmonics import evaluate_s2, rotate_s2, s2_size
from armillary.nn import HarmonicLift, SpatialLift
from armillary.nn.lift import hemisphere, picture_position
from armillary.so3.grid import s2_grid
from armillary.so3.rotation import rotation_x, rotation_y, rotation_z

LMAX = 6
MAKERS = {
    "spatial": lambda: SpatialLift(8, 4, LMAX, (7, 7)),
    "spatial, random points": lambda: SpatialLift(8, 4, LMAX, (7, 7), training_points=20),
    "spatial, pole y": lambda: SpatialLift(8, 4, LMAX, (7, 7), axis="y"),
    "harmonic": lambda: HarmonicLift(8, 4, LMAX, hidden=32),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def quarter_turn(features: torch.Tensor) -> torch.Tensor:
    """The picture turned by +90 degrees about the optical axis: camera x (right) goes to camera y (down)."""
    return torch.rot90(features, -1, (-2, -1))


@pytest.mark.parametrize("size", [3, 4, 7])
def test_a_quarter_turn_of_the_picture_is_a_rotation_about_the_optical_axis(size):
    lift, features = SpatialLift(8, 4, LMAX, (size, size)).double(), torch.randn(2, 8, size, size).double()
    turn = rotation_z(torch.tensor(math.pi / 2, dtype=torch.float64)).expand(2, 4, 3, 3)
    expected = rotate_s2(lift(features), turn)
    # The lift's tables are float32 numbers.
    assert (lift(quarter_turn(features)) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_pole_on_y_lacks_that_law():
    lift, features = SpatialLift(8, 4, LMAX, (7, 7), axis="y").double(), torch.randn(2, 8, 7, 7).double()
    turn = rotation_z(torch.tensor(math.pi / 2, dtype=torch.float64)).expand(2, 4, 3, 3)
    expected = rotate_s2(lift(features), turn)
    assert (lift(quarter_turn(features)) - expected).abs().max() > 0.1 * expected.abs().max()


def test_what_is_seen_in_a_corner_lands_on_that_side_of_the_facing_hemisphere():
    lift = SpatialLift(1, 1, LMAX, (7, 7))
    torch.nn.init.ones_(lift.projection.weight)
    torch.nn.init.zeros_(lift.projection.bias)
    features = torch.zeros(1, 1, 7, 7)
    features[..., 1, 5] = 1.0  # up and to the right: camera x > 0, y < 0
    points = s2_grid(3).float()
    brightest = points[evaluate_s2(lift(features)[0, 0].expand(len(points), -1), points).argmax()]
    assert brightest[0] > 0.2 and brightest[1] < -0.2 and brightest[2] < 0


def test_a_small_turn_of_the_object_moves_the_visible_surface_as_it_moves_in_the_picture():
    # The frontal point: turning about camera y by t moves it to column -sin t, about x to row sin t.
    front, angle = torch.tensor([0.0, 0.0, -1.0]), torch.tensor(0.1)
    assert torch.allclose(
        picture_position((rotation_y(angle) @ front)[None], "z")[0], torch.tensor([-0.0998, 0.0]), atol=1e-4
    )
    assert torch.allclose(
        picture_position((rotation_x(angle) @ front)[None], "z")[0], torch.tensor([0.0, 0.0998]), atol=1e-4
    )
    assert (hemisphere("z")[:, 2] <= 1e-9).all() and (hemisphere("y")[:, 1] >= -1e-9).all()


@pytest.mark.parametrize("name", MAKERS)
def test_lifts_give_one_signal_per_channel_deterministically_in_eval_mode(name):
    lift, features = MAKERS[name]().eval(), torch.randn(3, 8, 7, 7)
    assert lift(features).shape == (3, 4, s2_size(LMAX))
    assert torch.equal(lift(features), lift(features))


def test_random_points_in_training_agree_with_all_points_on_average():
    lift, features = MAKERS["spatial, random points"](), torch.randn(1, 8, 7, 7)
    with torch.no_grad():
        mean = torch.stack([lift(features) for _ in range(400)]).mean(0)
        assert not torch.equal(lift(features), lift(features))
        exact = lift.eval()(features)
    # One draw is off by about the value itself times sqrt(104 / 20); 400 draws by a tenth of that.
    assert (mean - exact).norm() / exact.norm() < 0.2


@pytest.mark.parametrize("name", MAKERS)
def test_gradients_reach_every_parameter_of_a_lift(name):
    lift = MAKERS[name]()
    lift(torch.randn(3, 8, 7, 7)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in lift.parameters())


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 104 training points, got 105"):
        SpatialLift(8, 4, LMAX, (7, 7), training_points=105)
