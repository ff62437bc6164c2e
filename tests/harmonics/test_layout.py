"""The flat axes are the list comprehensions their documentation states."""

import re
from collections.abc import Callable

import pytest
import torch

from armillary.harmonics import s2_lmax, s2_size, so3_lmax, so3_size, split_degrees
from armillary.harmonics.layout import s2_slice, so3_slice


@pytest.mark.parametrize("lmax", [0, 1, 2, 5, 16])
def test_sphere_axis_is_its_list_comprehension(lmax: int) -> None:
    order = [(l, m) for l in range(lmax + 1) for m in range(-l, l + 1)]
    assert len(order) == s2_size(lmax)
    assert [l * l + l + m for l, m in order] == list(range(len(order)))
    for degree in range(lmax + 1):
        assert {l for l, _ in order[s2_slice(degree)]} == {degree} and len(order[s2_slice(degree)]) == 2 * degree + 1


@pytest.mark.parametrize("lmax", [0, 1, 2, 5, 10])
def test_so3_axis_is_its_list_comprehension(lmax: int) -> None:
    order = [(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]
    assert len(order) == so3_size(lmax)
    for degree, block in enumerate(split_degrees(torch.arange(len(order)))):
        assert torch.equal(block.flatten(), torch.arange(len(order))[so3_slice(degree)])
        for m in range(-degree, degree + 1):
            for n in range(-degree, degree + 1):
                assert order[int(block[m + degree, n + degree])] == (degree, m, n)


def test_sizes_are_inverted_for_every_degree_in_use() -> None:
    for lmax in range(129):
        assert s2_lmax(s2_size(lmax)) == lmax
        assert so3_lmax(so3_size(lmax)) == lmax


@pytest.mark.parametrize("size", [0, 2, 48, 50, 454])
def test_impossible_sizes_are_named(size: int) -> None:
    with pytest.raises(ValueError, match=f"got {size}"):
        s2_lmax(size)
    with pytest.raises(ValueError, match=f"got {size}"):
        so3_lmax(size)


@pytest.mark.parametrize(("lmax_of_size", "size_of_lmax"), [(s2_lmax, s2_size), (so3_lmax, so3_size)])
def test_impossible_sizes_are_told_the_nearest(
    lmax_of_size: Callable[[int], int], size_of_lmax: Callable[[int], int]
) -> None:
    possible = {size_of_lmax(lmax): lmax for lmax in range(40)}
    for size in set(range(900)) - set(possible):
        with pytest.raises(ValueError) as error:
            lmax_of_size(size)
        named = re.search(r"nearest is lmax (\d+) with (\d+)$", str(error.value))
        assert named is not None and possible[int(named[2])] == int(named[1])
        assert abs(int(named[2]) - size) == min(abs(other - size) for other in possible)


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_degrees_are_views_of_the_flat_axis(batch: tuple[int, ...]) -> None:
    flat = torch.randn(*batch, so3_size(3))
    blocks = split_degrees(flat)
    assert [tuple(block.shape) for block in blocks] == [(*batch, 2 * l + 1, 2 * l + 1) for l in range(4)]
    assert torch.equal(torch.cat([block.flatten(-2) for block in blocks], -1), flat)
    blocks[2].zero_()
    assert (flat[..., so3_slice(2)] == 0).all()
