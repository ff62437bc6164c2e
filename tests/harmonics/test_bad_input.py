"""Mistakes are a ValueError of one line that says what was expected, what came, and what to do."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from armillary.harmonics import (
    S2Transform,
    SO3Transform,
    align_s2,
    align_so3,
    correlate,
    correlate_so3,
    evaluate_s2,
    rotate_s2,
    rotate_so3,
    s2_lmax,
    so3_lmax,
)
from armillary.harmonics.align import highest_node
from armillary.harmonics.correlation import _matching
from armillary.harmonics.memory import available_memory, require_memory
from armillary.so3 import require_rotations

EYE = torch.eye(3)
S2, SO3 = torch.ones(9), torch.ones(35)
NAN = torch.tensor([1.0, math.nan, 0, 0])

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "sphere axis": (lambda: s2_lmax(50), "got 50; nearest is lmax 6 with 49"),
    "SO(3) axis": (lambda: so3_lmax(400), "got 400; nearest is lmax 6 with 455"),
    "empty axis": (lambda: so3_lmax(0), "got 0; nearest is lmax 0 with 1"),
    "synthesis of a wrong axis": (lambda: S2Transform(2).synthesis(torch.ones(10)), "got 10; nearest is lmax 2 with 9"),
    "synthesis of another lmax": (
        lambda: SO3Transform(2).synthesis(torch.ones(10)),
        "expected coefficients of lmax 2, got 10, those of lmax 1; pad",
    ),
    "values of another grid": (
        lambda: S2Transform(2).analysis(torch.ones(7, 5, 3)),
        "expected values on the grid (3, 5) on the last axes, got shape (7, 5, 3)",
    ),
    "values of more rings": (
        lambda: SO3Transform(2).analysis(torch.ones(5, 5, 5)),
        "expected values on the grid (3, 5, 5) on the last axes, got shape (5, 5, 5)",
    ),
    "too few azimuths": (lambda: S2Transform(3, azimuths=6), "expected at least 2 * lmax + 1 = 7 azimuths, got 6"),
    "no ring": (lambda: SO3Transform(3, rings=0), "expected at least one quadrature node, got 0"),
    "odd rings": (lambda: S2Transform(3, 9, grid="driscoll-healy"), "expected an even number of nodes"),
    "negative degree": (lambda: S2Transform(-1), "expected a degree lmax >= 0, got -1"),
    "dtype of a transform": (
        lambda: S2Transform(2).synthesis(S2.double()),
        "expected both of dtype torch.float32, got torch.float64; cast",
    ),
    "dtype of values": (lambda: SO3Transform(0).analysis(torch.ones(1, 1, 1).double()), "got torch.float64; cast"),
    "dtype of a rotation": (lambda: rotate_s2(S2, EYE.double()), "got torch.float64; cast one with .to(dtype)"),
    "device of a rotation": (lambda: rotate_so3(SO3, EYE.to("meta")), "expected both on device cpu, got meta; move"),
    "dtype of points": (lambda: evaluate_s2(S2, torch.ones(3).double()), "got torch.float64; cast"),
    "reflection": (lambda: rotate_s2(S2, -EYE), "got one that is off by 2; normalise with nearest_rotation"),
    "stretched rotation": (lambda: rotate_so3(SO3, 1.1 * EYE), "expected rotation matrices (R^T R = 1, det R = 1)"),
    "zeros for a rotation": (lambda: rotate_so3(SO3, 0 * EYE), "got one that is off by 1"),
    "non-finite rotation": (lambda: rotate_so3(SO3, EYE * math.nan), "got one that is off by nan"),
    "one wrong of many": (lambda: rotate_s2(S2, torch.stack([EYE, EYE, EYE.flip(0)])), "off by 2"),
    "quaternion for a rotation": (
        lambda: require_rotations(torch.ones(7, 4)),
        "expected rotations with last axes (3, 3), got shape (7, 4)",
    ),
    # Under the test run the annotation of correlate refuses these first.
    "two lengths": (
        lambda: _matching(S2, S2[:4], None),
        "expected as many coefficients in both functions, got 9 and 4",
    ),
    "two dtypes": (lambda: correlate_so3(SO3, SO3.double()), "got torch.float64; cast"),
    "search in NaN": (lambda: align_s2(NAN, torch.ones(4)), "expected finite coefficients, got inf or NaN"),
    "search in infinity": (lambda: align_so3(SO3, SO3 / 0), "expected finite coefficients"),
    "several peaks of a grid": (lambda: align_s2(S2, S2, k=2, oversampling=2.0), "expected k = 1 with an oversampling"),
    "undersampling": (lambda: highest_node(SO3, 0.5), "expected an oversampling of at least 1, got 0.5"),
    "memory": (lambda: SO3Transform(1000), "expected room for SO3Transform(lmax=1000, rings=1001): it takes"),
    "memory of the sphere": (lambda: S2Transform(20000), "expected room for S2Transform(lmax=20000, rings=20001): it"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake: str) -> None:
    call, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [S2Transform, SO3Transform])
def test_unknown_grids_are_named(kind: type) -> None:
    # Under the test run the annotation refuses it first.
    with pytest.raises(Exception, match="helix"):
        kind(2, grid="helix")


def test_plain_linear_maps_pass_nan_on() -> None:
    assert S2Transform(1).synthesis(NAN).isnan().any() and correlate(NAN, NAN).isnan().any()


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 3e-4), (torch.float64, 3e-7)])
def test_rotations_that_only_rounded_pass(dtype: torch.dtype, rounding: float, special_rotations: Tensor) -> None:
    require_rotations(special_rotations.float().to(dtype))
    require_rotations((special_rotations * (1 + rounding)).to(dtype), torch.ones(1, dtype=dtype))
    require_rotations(torch.empty(0, 3, 3, dtype=dtype))
    with pytest.raises(ValueError, match="off by"):
        require_rotations((special_rotations * (1 + 100 * rounding)).to(dtype))


def test_autocast_may_mix_dtypes() -> None:
    transform, coeffs = S2Transform(2), torch.ones(9, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert transform.synthesis(coeffs).isfinite().all()


class _Turn(torch.nn.Module):
    def forward(self, coeffs: Tensor, rotation: Tensor) -> Tensor:
        return rotate_s2(coeffs, rotation)


def test_checks_do_not_stand_in_the_way_of_vmap_and_fake_tensors(special_rotations: Tensor) -> None:
    coeffs = torch.arange(9, dtype=torch.float64)
    mapped = torch.vmap(lambda R: rotate_s2(coeffs, R))(special_rotations)
    torch.testing.assert_close(mapped, rotate_s2(coeffs, special_rotations))
    require_rotations(torch.eye(3, device="meta"))
    gradient = torch.func.grad(lambda R: rotate_s2(coeffs, R).sum())(special_rotations[0])
    assert gradient.isfinite().all()


def test_checks_do_not_stand_in_the_way_of_export(special_rotations: Tensor) -> None:
    # Not strict: the other way cannot see through the annotations of the test run.
    coeffs = torch.arange(9, dtype=torch.float64)
    program = torch.export.export(_Turn(), (coeffs, special_rotations), strict=False)
    torch.testing.assert_close(program.module()(coeffs, special_rotations), rotate_s2(coeffs, special_rotations))


def test_memory_is_compared_with_what_there_is() -> None:
    available = available_memory()
    # A machine has between 256 MB and 1 PB.
    assert 2**28 < available < 2**50
    require_memory(2**20, "little", "cpu")
    with pytest.raises(ValueError, match="expected room for much: it takes .* GB free on cpu; take a smaller lmax"):
        require_memory(2**55, "much", "cpu")
