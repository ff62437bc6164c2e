"""Pairs of views whose relative rotation is known, and what a method answers about them.

Pairs are drawn from an `ImageStore`, whose views are named SHAPE/VIEW: two views of one instance, or of two instances
of one category, whose frames are aligned. Whether cameras are upright (two degrees of freedom) or anywhere (three), and
whether categories were seen in training, is a matter of the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armillary.data import ImageStore
from armillary.evaluation.relative import (
    PLAIN,
    Weighting,
    joint_group,
    relative_density,
    relative_error,
    relative_rotation,
)
from armillary.so3 import SymmetryGroup

TOGETHER = 256  # pairs handled at once: bounds the memory
Kind = Literal["same", "different"]


@dataclass(frozen=True)
class Pairs:
    """Pairs of views of one store; ``pairs[index]`` are some of them.

    Example:
        >>> poses = torch.eye(3).expand(1, 3, 3)
        >>> row = torch.tensor([0])
        >>> Pairs(row, row, poses, poses, row, ("mug",), row, (SymmetryGroup.trivial(),)).truth.shape
        torch.Size([1, 3, 3])
    """

    # Rows of the store.
    first: Int[Tensor, " pairs"]
    second: Int[Tensor, " pairs"]
    # Q_1 and Q_2, object to camera.
    first_rotation: Float[Tensor, "pairs 3 3"]
    second_rotation: Float[Tensor, "pairs 3 3"]
    # Index into categories, their names.
    category: Int[Tensor, " pairs"]
    categories: tuple[str, ...]
    # Index into groups, what each pair leaves open.
    group: Int[Tensor, " pairs"]
    groups: tuple[SymmetryGroup, ...]

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: Bool[Tensor, " pairs"] | Int[Tensor, " chosen"] | slice) -> "Pairs":
        parts = (self.first, self.second, self.first_rotation, self.second_rotation, self.category, self.group)
        first, second, first_rotation, second_rotation, category, group = (part[index] for part in parts)
        names, groups = self.categories, self.groups
        return Pairs(first, second, first_rotation, second_rotation, category, names, group, groups)

    @property
    def truth(self) -> Float[Tensor, "pairs 3 3"]:
        """The labelled relative rotations, one of the right answers: Q_1 Q_2^T."""
        return self.first_rotation @ self.second_rotation.mT

    def errors(self, rotation: Float[Tensor, "pairs 3 3"]) -> Float[Tensor, " pairs"]:
        """Angles between answers and the nearest right ones, radians, in float64."""
        error = torch.zeros(len(self), dtype=torch.float64)
        first, second = self.first_rotation.double().cpu(), self.second_rotation.double().cpu()
        for which in self.group.unique().tolist():
            rows = (self.group == which).cpu()
            answers = rotation.detach().cpu().double()[rows]
            error[rows] = relative_error(answers, first[rows], second[rows], self.groups[which])
        return error


def sample_pairs(
    store: ImageStore,
    count: int,
    kind: Kind = "same",
    *,
    groups: Sequence[SymmetryGroup] | None = None,
    generator: torch.Generator | None = None,
) -> Pairs:
    """Random pairs of views, as many of each category as of each other to one.

    Args:
        store: Its views are named SHAPE/VIEW.
        count: How many pairs.
        kind: Two views of the same instance, or of different instances of a category.
        groups: Of each shape, in order of their names; by default those of the categories.
        generator: Source of the draws.

    Raises:
        ValueError: A category with no such pair, or groups for another number of shapes.
    """
    names, shape = shape_numbers(store.names)
    if groups is not None and len(groups) != len(names):
        raise ValueError(f"expected a group for each of {len(names)} shapes, got {len(groups)}; give one for each")
    category = store.category.cpu()
    present = category.unique()
    if count < len(present):
        raise ValueError(f"expected at least a pair of each of {len(present)} categories, got {count}; ask for more")
    # Each category in turn: its share of the pairs differs by one at most.
    wanted = present[torch.arange(count) % len(present)]
    able = _has_partner(shape, category, kind)
    named = dict(enumerate(store.info.categories))
    lonely = [named[c] for c in present.tolist() if not able[category == c].any()]
    if lonely:
        what = "two views of one shape" if kind == "same" else "two shapes"
        raise ValueError(f"{lonely[0]}: expected {what}, got none; render more of this category, or leave it out")
    first = _draw(wanted, lambda here: (category == here[:, None]) & able, generator)
    second = _draw(first, lambda here: _partners(here, shape, category, kind), generator)
    group, joint = _joint(store, shape, first, second, groups)
    poses = store.rotations.cpu()
    return Pairs(first, second, poses[first], poses[second], wanted, store.info.categories, group, joint)


def shape_numbers(names: Sequence[str]) -> tuple[tuple[str, ...], Int[Tensor, " views"]]:
    """The shapes that views named SHAPE/VIEW show, in order, and the number of each view's.

    Example:
        >>> shape_numbers(("a/0", "a/1", "b/0"))
        (('a', 'b'), tensor([0, 0, 1]))
    """
    odd = next((name for name in names if "/" not in name), None)
    if odd is not None or not names:
        raise ValueError(f"expected views named SHAPE/VIEW, got {odd!r}; a rendered store names its views so")
    shapes = [name.rsplit("/", 1)[0] for name in names]
    found = tuple(sorted({*shapes}))
    number = {shape: index for index, shape in enumerate(found)}
    return found, torch.tensor([number[shape] for shape in shapes])


def _has_partner(shape: Int[Tensor, " views"], category: Int[Tensor, " views"], kind: Kind) -> Bool[Tensor, " views"]:
    views = shape.bincount()[shape]
    return views > 1 if kind == "same" else category.bincount()[category] > views


def _partners(
    first: Int[Tensor, " draws"], shape: Int[Tensor, " views"], category: Int[Tensor, " views"], kind: Kind
) -> Bool[Tensor, "draws views"]:
    """Which views may stand beside some of them."""
    same = shape[first, None] == shape
    if kind == "same":
        return same & (first[:, None] != torch.arange(len(shape)))
    return (category[first, None] == category) & ~same


def _draw(
    given: Int[Tensor, " draws"],
    allowed: Callable[[Int[Tensor, " some"]], Bool[Tensor, "some views"]],
    generator: torch.Generator | None,
) -> Int[Tensor, " draws"]:
    """One of the views allowed with each that is given, all of them as likely."""
    parts = given.split(TOGETHER)
    return torch.cat([torch.multinomial(allowed(part).float(), 1, generator=generator)[:, 0] for part in parts])


def _joint(
    store: ImageStore,
    shape: Int[Tensor, " views"],
    first: Int[Tensor, " pairs"],
    second: Int[Tensor, " pairs"],
    groups: Sequence[SymmetryGroup] | None,
) -> tuple[Int[Tensor, " pairs"], tuple[SymmetryGroup, ...]]:
    """What each pair leaves open: index into the distinct ones, and these."""
    of_view = store.category.cpu() if groups is None else shape
    known = store.info.symmetries if groups is None else groups
    both = torch.stack([of_view[first], of_view[second]], 1)
    distinct, group = both.unique(dim=0, return_inverse=True)
    return group, tuple(known[a] if a == b else joint_group(known[a], known[b]) for a, b in distinct.tolist())


@dataclass(frozen=True)
class RelativeAnswers:
    """What a method says of pairs of views.

    Attributes:
        rotation: From the second view to the first, R Q_2 = Q_1.
        score: How well the two agree, where the method can say.
        log_prob: Log density of the labelled rotation, where the method has one.
    """

    rotation: Float[Tensor, "pairs 3 3"]
    score: Float[Tensor, " pairs"] | None = None
    log_prob: Float[Tensor, " pairs"] | None = None


@torch.no_grad()
def answer_by_correlation(
    embeddings: Float[Tensor, "views channels coeffs"],
    pairs: Pairs,
    temperature: float | None = None,
    weighting: Weighting = PLAIN,
) -> RelativeAnswers:
    """Answers by the embeddings of all views: a network's, or a teacher's maps turned by each pose, the upper bound.

    Args:
        embeddings: Of the store's views, rows as the pairs count them.
        temperature: Of the density; None where no log density is asked for.
        weighting: Of the embeddings.
    """
    found = []
    for index in torch.arange(len(pairs)).split(TOGETHER):
        part = pairs[index]
        first, second = embeddings[part.first], embeddings[part.second]
        rotation, score = relative_rotation(first, second, 1, weighting)
        log_prob = torch.zeros_like(score[:, 0])
        if temperature is not None:
            density = relative_density(first, second, temperature, weighting)
            log_prob = density.log_prob(part.truth.to(first))
        found.append((rotation[:, 0], score[:, 0], log_prob))
    rotation, score, log_prob = (torch.cat(part) for part in zip(*found, strict=True))
    return RelativeAnswers(rotation, score, None if temperature is None else log_prob)
