"""The nodes of a product grid that carry the mass of some densities.

Everything a distribution is asked is a sum over them.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.rings import Rings
from armillary.harmonics.wigner import evaluate_so3
from armillary.so3.quadrature import gauss_legendre
from armillary.so3.rotation import from_euler_zyz

CHUNK = 65536  # nodes or draws handled together: bounds the memory, not the result
SCOUTS = 64  # points of each density that only teach the sampler its bound


@lru_cache(maxsize=64)
def _polar(rings: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Legendre angles, weights, and the cosines that part the nodes' cells (each as large as its weight)."""
    beta, weights = gauss_legendre(rings)
    edges = 1 - 2 * torch.cat([weights.new_zeros(1), weights.cumsum(0)])
    return beta, weights, edges.clamp(-1, 1)


@lru_cache(maxsize=64)
def _tables(azimuths: int, lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Rings, Tensor]:
    angle = (torch.arange(azimuths, dtype=torch.float64) + 0.5) * (2 * math.pi / azimuths)
    rings = Rings(lmax, _polar(azimuths // 2)[0], dtype).to(device)
    return rings, fourier_basis(lmax, angle).to(device, dtype)


@dataclass(frozen=True)
class ProductGrid:
    """Half-offset azimuths x Gauss-Legendre polar angles, in ``2^depth`` times finer blocks of ``width^3`` nodes."""

    azimuths: int
    depth: int
    width: int

    @property
    def rings(self) -> int:
        """Number of polar angles."""
        return self.azimuths // 2

    def tables(self, lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Rings, Tensor]:
        """Wigner tables of the rings and Fourier basis of the azimuths."""
        return _tables(self.azimuths, lmax, dtype, device)

    def log_weights(self, device: torch.device) -> Float[Tensor, " rings"]:
        """Log quadrature weight of the nodes of each ring, in float64; the weights of all nodes sum to 1."""
        return (_polar(self.rings)[1].to(device) / self.azimuths**2).log()

    def log_weight(self, node: Tensor) -> Tensor:
        """Log quadrature weight of nodes, by their flat numbers."""
        return self.log_weights(node.device)[node // self.azimuths**2]

    def index(self, ring: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
        """Flat number of a node."""
        return (ring * self.azimuths + alpha) * self.azimuths + gamma

    def place(self, node: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(ring, alpha, gamma) of flat numbers."""
        return node // self.azimuths**2, node // self.azimuths % self.azimuths, node % self.azimuths


@dataclass(frozen=True)
class Cloud:
    """Nodes of one grid for several densities, sorted by density.

    Attributes:
        rows: Which rows of the batch the densities are.
        owner: Density of each node, as an index into ``rows``.
        node: Flat number of each node in ``grid``.
        height: f at each node, the log density without its normaliser.
        grid: The grid.
    """

    rows: Int[Tensor, " densities"]
    owner: Int[Tensor, " nodes"]
    node: Int[Tensor, " nodes"]
    height: Float[Tensor, " nodes"]
    grid: ProductGrid

    def _sum(self, values: Float[Tensor, " nodes"]) -> Float[Tensor, " densities"]:
        return values.new_zeros(len(self.rows)).index_add(0, self.owner, values)

    def highest(self) -> Float[Tensor, " densities"]:
        """Largest f among each density's nodes."""
        lowest = self.height.new_full((len(self.rows),), -torch.inf)
        return lowest.scatter_reduce(0, self.owner, self.height, "amax")

    def log_masses(self) -> Float[Tensor, " nodes"]:
        """log(weight) + f - max f, in float64."""
        return self.grid.log_weight(self.node) + (self.height - self.highest()[self.owner]).double()

    def log_integral(self) -> Float[Tensor, " densities"]:
        """Log integral of exp f over Haar probability."""
        return self._sum(self.log_masses().exp()).log() + self.highest()

    def probabilities(self) -> Float[Tensor, " nodes"]:
        """Probability of each node; sums to 1 for each density."""
        mass = self.log_masses().exp()
        return mass / self._sum(mass)[self.owner]

    def mean_height(self) -> Float[Tensor, " densities"]:
        """Expectation of f under each density."""
        highest = self.highest()
        return self._sum(self.probabilities() * (self.height - highest[self.owner]).double()) + highest

    def rotations(self) -> Float[Tensor, "nodes 3 3"]:
        """The rotation of each node."""
        ring, alpha, gamma = self.grid.place(self.node)
        beta = _polar(self.grid.rings)[0].to(ring.device)[ring]
        step = 2 * math.pi / self.grid.azimuths
        return from_euler_zyz((alpha + 0.5).double() * step, beta, (gamma + 0.5).double() * step).to(self.height)

    def moments(self, lmax: int) -> Float[Tensor, "densities modes"]:
        """Expectation of ``sqrt(2l+1) D^l_mn`` under each density: the gradient of the log integral."""
        rings, basis = self.grid.tables(lmax, self.height.dtype, self.height.device)
        size = 2 * lmax + 1
        spectra = self.height.new_zeros(len(self.rows) * self.grid.rings, size * size)
        probability = self.probabilities().to(self.height.dtype)
        # A column (density, ring, alpha) is summed over gamma first.
        azimuths = self.grid.azimuths
        column = (self.owner * self.grid.rings) * azimuths + self.node // azimuths
        columns, place = torch.unique(column, return_inverse=True)
        series = self.height.new_zeros(len(columns), size)
        for part in torch.arange(len(self.node), device=self.node.device).split(CHUNK):
            series.index_add_(0, place[part], basis[self.node[part] % azimuths] * probability[part, None])
        for part in torch.arange(len(columns), device=self.node.device).split(CHUNK):
            outer = basis[columns[part] % azimuths][:, :, None] * series[part][:, None, :]
            spectra.index_add_(0, columns[part] // azimuths, outer.flatten(1))
        return rings.coeffs(spectra.reshape(len(self.rows), self.grid.rings, size, size))

    def level_set(self, mass: float) -> tuple[Float[Tensor, " densities"], Float[Tensor, " densities"]]:
        """Lowest f and Haar volume of the highest nodes that together carry ``mass`` of each density."""
        order = self.height.argsort(descending=True, stable=True)
        order = order[self.owner[order].argsort(stable=True)]
        probability, owner = self.probabilities()[order], self.owner[order]
        before = probability.cumsum(0) - probability - owner  # each earlier density contributes exactly 1
        inside = before + probability / 2 < mass
        height = torch.where(inside, self.height[order], torch.inf)
        threshold = height.new_full((len(self.rows),), torch.inf).scatter_reduce(0, owner, height, "amin")
        weight = self.grid.log_weight(self.node[order]).exp() * inside
        volume = weight.new_zeros(len(self.rows)).index_add(0, owner, weight)
        return threshold, volume

    def nearest_mass(self, peaks: Float[Tensor, "densities k 3 3"], radius: float) -> Float[Tensor, "densities k"]:
        """Probability within ``radius`` of each peak and nearer to it than to any other."""
        mass = torch.zeros(len(self.rows) * peaks.shape[1], dtype=torch.float64, device=peaks.device)
        probability, rotation, flat = self.probabilities(), self.rotations().flatten(1), peaks.flatten(2)
        for part in torch.arange(len(self.node), device=self.node.device).split(CHUNK):
            owner = self.owner[part]
            # The trace of P^T R is 1 + 2 cos(angle): the largest is the nearest.
            trace, nearest = (flat[owner] @ rotation[part, :, None])[..., 0].max(-1)
            inside = trace >= 1 + 2 * math.cos(radius)
            mass.index_add_(0, owner * peaks.shape[1] + nearest, probability[part] * inside)
        return mass.reshape(len(self.rows), -1).to(peaks.dtype)

    def draw(
        self, coeffs: Float[Tensor, "densities modes"], count: int, generator: torch.Generator | None
    ) -> Float[Tensor, "densities count 3 3"]:
        """Independent samples: a node by its probability, a point of its cell, kept or rejected by its density.

        The bound in the rejection is the largest ratio met so far for the density, over all draws of the first round.

        Reference: Empirical supremum rejection sampling (Caffo, Booth and Davis, 2002),
            https://doi.org/10.1093/biomet/89.4.745
        """
        result = coeffs.new_empty(len(self.rows) * count, 3, 3)
        cumulative = self.probabilities().cumsum(0)
        densities = torch.arange(len(self.rows), device=self.owner.device)
        first, last = (
            torch.searchsorted(self.owner, densities),
            torch.searchsorted(self.owner, densities, right=True) - 1,
        )
        bound = self.height.new_zeros(len(self.rows))
        waiting = torch.arange(len(result), device=result.device)
        while len(waiting):
            # Few draws would know the bound badly: always look at some more points than are asked for.
            owner = torch.cat([waiting // count, densities.repeat_interleave(SCOUTS)])
            uniform = torch.rand(5, len(owner), generator=generator, dtype=torch.float64, device=result.device)
            chosen = torch.searchsorted(cumulative, owner + uniform[0]).clamp(first[owner], last[owner])
            rotation = self._jitter(self.node[chosen], uniform[1:4]).to(result)
            height = torch.cat(
                [
                    evaluate_so3(coeffs[rows], part)
                    for rows, part in zip(owner.split(CHUNK), rotation.split(CHUNK), strict=True)
                ]
            )
            gain = height - self.height[chosen]
            bound = bound.scatter_reduce(0, owner, gain, "amax")
            accepted = (uniform[4].log() <= (gain - bound[owner]).double())[: len(waiting)]
            result[waiting[accepted]] = rotation[: len(waiting)][accepted]
            waiting = waiting[~accepted]
        return result.reshape(len(self.rows), count, 3, 3)

    def _jitter(self, node: Tensor, uniform: Float[Tensor, "3 draws"]) -> Float[Tensor, "draws 3 3"]:
        """Points uniform in the cells of nodes."""
        ring, alpha, gamma = self.grid.place(node)
        step = 2 * math.pi / self.grid.azimuths
        edges = _polar(self.grid.rings)[2].to(node.device)
        cosine = edges[ring] + (edges[ring + 1] - edges[ring]) * uniform[1]
        return from_euler_zyz((alpha + uniform[0]) * step, cosine.clamp(-1, 1).acos(), (gamma + uniform[2]) * step)
