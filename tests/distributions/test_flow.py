"""Flows: each layer is a bijection with the stretch it states, and the stack is a density and its sampler."""

import math
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from armillary.distributions import (
    FlowLayer,
    FlowTransform,
    MatrixFisher,
    MoebiusCoupling,
    QuaternionAffine,
    SO3Flow,
    Uniform,
)
from armillary.distributions.families.flow_layers.moebius_coupling import (
    REACH,
    circle_turn,
    turn_about_column,
    undo_turn,
)
from armillary.harmonics import SO3Transform
from armillary.so3 import (
    exp,
    geodesic_distance,
    log,
    matrix_to_quat_wxyz,
    nearest_cell,
    nearest_rotation,
    random_rotations,
    so3_grid,
)

FEATURES = 3


Module = TypeVar("Module", bound=nn.Module)


def shaken(module: Module, scale: float, seed: int = 0) -> Module:
    """The module in float64, its parameters moved away from the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def make_layer(kind: str) -> FlowLayer:
    generator = torch.Generator().manual_seed(7)
    if kind == "affine":
        return shaken(QuaternionAffine(FEATURES, 8, generator=generator), 0.4)
    return shaken(MoebiusCoupling(int(kind[-1]), FEATURES, 8, 4, generator=generator), 0.5)


def make_flow(scale: float = 0.15, layers: int = 3) -> FlowTransform:
    generator = torch.Generator().manual_seed(7)
    return shaken(FlowTransform(layers, FEATURES, hidden=8, centres=4, generator=generator), scale)


def context(*batch: int) -> Tensor:
    return torch.randn(*batch, FEATURES, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


KIND = pytest.mark.parametrize("kind", ["coupling-0", "coupling-1", "coupling-2", "affine"])


@KIND
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_inverse_undoes_forward_and_forward_undoes_inverse(
    kind: str, dtype: torch.dtype, tolerance: float, special_rotations: Tensor, generator: torch.Generator
) -> None:
    layer = make_layer(kind).to(dtype)
    R = torch.cat([special_rotations, random_rotations(500, generator=generator, dtype=torch.float64)]).to(dtype)
    setting = layer.setting(context(len(R)).to(dtype))
    there, _ = layer(R, setting)
    assert geodesic_distance(there, R).max() > 0.5  # not the identity
    # Rounding times the largest stretch, which is below 1e3 for these layers.
    assert (layer.inverse(there, setting) - R).abs().max() < tolerance
    assert (layer(layer.inverse(R, setting), setting)[0] - R).abs().max() < tolerance


@KIND
def test_stretch_is_the_determinant_of_the_tangent_map(
    kind: str, special_rotations: Tensor, generator: torch.Generator
) -> None:
    layer = make_layer(kind)
    R = torch.cat([special_rotations, random_rotations(50, generator=generator, dtype=torch.float64)])
    setting = layer.setting(context(len(R)))
    image, log_stretch = layer(R, setting)

    # Right-invariant coordinates on both sides, in which Haar measure is the volume: R exp(v) -> T(R) exp(u(v)).
    def moved(v: Tensor) -> Tensor:
        return log(image.detach().mT @ layer(R @ exp(v), setting)[0]).sum(0)

    jacobian = torch.autograd.functional.jacobian(moved, torch.zeros(len(R), 3, dtype=torch.float64)).movedim(1, 0)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_stretch, rtol=0, atol=1e-9)
    assert torch.linalg.det(jacobian).min() > 0


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_coupling_keeps_its_column_and_stretches_haar_as_its_circle(column: int, generator: torch.Generator) -> None:
    layer = make_layer(f"coupling-{column}")
    setting = layer.setting(context())
    R = random_rotations(20, generator=generator, dtype=torch.float64)
    image, log_stretch = layer(R, setting)
    assert torch.equal(image[..., column], R[..., column])

    # Given the column, Haar measure is uniform in the angle about it: the stretch is the circle map's derivative.
    def angle(t: Tensor) -> Tensor:
        relative = (
            turn_about_column(image.detach(), torch.zeros_like(t), column).mT
            @ layer(turn_about_column(R, t, column), setting)[0]
        )
        x, y = (column + 1) % 3, (column + 2) % 3
        return torch.atan2(relative[:, y, x], relative[:, x, x])

    t = torch.zeros(20, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(torch.autograd.grad(angle(t).sum(), t)[0].log(), log_stretch, rtol=0, atol=1e-12)


def test_circle_maps_are_moebius_maps_of_the_disk_once_around(generator: torch.Generator) -> None:
    t = torch.linspace(0, 2 * math.pi, 2001, dtype=torch.float64)
    w = torch.complex(torch.tensor(0.3), torch.tensor(-0.8)).to(torch.complex128)
    x = torch.polar(torch.ones_like(t), t)
    along, across = (w * x.conj()).real[:, None], (w * x.conj()).imag[:, None]
    angle, stretch = circle_turn(torch.ones_like(along), along, across)
    expected = (x - w) / (1 - w.conj() * x)
    torch.testing.assert_close(torch.polar(torch.ones_like(t), t + angle), expected, rtol=0, atol=1e-13)
    assert abs(torch.trapezoid(stretch, t) - 2 * math.pi) < 1e-9  # degree one: a bijection


@pytest.mark.parametrize("centres", [1, 5])
def test_circle_maps_are_inverted_to_rounding_at_the_largest_reach(centres: int, generator: torch.Generator) -> None:
    phase = 2 * math.pi * torch.rand(2, 4000, centres, generator=generator, dtype=torch.float64)
    weights = (3 * torch.randn(4000, centres, generator=generator, dtype=torch.float64)).softmax(-1)
    along, across = REACH * phase[0].cos(), REACH * phase[0].sin()
    turn = undo_turn(weights, along, across)
    # Seen from x turned back by the root, the centres turn by the root with the opposite sign.
    w = torch.complex(along, across) * torch.polar(torch.ones_like(turn), turn)[:, None]
    assert (circle_turn(weights, w.real, w.imag)[0] - turn).abs().max() < 1e-13


def test_affine_maps_pull_haar_back_to_the_angular_central_gaussian(generator: torch.Generator) -> None:
    layer = make_layer("affine")
    setting = layer.setting(context())
    R = random_rotations(100, generator=generator, dtype=torch.float64)
    W, q = setting.reshape(4, 4), matrix_to_quat_wxyz(R)
    density = torch.linalg.det(W) * torch.linalg.vector_norm(q @ W.T, dim=-1) ** -4
    torch.testing.assert_close(layer(R, setting)[1].exp(), density)
    # A skew exponent is a turn from the left and one from the right: no stretch.
    exponent = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    rigid = torch.matrix_exp(exponent - exponent.T).flatten()
    image, log_stretch = layer(R, rigid)
    assert log_stretch.abs().max() < 1e-13
    torch.testing.assert_close(geodesic_distance(image[1:], image[:-1]), geodesic_distance(R[1:], R[:-1]))


def test_an_untrained_flow_is_its_base(generator: torch.Generator) -> None:
    R = random_rotations(50, generator=generator)
    assert FlowTransform()().log_prob(R).abs().max() < 1e-5
    flow = make_flow(0.3)
    base = flow(context())
    stacked = FlowTransform(2, generator=generator).double()(base=base)
    torch.testing.assert_close(stacked.log_prob(R.double()), base.log_prob(R.double()), rtol=0, atol=1e-12)


def test_probability_sums_to_one_by_dense_quadrature() -> None:
    transform = SO3Transform(1, rings=32, azimuths=64, dtype=torch.float64)
    for density in (make_flow(0.15)(context()), make_flow(0.12, layers=4)(context())):
        with torch.no_grad():
            p = density.log_prob(transform.points).exp()
        assert p.max() > 20 and p.min() < 0.1
        # Analytic densities: the rule converges exponentially, to 3e-6 with three quarters of the nodes.
        assert abs((p * transform.quadrature).sum() - 1) < 1e-6


def test_any_family_can_be_the_base(generator: torch.Generator) -> None:
    transform = SO3Transform(1, rings=20, azimuths=40, dtype=torch.float64)
    fisher = torch.randn(3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    base = MatrixFisher(fisher)
    untrained = FlowTransform(2, generator=generator).double()(base=base)
    torch.testing.assert_close(untrained.log_prob(transform.points[0]), base.log_prob(transform.points[0]))
    moved = make_flow(0.08)(context(2), base)
    p = moved.log_prob(transform.points[..., None, :, :]).exp()
    total = (p * transform.quadrature[..., None]).sum((0, 1, 2))
    assert (total - 1).abs().max() < 1e-6
    # It stays one whatever the base's parameters: the gradient of the integral is zero.
    assert torch.autograd.grad(total[0], fisher)[0].abs().max() < 1e-6
    draws = moved.sample((3000,), generator=generator)
    values = moved.log_prob(draws).detach()
    assert ((values.mean(0) + moved.entropy()).abs() < 5 * values.std(0) / math.sqrt(3000) + 1e-3).all()


def test_a_batch_answers_as_its_members(generator: torch.Generator) -> None:
    transform, features = make_flow(0.1, layers=2), context(2)
    turns = random_rotations(2, generator=generator, dtype=torch.float64)
    batch = transform(features).rotate(turns)
    for row in range(2):
        single = transform(features[row]).rotate(turns[row])
        R = random_rotations(5, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(batch.log_prob(R[:, None])[:, row], single.log_prob(R))
        # Found on trees that look for different peaks, each to its tolerance.
        assert abs(batch.entropy()[row] - single.entropy()) < 5e-3
        assert geodesic_distance(batch.mean[row], single.mean) < 0.02
        # Newton steps on differences of values, with 1e-5 radians as the finest step.
        assert geodesic_distance(batch.mode[row], single.mode) < 1e-5
        draws = single.sample((5000,), generator=generator)
        assert geodesic_distance(nearest_rotation(draws.mean(0)), single.mean) < 0.1  # 5000 draws: 0.01 over the gap


def test_samples_follow_the_density(generator: torch.Generator) -> None:
    count, density = 20000, make_flow(0.2)(context())
    drawn = torch.bincount(nearest_cell(density.sample((count,), generator=generator), 0), minlength=72)
    grid = so3_grid(3, dtype=torch.float64)  # about 512 points of equal measure in each cell
    with torch.no_grad():
        share = torch.zeros(72).double().index_add(0, nearest_cell(grid, 0), density.log_prob(grid).exp())
    expected = count * share / share.sum()
    chi_square = ((drawn - expected) ** 2 / expected).sum()
    # 71 degrees of freedom: mean 71, deviation 12; the grid's points on the borders of cells add less than 10.
    assert chi_square < 71 + 5 * 12


class LogProb(nn.Module):
    """What gradcheck sees: log_prob (or the image of fixed base points) as a function of everything."""

    def __init__(self, flow: FlowTransform, images: bool) -> None:
        super().__init__()
        self.flow, self.images = flow, images

    def forward(self, tangent: Tensor, features: Tensor, turn: Tensor, R: Tensor) -> Tensor:
        density = self.flow(features).rotate(exp(turn))
        if self.images:
            return density.rsample((2,), generator=torch.Generator().manual_seed(0))[..., :2]
        return density.log_prob(R @ exp(tangent))


@pytest.mark.parametrize("images", [False, True])
def test_gradients_in_parameters_context_turn_and_rotation(images: bool, special_rotations: Tensor) -> None:
    module = LogProb(shaken(FlowTransform(2, FEATURES, hidden=2, centres=2), 0.3), images)
    names = [name for name, _ in module.named_parameters()]
    R = special_rotations[::9]
    inputs = (0.01 * torch.randn(len(R), 3), context(len(R)), torch.randn(3), *module.parameters())

    def call(tangent: Tensor, features: Tensor, turn: Tensor, *parameters: Tensor) -> Tensor:
        state = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(module, state, (tangent, features, turn, R))

    leaves = [value.detach().double().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(call, leaves, fast_mode=True)


def test_gradients_in_the_rotation_at_special_rotations(special_rotations: Tensor) -> None:
    density = make_flow(0.3)(context())
    tangent = torch.zeros(len(special_rotations), 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: density.log_prob(special_rotations @ exp(v)), tangent, fast_mode=True)


def two_peaks(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Samples of two peaks 10 degrees wide, and minus their entropy: the mean of their log density."""
    sigma = math.pi / 18
    centres = exp(torch.tensor([[2.0, 0.0, 0.0], [0.0, -2.0, 0.5]]))
    R = centres[torch.randint(2, (count,), generator=generator)] @ exp(
        sigma * torch.randn(count, 3, generator=generator)
    )
    angle = geodesic_distance(centres[:, None], R).double().clamp(min=1e-6)
    # Normal in the tangent space, whose Haar measure is (2 sin(angle / 2) / angle)^2 dw / 8 pi^2.
    haar = 2 * (2 * (angle / 2).sin() / angle).log() - math.log(8 * math.pi**2)
    normal = -((angle / sigma) ** 2) / 2 - 1.5 * math.log(2 * math.pi * sigma**2)
    return R, ((normal - haar).logsumexp(0) - math.log(2)).mean()


def test_training_finds_two_peaks(generator: torch.Generator) -> None:
    flow = FlowTransform(3, hidden=32, centres=8, generator=generator)
    optimiser = torch.optim.Adam(flow.parameters(), 2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 150)
    for _ in range(150):
        loss = -flow().log_prob(two_peaks(128, generator)[0]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    R, best = two_peaks(10000, generator)
    with torch.no_grad():
        reached = flow().log_prob(R).mean()
    assert best > 4.5  # nats above uniform
    assert reached > best - 0.4
    # The maps of one coupling start with equal centres and must part.
    first = flow.stack[0]
    assert isinstance(first, MoebiusCoupling)
    assert first.to_centres.bias.detach().reshape(3, 8).std(1).min() > 0.01


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_shapes_follow_the_context(batch: tuple[int, ...], generator: torch.Generator) -> None:
    density = make_flow().float()(context(*batch).float())
    assert density.batch_shape == batch and density.event_shape == (3, 3)
    sample = density.sample((5, 2), generator=generator)
    assert sample.shape == (5, 2, *batch, 3, 3) and sample.dtype == torch.float32
    assert density.log_prob(sample).shape == (5, 2, *batch)
    turns = random_rotations(4, *batch, generator=generator)
    turned = density.rotate(turns)
    assert turned.batch_shape == (4, *batch)
    # float32 through three layers.
    torch.testing.assert_close(
        turned.log_prob(turns @ sample[0, 0]), density.log_prob(sample[0, 0]).expand(4, *batch), rtol=0, atol=1e-3
    )
    torch.testing.assert_close(density.expand((4, *batch)).log_prob(sample[0, 0])[2], density.log_prob(sample[0, 0]))


def test_turns_compose_from_the_left(generator: torch.Generator) -> None:
    density = make_flow()(context())
    first, second = random_rotations(2, generator=generator, dtype=torch.float64)
    R = random_rotations(9, generator=generator, dtype=torch.float64)
    both = density.rotate(first).rotate(second)
    torch.testing.assert_close(both.log_prob(second @ first @ R), density.log_prob(R), rtol=0, atol=1e-12)


def test_the_start_repeats_with_its_generator() -> None:
    first, second = (FlowTransform(2, 3, generator=torch.Generator().manual_seed(4)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="expected a context of 3 features, got 5"):
        make_flow()(torch.zeros(5, dtype=torch.float64)).log_prob(torch.eye(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="expected a context of 3 features, got 0"):
        make_flow()().sample()
    with pytest.raises(ValueError, match="expected rotations of torch.float64, got torch.float32"):
        make_flow()(context()).log_prob(torch.eye(3))
    with pytest.raises(ValueError, match="at least one layer"):
        SO3Flow(Uniform(), [])
    with pytest.raises(ValueError, match="at least one layer"):
        FlowTransform(0)
    with pytest.raises(ValueError, match="column 0, 1 or 2"):
        MoebiusCoupling(3)
