"""Product grids of ZYZ angles: half-offset azimuths times Gauss-Legendre polar angles, as fine as asked."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.integration.block_values import Bases
from armillary.distributions.integration.ring_rule import RingRule
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.rings import Rings
from armillary.so3.quadrature import gauss_legendre
from armillary.so3.rotation import from_euler_zyz

CHUNK = 65536  # nodes handled together: bounds the memory, not the result


@lru_cache(maxsize=64)
def _polar(rings: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Legendre angles, weights, and the cosines that part the nodes' cells (each as large as its weight)."""
    beta, weights = gauss_legendre(rings)
    edges = 1 - 2 * torch.cat([weights.new_zeros(1), weights.cumsum(0)])
    return beta, weights, edges.clamp(-1, 1)


@lru_cache(maxsize=64)
def _rule(azimuths: int, lmax: int, dtype: torch.dtype, device: torch.device) -> RingRule:
    beta, weights, _ = _polar(azimuths // 2)
    basis = _azimuth_basis(azimuths, lmax)
    weighted = basis.T * (weights / azimuths**2)[:, None, None]
    return RingRule(
        Rings(lmax, beta, dtype).to(device),
        basis.to(device, dtype),
        basis.T.to(device, dtype).contiguous(),
        weighted.to(device, dtype),
    )


@lru_cache(maxsize=64)
def _bases(azimuths: int, lmax: int, dtype: torch.dtype, device: torch.device) -> Bases:
    polar = fourier_basis(lmax, _polar(azimuths // 2)[0])
    return Bases(polar.to(device, dtype), _azimuth_basis(azimuths, lmax).to(device, dtype))


def _azimuth_basis(azimuths: int, lmax: int) -> Float[Tensor, "azimuths orders"]:
    angle = (torch.arange(azimuths, dtype=torch.float64) + 0.5) * (2 * math.pi / azimuths)
    return fourier_basis(lmax, angle)


@dataclass(frozen=True)
class ProductGrid:
    """An even number of half-offset azimuths x half as many Gauss-Legendre polar angles."""

    azimuths: int

    @property
    def rings(self) -> int:
        """Number of polar angles."""
        return self.azimuths // 2

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.rings * self.azimuths**2

    def rule(self, lmax: int, dtype: torch.dtype, device: torch.device) -> RingRule:
        """The whole grid, as a rule for integrals."""
        return _rule(self.azimuths, lmax, dtype, device)

    def bases(self, lmax: int, dtype: torch.dtype, device: torch.device) -> Bases:
        """Fourier bases of its angles."""
        return _bases(self.azimuths, lmax, dtype, device)

    def log_weights(self, device: torch.device) -> Float[Tensor, " rings"]:
        """Log quadrature weight of the nodes of each ring, in float64; the weights of all nodes sum to 1."""
        return (_polar(self.rings)[1].to(device) / self.azimuths**2).log()

    def index(self, ring: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
        """Flat number of a node."""
        return (ring * self.azimuths + alpha) * self.azimuths + gamma

    def place(self, node: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(ring, alpha, gamma) of flat numbers."""
        return node // self.azimuths**2, node // self.azimuths % self.azimuths, node % self.azimuths


@dataclass(frozen=True)
class ProductNodes:
    """Some nodes of a product grid, by their flat numbers."""

    grid: ProductGrid
    node: Int[Tensor, " nodes"]

    def expectation(
        self, owner: Int[Tensor, " nodes"], probability: Float[Tensor, " nodes"], densities: int, lmax: int
    ) -> Float[Tensor, "{densities} modes"]:
        """Sum of ``probability * sqrt(2l+1) D^l_mn`` over the nodes of each density."""
        rule = self.grid.rule(lmax, probability.dtype, probability.device)
        rings, basis = rule.rings, rule.first
        size, azimuths = 2 * lmax + 1, self.grid.azimuths
        spectra = probability.new_zeros(densities * self.grid.rings, size * size)
        # A column (density, ring, alpha) is summed over gamma first.
        column = (owner * self.grid.rings) * azimuths + self.node // azimuths
        columns, place = torch.unique(column, return_inverse=True)
        series = probability.new_zeros(len(columns), size)
        for part in torch.arange(len(self.node), device=self.node.device).split(CHUNK):
            series.index_add_(0, place[part], basis[self.node[part] % azimuths] * probability[part, None])
        for part in torch.arange(len(columns), device=self.node.device).split(CHUNK):
            outer = basis[columns[part] % azimuths][:, :, None] * series[part][:, None, :]
            spectra.index_add_(0, columns[part] // azimuths, outer.flatten(1))
        return rings.coeffs(spectra.reshape(densities, self.grid.rings, size, size))

    def log_weights(self) -> Float[Tensor, " nodes"]:
        """Log quadrature weight of each, in float64."""
        return self.grid.log_weights(self.node.device)[self.node // self.grid.azimuths**2]

    def rotations(self, which: Int[Tensor, " k"]) -> Float[Tensor, "k 3 3"]:
        """The rotation of chosen nodes, in float64."""
        ring, alpha, gamma = self.grid.place(self.node[which])
        beta = _polar(self.grid.rings)[0].to(ring.device)[ring]
        step = 2 * math.pi / self.grid.azimuths
        return from_euler_zyz((alpha + 0.5).double() * step, beta, (gamma + 0.5).double() * step)

    def jitter(self, which: Int[Tensor, " k"], uniform: Float[Tensor, "3 k"]) -> Float[Tensor, "k 3 3"]:
        """Points uniform in the cells of chosen nodes, in float64."""
        ring, alpha, gamma = self.grid.place(self.node[which])
        step = 2 * math.pi / self.grid.azimuths
        edges = _polar(self.grid.rings)[2].to(ring.device)
        cosine = edges[ring] + (edges[ring + 1] - edges[ring]) * uniform[1]
        return from_euler_zyz((alpha + uniform[0]) * step, cosine.clamp(-1, 1).acos(), (gamma + uniform[2]) * step)
