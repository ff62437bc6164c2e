"""Draw families.png: what each family of distributions looks like, and what the operations on them do.

Run ``python docs/pictures/families.py`` from the checkout.
"""

import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

from armillary.apps.plots.figure import figure_png
from armillary.apps.plots.mollweide import draw_mollweide, draw_tilt_legend
from armillary.distributions import (
    FlowTransform,
    HarmonicDistribution,
    ImplicitDistribution,
    MatrixFisher,
    Mixture,
    RotationLaplace,
    SO3Distribution,
    Uniform,
    diffuse,
    product,
    symmetrize,
)
from armillary.so3 import SymmetryGroup, exp


def densities() -> dict[str, SO3Distribution]:
    """Caption and distribution of each panel."""
    generator = torch.Generator().manual_seed(4)
    pose = exp(torch.tensor([0.4, -0.9, 0.5]))
    peak = MatrixFisher.isotropic(pose, sigma=math.radians(6))
    cube = symmetrize(peak, SymmetryGroup.octahedral())
    flow = FlowTransform(3, features=0, generator=generator)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.5 * torch.randn(parameter.shape, generator=generator)
    two = MatrixFisher.isotropic(exp(torch.tensor([[0.4, -0.9, 0.5], [-1.0, 0.8, 2.0]])), sigma=math.radians(8))
    return {
        "Uniform": Uniform(),
        "MatrixFisher, sigma 6 degrees": peak,
        "MatrixFisher, turns about one axis free": MatrixFisher(pose @ torch.diag(torch.tensor([60.0, 0.0, 0.0]))),
        "RotationLaplace": RotationLaplace(40 * pose),
        "Mixture: 60 %, 30 %, and 10 % doubt": Mixture(torch.tensor([0.6, 0.3, 0.1]), two, Uniform((1,))),
        "HarmonicDistribution, random coefficients": HarmonicDistribution(0.25 * torch.randn(455, generator=generator)),
        "ImplicitDistribution: one direction known": ImplicitDistribution(lambda R: 25 * R[..., 2, 0]),
        "SO3Flow, random layers": flow(torch.zeros(0)),
        "symmetrize: a cube at 6 degrees": cube,
        "symmetrize: a cylinder": symmetrize(peak, SymmetryGroup.dihedral_axial()),
        "diffuse: the cube after noise of 8 degrees": diffuse(cube, sigma=math.radians(8)),
        "product: the cube and what leaves one turn free": product(
            cube, MatrixFisher(pose @ torch.diag(torch.tensor([60.0, 0.0, 0.0])))
        ),
    }


def main() -> None:
    """Write the picture beside this script."""
    panels = densities()
    rows = -(-len(panels) // 3)
    figure = Figure(figsize=(12.6, 2.35 * rows), dpi=100)
    grid = figure.add_gridspec(
        rows, 4, width_ratios=[1, 1, 1, 0.22], left=0.01, right=0.97, bottom=0.02, top=0.95, wspace=0.05, hspace=0.25
    )
    for index, (caption, density) in enumerate(panels.items()):
        axis = figure.add_subplot(grid[index // 3, index % 3], projection="mollweide")
        draw_mollweide(axis, density)
        axis.set_title(caption, fontsize=9, pad=4)
    draw_tilt_legend(figure.add_subplot(grid[0, 3], projection="polar"))
    Path(__file__).with_suffix(".png").write_bytes(figure_png(figure))


if __name__ == "__main__":
    main()
