"""Laws of light and background: reproducible, in range, from the camera's side."""

import torch

from armillary.data.rendering.lighting import BackgroundKind, random_backgrounds, random_lights, studio_lights


def test_random_lights_and_backgrounds_are_reproducible():
    for _ in range(2):
        first, second = (random_lights(3, torch.Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(first.directions, second.directions) and torch.equal(first.colours, second.colours)
        assert torch.equal(first.specular, second.specular) and torch.equal(first.ambient, second.ambient)
    for kind in ("colour", "gradient", "noise", "mixed"):
        pictures = [random_backgrounds(3, 8, 9, kind, torch.Generator().manual_seed(5)) for _ in range(2)]
        assert torch.equal(*pictures)
        assert pictures[0].min() >= 0 and pictures[0].max() <= 1


def test_lights_come_from_the_side_of_the_camera():
    for lights in (studio_lights(), random_lights(100, torch.Generator().manual_seed(0))):
        assert (lights.directions[..., 2] < 0).all()
        assert torch.allclose(torch.linalg.vector_norm(lights.directions, dim=-1), torch.ones(1))


def test_plain_backgrounds_are_what_they_are_called():
    plain: dict[BackgroundKind, float] = {"black": 0.0, "grey": 0.5, "white": 1.0}
    for kind, value in plain.items():
        assert torch.equal(random_backgrounds(2, 4, 5, kind), torch.full((2, 4, 5, 3), value))
