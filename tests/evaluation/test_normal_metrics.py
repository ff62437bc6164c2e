"""Figures of normals on errors that were made: known angles, pooled pixels, strict thresholds."""

import math

import numpy as np
import pytest
import torch

from armillary.evaluation.normal_metrics import (
    angles_deg,
    normal_figures,
    sign_accuracy,
    to_full_size,
    valid_angles_deg,
)
from armillary.so3 import exp


def normals(height: int = 6, width: int = 7) -> torch.Tensor:
    drawn = torch.randn(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn[2] = -drawn[2].abs()
    return torch.nn.functional.normalize(drawn, dim=0)


def turned(vectors: torch.Tensor, angle_deg: torch.Tensor) -> torch.Tensor:
    """Vectors turned by angles about axes across them."""
    spare = torch.tensor([0.3, 0.5, 0.7], dtype=torch.float64)[:, None, None].expand_as(vectors)
    across = torch.nn.functional.normalize(torch.linalg.cross(vectors, spare, dim=0), dim=0)
    rotation = exp((across * torch.deg2rad(angle_deg)).permute(1, 2, 0))
    return (rotation @ vectors.permute(1, 2, 0)[..., None])[..., 0].permute(2, 0, 1)


def test_the_angle_is_the_one_turned_by_from_rounding_to_a_half_turn():
    angle = torch.linspace(0, 180, 42, dtype=torch.float64).reshape(6, 7)
    angle[0, 1] = 1e-6
    found = angles_deg(turned(normals(), angle), normals())
    # 1e-15 radians, some ten roundings.
    assert (found - angle).abs().max() < 1e-12 * 180


def test_figures_are_those_of_numpy_on_the_pooled_pixels():
    rng = np.random.default_rng(0)
    parts = [rng.uniform(0, 60, count) for count in (3, 40, 7)]
    figures = normal_figures([torch.from_numpy(part) for part in parts])
    pooled = np.concatenate(parts)
    assert figures.pixels == 50
    assert math.isclose(figures.mean_deg, pooled.mean(), rel_tol=1e-12)
    assert math.isclose(figures.median_deg, np.median(pooled), rel_tol=1e-12)
    assert math.isclose(figures.rmse_deg, np.sqrt((pooled**2).mean()), rel_tol=1e-12)
    assert math.isclose(figures.within_22_5, (pooled < 22.5).mean(), rel_tol=1e-12)


def test_thresholds_are_strict():
    figures = normal_figures([torch.tensor([11.25, 22.5, 30.0, 11.0])])
    assert (figures.within_11_25, figures.within_22_5, figures.within_30) == (0.25, 0.5, 0.75)
    assert "25.0 / 50.0 / 75.0 % within" in str(figures)
    assert figures.to_json()["pixels"] == 4


def test_only_the_mask_counts():
    mask = torch.zeros(6, 7, dtype=torch.bool)
    mask[2, 3] = True
    angle = torch.full((6, 7), 90.0, dtype=torch.float64)
    angle[2, 3] = 5.0
    assert valid_angles_deg(turned(normals(), angle), normals(), mask).tolist() == pytest.approx([5.0])


def test_what_cannot_be_measured_is_said():
    mask = torch.ones(6, 7, dtype=torch.bool)
    with pytest.raises(ValueError, match="got an empty mask"):
        valid_angles_deg(normals(), normals(), ~mask)
    with pytest.raises(ValueError, match="expected predicted normals of unit length"):
        valid_angles_deg(0 * normals(), normals(), mask)
    with pytest.raises(ValueError, match="got \\(3, 7\\)"):
        valid_angles_deg(normals()[:, :3], normals(), mask)
    with pytest.raises(ValueError, match="at least one pixel"):
        normal_figures([])


def test_full_size_takes_the_nearest_pixel():
    large = to_full_size(normals(), (12, 14))
    assert torch.equal(large[:, ::2, ::2], large[:, 1::2, 1::2])
    assert (large[:, ::2, ::2] - normals()).abs().max() < 1e-12


def test_signs_are_right_where_quarters_agree():
    mask = torch.ones(6, 7, dtype=torch.bool)
    assert sign_accuracy(normals(), normals(), mask) == 1.0
    opposite = normals() * torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)[:, None, None]
    assert sign_accuracy(opposite, normals(), mask) == 0.0
