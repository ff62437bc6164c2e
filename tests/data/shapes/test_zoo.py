"""Laws of the shape zoo, for every family: reproducible, finite, centred, and as symmetric as it says, no more."""

import functools

import pytest
import torch

from armillary.data.rendering.renderer import Renderer
from armillary.data.shapes.zoo import FAMILIES, make_shape
from armillary.so3 import random_rotations

SEEDS = (0, 1)


@functools.cache
def shape_of(family, seed):
    return make_shape(family, seed)


@pytest.fixture(scope="module")
def renderer():
    with_torch = Renderer(size=32, backend="torch", antialias=False)
    yield with_torch
    with_torch.close()


def render(renderer, mesh, rotations):
    intrinsics = torch.tensor([[56.0, 0, 15.5], [0, 56.0, 15.5], [0, 0, 1]])
    return renderer.render(mesh, rotations.float(), torch.tensor([[0.0, 0, 4]]).expand(len(rotations), 3), intrinsics)


def test_there_are_at_least_fourteen_families():
    assert len(FAMILIES) >= 14


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_gives_the_same_mesh_and_another_seed_another(family):
    first, again, other = make_shape(family, 7).mesh, make_shape(family, 7).mesh, make_shape(family, 8).mesh
    assert torch.equal(first.vertices, again.vertices) and torch.equal(first.faces, again.faces)
    assert torch.equal(first.vertex_colours, again.vertex_colours)
    assert first.vertices.shape != other.vertices.shape or not torch.equal(first.vertices, other.vertices)


@pytest.mark.parametrize("family", FAMILIES)
def test_members_are_finite_centred_and_of_unit_radius(family):
    for seed in SEEDS:
        mesh = shape_of(family, seed).mesh
        assert torch.isfinite(mesh.vertices).all() and torch.isfinite(mesh.corner_normals()).all()
        assert 100 < len(mesh.faces) < 10_000
        centre, radius = mesh.bounding_sphere()
        assert torch.allclose(centre, torch.zeros(3), atol=1e-5)
        assert radius == pytest.approx(1.0, abs=1e-5)
        assert len(torch.unique(mesh.vertex_colours, dim=0)) >= 2


@pytest.mark.parametrize("family", FAMILIES)
def test_declared_symmetry_maps_the_object_to_itself(family, renderer):
    for seed in SEEDS:
        shape = shape_of(family, seed)
        elements = shape.symmetry.elements(steps=7)
        if len(elements) == 1:
            continue
        generator = torch.Generator().manual_seed(seed)
        rotation = random_rotations(generator=generator)
        chosen = elements[1:][torch.randperm(len(elements) - 1, generator=generator)[:5]].to(rotation)
        frames = render(renderer, shape.mesh, torch.cat([rotation[None], rotation @ chosen]))
        # Facets of turned parts and pixel centres near edges: a few pixels on thin parts, never a part's worth.
        differs = (frames.mask[1:] != frames.mask[:1]) | ((frames.depth[1:] - frames.depth[:1]).abs() > 0.03)
        assert differs.sum(dim=(1, 2)).max() <= 8, (family, seed)
        coloured = (frames.rgb[1:].int() - frames.rgb[:1].int()).abs().amax(dim=-1) > 40
        assert coloured.sum(dim=(1, 2)).max() <= 12, (family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_turns_outside_the_declared_symmetry_change_the_object(family, renderer):
    half_turns = [torch.diag(torch.tensor(signs)) for signs in ((1.0, -1, -1), (-1.0, 1, -1), (-1.0, -1, 1))]
    for seed in SEEDS:
        shape = shape_of(family, seed)
        rotations = random_rotations(6, generator=torch.Generator().manual_seed(seed)).float()
        before = render(renderer, shape.mesh, rotations)
        for turn in half_turns:
            if float(shape.symmetry.distance(torch.eye(3), turn)) < 1e-3:
                continue
            before, after = render(renderer, shape.mesh, rotations), render(renderer, shape.mesh, rotations @ turn)
            changed = (before.rgb.int() - after.rgb.int()).abs().amax(dim=-1) > 40
            assert changed.sum(dim=(1, 2)).max() > 3, (family, seed)


def test_unknown_family_suggests_the_closest():
    with pytest.raises(ValueError, match="did you mean 'chair'"):
        make_shape("chairs")
