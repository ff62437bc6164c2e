r"""How an object turns between two frames, with uncertainty to first order in the tangent space.

A hypothesis is a rotation and a rate, both uncertain: :math:`R=\exp(\xi)\hat R`, rate :math:`=\hat u+\nu`, with
:math:`(\xi,\nu)` Gaussian. :math:`\xi` is a rotation vector in camera axes, so :math:`\hat R` and :math:`\hat Rg` of a
symmetric object move in the same way, and prediction commutes with every symmetry.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import exp


class Step(NamedTuple):
    """Where hypotheses are a while later.

    Attributes:
        rotation: The mean rotations.
        transition: What takes the error (xi, nu) before to the error after.
        noise: Covariance of what comes in between.
    """

    rotation: Float[Tensor, "k 3 3"]
    transition: Float[Tensor, "k 6 6"]
    noise: Float[Tensor, "6 6"]


@runtime_checkable
class Motion(Protocol):
    """A model of motion; what ``rate`` means is its own affair."""

    @property
    def spread(self) -> float:
        """Standard deviation of each component of the rate of a hypothesis of which nothing is known yet."""
        ...

    def step(
        self,
        rotation: Float[Tensor, "k 3 3"],
        rate: Float[Tensor, "k 3"],
        seconds: float,
        reading: Float[Tensor, "3"] | None,
    ) -> Step:
        """Move on by some seconds; ``reading`` is the measured angular velocity of a model that wants one."""
        ...


@dataclass(frozen=True)
class ConstantVelocity:
    r"""The angular velocity in camera axes is estimated; it is constant but for a random walk.

    .. math:: R(t+s)=\exp(s\,u)R(t)\,dW_\sigma, \qquad du=q\,dW

    A body that tumbles freely changes its angular velocity by up to its square a second: 30 degrees/s by 16 degrees/s.

    Example:
        >>> turn = torch.tensor([[0.0, 0.0, torch.pi / 2]]).double()
        >>> ConstantVelocity().step(torch.eye(3).double()[None], turn, 1.0, None).rotation[0, :, 0].round().abs()
        tensor([0., 1., 0.], dtype=torch.float64)
    """

    # q: random walk of the angular velocity, in radians/s per square root of a second.
    acceleration: float = 0.1

    # sigma: random walk of the rotation itself, in radians per square root of a second.
    diffusion: float = 0.0

    # Of the angular velocity about each axis before anything is known, in radians/s.
    spread: float = 0.5

    def __post_init__(self) -> None:
        _require_nonnegative(acceleration=self.acceleration, diffusion=self.diffusion, spread=self.spread)

    def step(
        self,
        rotation: Float[Tensor, "k 3 3"],
        rate: Float[Tensor, "k 3"],
        seconds: float,
        reading: Float[Tensor, "3"] | None,
    ) -> Step:
        """Turn by the estimated velocity."""
        if reading is not None:
            raise ValueError("expected no angular velocity, got one; use MeasuredVelocity to be told it")
        turn = exp(seconds * rate)
        transition = _transition(turn, seconds * left_jacobian(seconds * rate))
        return Step(turn @ rotation, transition, _noise(seconds, self.diffusion, self.acceleration, 1.0))


@dataclass(frozen=True)
class MeasuredVelocity:
    r"""The angular velocity of the object relative to the camera is told: exactly, or by a gyroscope with a bias.

    .. math:: R(t+s)=\exp(s\,(m-u))\,R(t) \quad\text{or}\quad R(t)\exp(s\,(m-u)), \qquad du=q\,dW

    u is the bias, estimated with the rotation. In object axes a reading tells the equivalents of a symmetric object
    apart, because they have different axes.

    Example:
        >>> known, spin = MeasuredVelocity(), torch.tensor([0.0, 0.0, torch.pi]).double()
        >>> start = torch.eye(3).double()[None]
        >>> known.step(start, torch.zeros(1, 3).double(), 1.0, spin).rotation[0].diagonal().round()
        tensor([-1., -1.,  1.], dtype=torch.float64)
    """

    # Axes of the readings: those of the camera, or those of the object.
    axes: Literal["camera", "object"] = "camera"

    # Angular random walk of the readings, in radians per square root of a second.
    diffusion: float = 0.0

    # Of the bias about each axis at the beginning, in radians/s; 0: there is none.
    spread: float = 0.0

    # q: random walk of the bias, in radians/s per square root of a second.
    drift: float = 0.0

    def __post_init__(self) -> None:
        _require_nonnegative(diffusion=self.diffusion, spread=self.spread, drift=self.drift)
        if self.axes not in ("camera", "object"):
            raise ValueError(f"expected readings in axes of the camera or the object, got {self.axes!r}; see axes")

    def step(
        self,
        rotation: Float[Tensor, "k 3 3"],
        rate: Float[Tensor, "k 3"],
        seconds: float,
        reading: Float[Tensor, "3"] | None,
    ) -> Step:
        """Turn by the reading without the bias."""
        if reading is None:
            raise ValueError("expected the angular velocity since the last frame, got none; see ConstantVelocity")
        turned = seconds * (reading.to(rate) - rate)
        if self.axes == "camera":
            turn = exp(turned)
            transition = _transition(turn, -seconds * left_jacobian(turned))
            moved = turn @ rotation
        else:
            still = torch.eye(3, dtype=rate.dtype, device=rate.device).expand_as(rotation)
            transition = _transition(still, -seconds * rotation @ left_jacobian(turned))
            moved = rotation @ exp(turned)
        return Step(moved, transition, _noise(seconds, self.diffusion, self.drift, -1.0))


def left_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""J with :math:`\exp(v+\delta)\approx\exp(J\delta)\exp(v)`.

    .. math:: J = I + \frac{1-\cos\theta}{\theta^2}K + \frac{\theta-\sin\theta}{\theta^3}K^2

    Reference: A micro Lie theory for state estimation in robotics (Solà et al., 2018), eq. 145,
        https://arxiv.org/abs/1812.01537

    Example:
        >>> left_jacobian(torch.zeros(3)).diagonal()
        tensor([1., 1., 1.])
    """
    x, y, z = rotvec.unbind(-1)
    zero = torch.zeros_like(x)
    K = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    theta = torch.linalg.vector_norm(rotvec, dim=-1)[..., None, None]
    small = theta < 1e-2  # the series is exact to 1e-13 there, the quotient is not
    wide = torch.where(small, 1.0, theta)
    second = torch.where(small, 1 / 6 - theta.square() / 120, (wide - wide.sin()) / wide**3)
    first = torch.sinc(theta / (2 * torch.pi)).square() / 2
    return torch.eye(3, dtype=K.dtype, device=K.device) + first * K + second * K @ K


def _transition(turn: Float[Tensor, "k 3 3"], gain: Float[Tensor, "k 3 3"]) -> Float[Tensor, "k 6 6"]:
    """The error of the rotation turns along and gets ``gain`` times the error of the rate."""
    matrix = torch.eye(6, dtype=turn.dtype, device=turn.device).repeat(len(turn), 1, 1)
    matrix[:, :3, :3], matrix[:, :3, 3:] = turn, gain
    return matrix


def _noise(seconds: float, diffusion: float, walk: float, sign: float) -> Float[Tensor, "6 6"]:
    """Covariance of Brownian motion of the rotation and of a rate that is integrated with a sign."""
    mixed = sign * walk**2 * seconds**2 / 2
    block = [[diffusion**2 * seconds + walk**2 * seconds**3 / 3, mixed], [mixed, walk**2 * seconds]]
    return torch.kron(torch.tensor(block, dtype=torch.float64), torch.eye(3, dtype=torch.float64))


def _require_nonnegative(**named: float) -> None:
    for name, value in named.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"expected {name} of zero or more, got {value}; it is a standard deviation")
