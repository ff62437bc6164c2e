r"""How sharp band-limited log-densities are: the bounds that choose a grid and say what it may leave out.

Let f be band-limited of degree l with range 2A. Along every geodesic it is a trigonometric polynomial of degree l, so
:math:`|f^{(2k)}|\le l^{2k}A` (Bernstein). Let M bound its downward second derivative. Then, however sharp f is,

* aliasing: if Re f grows by at most G on a strip of half-width :math:`\eta` about the real axis, N equispaced nodes
  integrate e^f along each angle with relative error :math:`2e^{-(N\eta-G)}`; G is measured, or with
  :math:`y=l\eta` at most :math:`A(\cosh y-1)`;
* ceiling: :math:`\sqrt{F-f}` is Lipschitz with constant :math:`\sqrt{M/2}` for every :math:`F\ge\max f` (because
  :math:`|\nabla f|^2\le2M(F-f)`), so one value bounds f in a ball about it;
* summit: within r of a maximum f is at least :math:`\max f-Mr^2/2`, so the values on a grid bound the maximum;
* mass: :math:`Z\ge e^{\max f}(2\pi/M)^{3/2}/16\pi^2` for :math:`M\ge1`, and :math:`Z\ge e^{\min f}`.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.integration.torus import torus_series
from armillary.harmonics.constant import constant
from armillary.harmonics.curvature import MARGIN, NODES, downward_curvature, hessian_grid
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.rings import Rings

FITS = 3  # of the growth at most
ROUNDING = 8  # units in the last place of the largest |f|, that values on a grid may be wrong by
FEWEST = 1e-9  # curvature of what is constant


class CoarseGrid(NamedTuple):
    """Blocks of equal angles, eight to a wavelength in each; their centres are half-offset."""

    azimuths: int
    rings: Rings
    basis: Float[Tensor, "azimuths orders"]


class Sharpness(NamedTuple):
    """Bounds of each density, in float64."""

    summit: Float[Tensor, " densities"]  # a value that f takes
    ceiling: Float[Tensor, " densities"]  # f is nowhere above
    amplitude: Float[Tensor, " densities"]  # A
    curvature: Float[Tensor, " densities"]  # M
    log_floor: Float[Tensor, " densities"]  # log Z is above

    @property
    def size(self) -> Float[Tensor, " densities"]:
        """A bound of the absolute value of f, what rounding is relative to."""
        return torch.maximum(self.ceiling.abs(), (self.ceiling - 2 * self.amplitude).abs())

    def of(self, which: Int[Tensor, " some"]) -> "Sharpness":
        """The bounds of some of the densities."""
        return Sharpness(*(bound[which] for bound in self))

    def ceilings(
        self, height: Float[Tensor, " points"], radius: Float[Tensor, " points"], owner: Int[Tensor, " points"]
    ) -> Float[Tensor, " points"]:
        """What f cannot exceed within a radius of points of known height."""
        depth, reach = self.ceiling[owner] - height, radius * (self.curvature[owner] / 2).sqrt()
        return self.ceiling[owner] - (depth.clamp(min=0).sqrt() - reach).clamp(min=0).square()

    def with_values(
        self, height: Float[Tensor, " points"], radius: Float[Tensor, " points"], owner: Int[Tensor, " points"]
    ) -> "Sharpness":
        """Closer bounds, from the heights of points within whose radii the maxima lie."""
        bulge = height + self.curvature[owner] * radius.square() / 2
        nothing = torch.full_like(self.ceiling, -torch.inf)
        summit = self.summit.scatter_reduce(0, owner, height.double(), "amax")
        return self._replace(
            summit=summit,
            ceiling=torch.minimum(self.ceiling, nothing.scatter_reduce(0, owner, bulge, "amax")),
            log_floor=torch.maximum(self.log_floor, _log_peak_mass(summit, self.curvature)),
        )


def block_geometry(azimuths: int, device: torch.device) -> tuple[Float[Tensor, " rings"], Float[Tensor, " rings"]]:
    """Radius and log volume of blocks of equal angles, pi / azimuths to each side of their centres, ring by ring.

    The length of an arc is at most ``sqrt(a^2 + b^2 + c^2 + 2 |a c cos(beta)|)`` for changes a, b, c of the angles.
    """
    half = math.pi / azimuths
    beta = (torch.arange(azimuths // 2, dtype=torch.float64, device=device) + 0.5) * (2 * half)
    nearest_pole = torch.minimum(beta, math.pi - beta) - half
    return half * (3 + 2 * nearest_pole.cos()).sqrt(), (beta.sin() * math.sin(half) / azimuths**2).log()


@constant
def coarse_grid(lmax: int, dtype: torch.dtype, device: torch.device) -> CoarseGrid:
    """The grid that every density is first looked at on."""
    azimuths = 8 * max(lmax, 1)
    step = 2 * math.pi / azimuths
    angle = (torch.arange(azimuths, dtype=torch.float64) + 0.5) * step
    rings = Rings(lmax, angle[: azimuths // 2], dtype).to(device)
    return CoarseGrid(azimuths, rings, fourier_basis(lmax, angle).to(device, dtype))


def measure(values: Float[Tensor, "batch rings azimuths azimuths"], lmax: int) -> Sharpness:
    """What the values on the coarse grid prove; M is the Bernstein bound l^2 A."""
    highest, lowest = values.amax((1, 2, 3)).double(), values.amin((1, 2, 3)).double()
    slack = ROUNDING * torch.finfo(values.dtype).eps * torch.maximum(highest.abs(), lowest.abs())
    # A polynomial of degree l sampled at 8 l points is at most 1 / cos(pi / 8) above its samples; three angles.
    middle, amplitude = (highest + lowest) / 2, (highest - lowest) / 2 / math.cos(math.pi / 8) ** 3 + slack
    curvature = (lmax**2 * amplitude).clamp(min=FEWEST)
    return Sharpness(highest - slack, middle + amplitude, amplitude, curvature, middle - amplitude)


def sharpen(
    bounds: Sharpness, coeffs: Float[Tensor, "batch modes"], values: Float[Tensor, "batch rings azimuths azimuths"]
) -> Sharpness:
    """The same bounds, closer by the measured curvature."""
    curvature = torch.minimum(bounds.curvature, MARGIN * downward_curvature(coeffs).double()).clamp(min=FEWEST)
    radius, _ = block_geometry(values.shape[-1], values.device)
    slack = ROUNDING * torch.finfo(values.dtype).eps * bounds.size
    bulge = (values.amax((2, 3)) + curvature[:, None] * radius.square() / 2).amax(1) + slack
    ceiling, bottom = torch.minimum(bulge, bounds.ceiling), bounds.ceiling - 2 * bounds.amplitude
    log_floor = torch.maximum(_log_peak_mass(bounds.summit, curvature), bounds.log_floor)
    return Sharpness(bounds.summit, ceiling, (ceiling - bottom) / 2, curvature, log_floor)


def _log_peak_mass(
    summit: Float[Tensor, " densities"], curvature: Float[Tensor, " densities"]
) -> Float[Tensor, " densities"]:
    """What a peak of a height and a curvature holds at least: half of the integral in the tangent space."""
    return summit + 1.5 * (2 * math.pi / curvature.clamp(min=1)).log() - math.log(16 * math.pi**2)


def fewest_azimuths(
    coeffs: Float[Tensor, "densities modes"], bounds: Sharpness, exponent: float
) -> Int[Tensor, " densities"]:
    """Equispaced nodes an angle whose aliasing is below ``2 exp(-exponent)``.

    The growth is measured on the strip that is the best for a model of it, which is fitted until it predicts it.
    """
    lmax = so3_lmax(coeffs.shape[-1])
    y = 0.002 * 1.1 ** torch.arange(96, dtype=torch.float64, device=coeffs.device)
    strip, scale = y / max(lmax, 1), 0.5 * bounds.amplitude + FEWEST
    fewest = ((exponent + bounds.amplitude[:, None] * (y.cosh() - 1)) / strip).amin(1)
    for _ in range(FITS):
        model = scale[:, None] * ((0.85 * y).cosh() - 1)
        best = ((exponent + model) / strip).argmin(1)
        growth = MARGIN * strip_growth(coeffs, strip[best])
        fewest = torch.minimum(fewest, (exponent + growth) / strip[best])
        wrong = growth / model.gather(1, best[:, None])[:, 0]
        if bool(((wrong > 0.4) & (wrong < 2)).all()):
            break
        scale = scale * wrong.clamp(min=FEWEST)
    return fewest.ceil().long().clamp(min=2 * lmax + 2)


def strip_growth(
    coeffs: Float[Tensor, "densities modes"], strip: Float[Tensor, " densities"]
) -> Float[Tensor, " densities"]:
    """How much Re f grows from the real axis to the edge of a strip, along any of the three angles, at the nodes."""
    series = torus_series(coeffs)
    order = (torch.arange(series.shape[-1], device=coeffs.device) - series.shape[-1] // 2).abs()
    gain = ((order * strip[:, None]).cosh() - 1).to(series)
    along = [gain[:, :, None, None], gain[:, None, :, None], gain[:, None, None, :]]
    grown = torch.stack([series * factor for factor in along], 1)
    basis = hessian_grid(so3_lmax(coeffs.shape[-1]), coeffs.dtype, coeffs.device)[1]
    rings = (basis[: len(basis) // 2] @ grown.flatten(3)).unflatten(3, series.shape[2:])
    most = [((basis @ part) @ basis.T).amax((1, 2, 3, 4)) for part in rings.split(max(1, NODES // len(basis) ** 3))]
    return torch.cat(most).double()
