"""Laws of the sphere's losses and head: 0 at a perfect fit, exact gradients, no jump at half-turns, own last layers."""

import pytest
import torch
from torch.autograd.functional import jacobian

from armillary.nn.signs import SignTable
from armillary.nn.sphere_head import SphereHead
from armillary.nn.sphere_loss import cosine_loss, sign_closeness, squares_divergence
from armillary.nn.sphere_prediction import SPHERE_KINDS, SpherePrediction
from armillary.nn.spherical_exponential import log_spherical_exponential, spherical_exponential
from armillary.so3 import geodesic_distance, quat_wxyz_to_matrix

QUATERNIONS = SignTable.quaternions()


def quaternions(count: int) -> torch.Tensor:
    q = torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q[:, 0].abs_()
    return torch.nn.functional.normalize(q, dim=-1)


def perfect(q: torch.Tensor, kind: str) -> SpherePrediction:
    """The prediction of outputs that fit: logarithms of magnitudes, certain signs."""
    if kind != "exp":
        return SpherePrediction(q, None, kind, QUATERNIONS)
    logits = 100.0 * torch.nn.functional.one_hot(QUATERNIONS.label(q), 8).to(q.dtype)
    return SpherePrediction(q.abs().log(), logits, kind, QUATERNIONS)


@pytest.mark.parametrize("kind", SPHERE_KINDS)
@pytest.mark.parametrize("options", [{}, {"regression": "squares"}, {"width": 0.2}, {"width": 0.2, "antipodal": True}])
def test_a_perfect_fit_has_no_loss_and_is_read_back(kind, options):
    q = quaternions(1000)
    prediction = perfect(q, kind)
    assert prediction.loss(q, **options).abs().max() < 1e-12
    assert (prediction.point() - q).abs().max() < 1e-14
    assert (prediction.expected_point() - q).abs().max() < 1e-12


def test_the_losses_have_the_papers_gradients():
    for y, o in zip(quaternions(10), 2 * quaternions(20)[10:].abs().log(), strict=True):
        p = spherical_exponential(o)
        squares = jacobian(lambda o, y=y: squares_divergence(log_spherical_exponential(o), y), o)
        assert (squares - 2 * (p.square() - y.square())).abs().max() < 1e-10
        cosine = jacobian(lambda o, y=y: cosine_loss(spherical_exponential(o), y.abs()), o)
        c = (p * y.abs()).sum()
        assert (cosine - p * (p * c - y.abs())).abs().max() < 1e-10
        # Supremum 0.55 for four coordinates, found by search.
        assert cosine.norm() < 0.56


@pytest.mark.parametrize("y", [[1.0, 0.0, 0.0, 0.0], [0.6, 0.0, -0.8, 0.0]])
@pytest.mark.parametrize("kind", SPHERE_KINDS)
def test_gradients_are_finite_at_extreme_outputs_and_at_truths_with_zeros(y, kind):
    for size in (0.0, 1.0, 100.0, 1e4):
        o = (size * torch.tensor([[1.0, -1.0, 0.5, -1.0]])).requires_grad_()
        signs = (size * torch.linspace(-1, 1, 8)[None]).requires_grad_()
        for regression in ("cosine", "squares"):
            for width in (0.0, 0.2):
                prediction = SpherePrediction(o, signs if kind == "exp" else None, kind, QUATERNIONS)
                loss = prediction.loss(torch.tensor([y]), regression, width, antipodal=width > 0).sum()
                (gradient,) = torch.autograd.grad(loss, o)
                assert loss.isfinite() and gradient.isfinite().all()


@pytest.mark.parametrize("kind", SPHERE_KINDS)
def test_the_antipodal_loss_is_a_function_of_the_rotation_without_a_jump_at_half_turns(kind):
    """Across a scalar part of 0 the quaternion is replaced by its negative: all other signs change at once."""
    generator = torch.Generator().manual_seed(2)
    o, logits = (2 * torch.randn(1, n, generator=generator, dtype=torch.float64) for n in (4, 8))
    prediction = SpherePrediction(o, logits if kind == "exp" else None, kind, QUATERNIONS)
    axis = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.7]], dtype=torch.float64), dim=-1)
    scalar = 1e-9
    before = torch.cat([torch.full((1, 1), scalar), axis], -1).double()
    after = torch.cat([torch.full((1, 1), scalar), -axis], -1).double()
    options = {"width": 0.2, "antipodal": True}
    # The two are 4e-9 apart, and the gradient is of order 10.
    assert (prediction.loss(before, **options) - prediction.loss(after, **options)).abs() < 1e-6
    assert (prediction.loss(before) - prediction.loss(after)).abs() > 0.1, "the original's loss jumps"
    q = quaternions(100)
    wide = SpherePrediction(o.expand(100, -1), None if kind != "exp" else logits.expand(100, -1), kind, QUATERNIONS)
    assert (wide.loss(q, **options) - wide.loss(-q, **options)).abs().max() < 1e-12


def test_closeness_is_of_the_angle_between_rotations():
    q = quaternions(200)
    q[:50, 0] = 0.01
    q = torch.nn.functional.normalize(q, dim=-1)
    others = q.abs()[:, None] * QUATERNIONS.vectors(q)
    angle = geodesic_distance(quat_wxyz_to_matrix(others), quat_wxyz_to_matrix(q)[:, None])
    closeness = sign_closeness(q, QUATERNIONS, 0.3, antipodal=True)
    # Angles below 1e-7 are lost in a cosine.
    assert (closeness - (-(angle / 0.3).square() / 2).exp()).abs().max() < 1e-6
    assert (closeness.take_along_dim(QUATERNIONS.label(q)[:, None], 1) > 1 - 1e-6).all()


def test_the_near_sign_loss_is_the_cross_entropy_far_from_the_borders():
    q = quaternions(2000)
    q = q[q.abs().amin(-1) > 0.25]
    assert len(q) > 50
    logits = torch.randn(len(q), 8, dtype=torch.float64)
    prediction = SpherePrediction(q.abs().log(), logits, "exp", QUATERNIONS)
    # The nearest wrong signs are 4 asin(0.25) = 1.01 rad away, five widths: e^-12.8 for each of seven.
    assert (prediction.loss(q, width=0.2, antipodal=True) - prediction.loss(q)).abs().max() < 1e-3


@pytest.mark.parametrize("kind", SPHERE_KINDS)
def test_each_category_has_a_last_layer_of_its_own(kind):
    head, category = SphereHead(16, QUATERNIONS, kind, categories=3, hidden=8), torch.tensor([2, 0, 2, 1])
    features = torch.rand(4, 16)
    together = head(features, category)
    assert head.last.out_features == 3 * head.outputs
    rows = head.last.weight.reshape(3, head.outputs, 8), head.last.bias.reshape(3, head.outputs)
    for i, c in enumerate(category):
        alone = rows[0][c] @ head.hidden(features[i]) + rows[1][c]
        assert torch.allclose(together.output[i], alone[:4], atol=1e-6)
    together.loss(quaternions(4).float()).sum().backward()
    assert (head.last.weight.grad.reshape(3, -1).abs().sum(1) > 0).all()
    assert not torch.equal(head(features, category).output, head(features, (category + 1) % 3).output)


def test_a_head_without_categories_or_hidden_layer():
    head = SphereHead(16, SignTable.angles(), hidden=0)
    assert head(torch.rand(4, 16)).point().shape == (4, 2)
    assert sum(p.numel() for p in head.parameters()) == 17 * 6


def test_no_step_however_large_kills_the_hidden_layer():
    """A step of Adam moves all weights the same way; on many positive features every unit goes below 0 at once."""
    for normalise in (True, False):
        torch.manual_seed(0)
        head, features = SphereHead(4096, QUATERNIONS, normalise=normalise), torch.rand(8, 4096)
        with torch.no_grad():
            head.hidden[0].weight -= 2e-3
        active = head.hidden(features) > 0
        # Normalised rows have mean 0 and spread 1: of 512 units some hundred are above 0 for each of them.
        assert bool((active.sum(1) > 100).all()) == normalise
        assert bool(active.any()) == normalise


def test_missing_and_unknown_categories_are_named():
    head = SphereHead(16, QUATERNIONS, categories=3)
    with pytest.raises(ValueError, match="expected the category of each row .*, got None"):
        head(torch.rand(2, 16))
    with pytest.raises(ValueError, match="expected categories from 0 to 2, got 0 to 3"):
        head(torch.rand(2, 16), torch.tensor([0, 3]))


def test_a_kind_without_its_signs_is_refused():
    for kind, signs in (("exp", None), ("flat", torch.zeros(2, 8))):
        with pytest.raises(ValueError, match="expected kind exp with sign logits"):
            SpherePrediction(torch.zeros(2, 4), signs, kind, QUATERNIONS)


def test_maps_with_channels_first_have_the_same_loss():
    table = SignTable.normals()
    truth = torch.nn.functional.normalize(torch.randn(2, 3, 4, 5, dtype=torch.float64), dim=1)
    output, logits = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randn(2, 4, 4, 5, dtype=torch.float64)
    maps = SpherePrediction(output, logits, "exp", table, dim=1)
    last = SpherePrediction(output.movedim(1, -1), logits.movedim(1, -1), "exp", table)
    for options in ({}, {"regression": "squares"}, {"width": 0.2}):
        difference = maps.loss(truth, **options) - last.loss(truth.movedim(1, -1), **options)
        assert difference.shape == (2, 4, 5) and difference.abs().max() < 1e-13
    assert (maps.point() - last.point().movedim(-1, 1)).abs().max() < 1e-15
