r"""Whether descriptors carry shape: retrieval and few-shot classification of views, categories not seen in training.

A descriptor is a vector for each view, its mean over the views taken off, compared by its cosine. Retrieval ranks all
views by likeness to each query, those of the query's own shape left out. With r relevant ones,

.. math:: \mathrm{AP}=\frac1r\sum_{k\ \mathrm{relevant}}\frac{r_k}k,

:math:`r_k` of them among the first k, averaged over queries. An episode draws N categories, K shapes of each with one
view as examples, and asks for the category of views of other shapes: by the nearest example, or by the nearest mean of
a category's examples. Drawn by shape, not by view, so that no answer is another view of an example.

Reference: Prototypical Networks for Few-shot Learning (Snell et al., 2017), https://arxiv.org/abs/1703.05175
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from armillary.harmonics.layout import s2_lmax, s2_slice

TOGETHER = 512  # queries handled at once: bounds the memory
WAYS, EPISODES, QUERIES = 5, 600, 15
Rate = tuple[float, float]  # mean over episodes and half of its 95 % interval


@dataclass(frozen=True)
class ShapeFigures:
    """What one descriptor does. Shares from 0 to 1; few-shot accuracies with half of their 95 % interval.

    Attributes:
        name: Of the descriptor.
        mean_average_precision: Of retrieval.
        nearest_neighbour: Share of queries whose most alike view is of their category.
        one_shot: Accuracy with one example of each of the categories.
        five_shot_mean: With five, by the nearest class mean.
        five_shot_nearest: With five, by the nearest example.
    """

    name: str
    mean_average_precision: float
    nearest_neighbour: float
    one_shot: Rate
    five_shot_mean: Rate
    five_shot_nearest: Rate

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        return asdict(self)


def shape_figures(
    descriptors: Mapping[str, Float[Tensor, "_ _"]],
    category: Int[Tensor, " views"],
    shape: Int[Tensor, " views"],
    ways: int = WAYS,
    episodes: int = EPISODES,
    seed: int = 0,
) -> list[ShapeFigures]:
    """The figures of several descriptors of the same views, in the same episodes.

    Args:
        descriptors: By name, one vector for each view.
        category: Of each view.
        shape: Of each view; shapes are the instances (`shape_numbers`).
        ways: Categories in an episode.
        episodes: How many.
        seed: Of the episodes.

    Example:
        >>> category = torch.arange(2).repeat_interleave(8)
        >>> found = shape_figures({"label": torch.eye(2)[category]}, category, torch.arange(16), ways=2, episodes=3)
        >>> found[0].mean_average_precision, found[0].one_shot
        (1.0, (1.0, 0.0))
    """
    figures = []
    for name, vectors in descriptors.items():
        if len(vectors) != len(category) or not bool(vectors.isfinite().all()):
            raise ValueError(
                f"{name}: expected a finite vector for each of {len(category)} views, got {len(vectors)} rows, "
                f"{int((~vectors.isfinite()).any(1).sum())} of them not finite; describe every view"
            )
        vectors = vectors.float() - vectors.float().mean(0)  # cosines of numbers above 0 are all near 1
        precision, nearest = retrieval(vectors, category, shape)
        shots = {}
        for count in (1, 5):
            # The same episodes for every descriptor.
            generator = torch.Generator().manual_seed(seed + count)
            shots[count] = few_shot(vectors, category, shape, ways, count, episodes, generator)
        figures.append(ShapeFigures(name, precision, nearest, shots[1][0], *shots[5]))
    return figures


def degree_descriptor(coeffs: Float[Tensor, "views channels coeffs"]) -> Float[Tensor, "views features"]:
    r"""What no rotation changes of functions on the sphere: of each channel and degree, :math:`\sqrt{\sum_m f_{lm}^2}`.

    The mean, degree 0, keeps its sign.

    Example:
        >>> degree_descriptor(torch.tensor([[[-2.0, 3.0, 0.0, 4.0]]]))
        tensor([[-2.,  5.]])
    """
    degrees = range(1, s2_lmax(coeffs.shape[-1]) + 1)
    norms = [coeffs[..., :1], *(coeffs[..., s2_slice(l)].norm(dim=-1, keepdim=True) for l in degrees)]
    return torch.cat(norms, -1).flatten(1)


def pixel_descriptor(images: UInt8[Tensor, "views 3 size size"], size: int = 16) -> Float[Tensor, "views features"]:
    """The baseline of raw pixels: the picture at ``size`` x ``size`` pixels.

    Example:
        >>> pixel_descriptor(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
        torch.Size([2, 768])
    """
    small = [functional.adaptive_avg_pool2d(part.float() / 255, size) for part in images.split(TOGETHER)]
    return torch.cat(small).flatten(1)


def retrieval(
    vectors: Float[Tensor, "views features"], category: Int[Tensor, " views"], shape: Int[Tensor, " views"]
) -> tuple[float, float]:
    """Mean average precision, and share of right nearest neighbours: each view asks for other shapes of its category.

    Example:
        >>> retrieval(torch.tensor([[1.0, 0], [1, 0.1], [0, 1]]), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]))
        (1.0, 1.0)
    """
    unit = functional.normalize(vectors.float(), dim=-1)
    category, shape = category.to(unit.device), shape.to(unit.device)
    precisions, hits = [], []
    for rows in torch.arange(len(unit), device=unit.device).split(TOGETHER):
        likeness = unit[rows] @ unit.mT
        own = shape[rows, None] == shape
        order = likeness.masked_fill(own, -torch.inf).sort(dim=1, descending=True, stable=True).indices
        relevant = ((category[rows, None] == category) & ~own).gather(1, order)
        able = relevant.any(1)  # a category's only shape finds nothing
        precisions.append(_average_precision(relevant[able]))
        hits.append(relevant[able, 0].double())
    if not sum(len(part) for part in hits):
        raise ValueError("expected at least two shapes of a category, got one of each; take more shapes")
    return torch.cat(precisions).mean().item(), torch.cat(hits).mean().item()


def _average_precision(relevant: Bool[Tensor, "queries views"]) -> Float[Tensor, " queries"]:
    found = relevant.double().cumsum(1)
    rank = torch.arange(1, relevant.shape[1] + 1, device=relevant.device)
    return (relevant * found / rank).sum(1) / found[:, -1].clamp(min=1)


def few_shot(
    vectors: Float[Tensor, "views features"],
    category: Int[Tensor, " views"],
    shape: Int[Tensor, " views"],
    ways: int = WAYS,
    shots: int = 1,
    episodes: int = EPISODES,
    generator: torch.Generator | None = None,
) -> tuple[Rate, Rate]:
    """Accuracy by nearest class mean and by nearest example, each with half of its 95 % interval over episodes.

    Example:
        >>> category = torch.arange(2).repeat_interleave(8)
        >>> few_shot(torch.eye(2)[category], category, torch.arange(16), ways=2, episodes=3)
        ((1.0, 0.0), (1.0, 0.0))
    """
    examples, queries = draw_episodes(category, shape, ways, shots, episodes, generator)
    unit = functional.normalize(vectors.float(), dim=-1)
    label = torch.arange(ways, device=unit.device)[:, None].expand(ways, queries.shape[-1]).flatten()
    right = []
    for shown, asked in zip(examples.split(32), queries.split(32), strict=True):
        support, query = unit[shown], unit[asked].flatten(1, 2)
        means = functional.normalize(support.mean(2), dim=-1)
        by_mean = (query @ means.mT).argmax(-1)
        by_nearest = (query @ support.flatten(1, 2).mT).unflatten(-1, (ways, shots)).amax(-1).argmax(-1)
        right.append(torch.stack([(by == label).double().mean(-1) for by in (by_mean, by_nearest)]))
    by_mean, by_nearest = torch.cat(right, 1)
    return _rate(by_mean), _rate(by_nearest)


def _rate(accuracy: Float[Tensor, " episodes"]) -> Rate:
    spread = accuracy.std().item() if len(accuracy) > 1 else 0.0
    return accuracy.mean().item(), 1.96 * spread / math.sqrt(len(accuracy))


def draw_episodes(
    category: Int[Tensor, " views"],
    shape: Int[Tensor, " views"],
    ways: int,
    shots: int,
    episodes: int,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, "episodes ways shots"], Int[Tensor, "episodes ways queries"]]:
    """Views that are shown, and views of further shapes that are asked for, a random view of each shape drawn.

    Example:
        >>> category = torch.arange(3).repeat_interleave(4)
        >>> shown, asked = draw_episodes(category, torch.arange(12), 2, 1, 10)
        >>> shown.shape, asked.shape  # all further shapes, at most 15
        (torch.Size([10, 2, 1]), torch.Size([10, 2, 3]))
    """
    kinds = category.unique().tolist()
    if not 2 <= ways <= len(kinds):
        raise ValueError(f"expected from 2 to {len(kinds)} ways, as many as there are categories, got {ways}; see ways")
    members = [shape[category == kind].unique() for kind in kinds]
    fewest = min(len(one) for one in members)
    if fewest <= shots:
        raise ValueError(f"expected more than {shots} shapes of each category, got {fewest}; take more, or fewer shots")
    count = min(shots + QUERIES, fewest)
    device = category.device

    def random(*size: int) -> Float[Tensor, "..."]:
        return torch.rand(*size, generator=generator).to(device)

    # A random view of each shape for each place it may take, then random shapes of each category, random categories.
    drawn = [members[k][random(episodes, len(members[k])).argsort(1)[:, :count]] for k in range(len(kinds))]
    views = _random_views(torch.stack(drawn, 1), shape, random)
    chosen = random(episodes, len(kinds)).argsort(1)[:, :ways]
    views = views.gather(1, chosen[..., None].expand(-1, -1, count))
    return views[..., :shots], views[..., shots:]


def _random_views(shapes: Int[Tensor, "*shape"], shape: Int[Tensor, " views"], random: Any) -> Int[Tensor, "*shape"]:  # noqa: ANN401
    """A view of each of the shapes, all of its views as likely."""
    order, counts = shape.argsort(stable=True), shape.bincount()
    first = counts.cumsum(0) - counts
    offset = (random(*shapes.shape) * counts[shapes]).long()
    return order[first[shapes] + torch.minimum(offset, counts[shapes] - 1)]


def shape_table(figures: list[ShapeFigures]) -> str:
    """A markdown table in percent, one row for each descriptor.

    Example:
        >>> print(shape_table([ShapeFigures("pixels", 0.3, 0.5, (0.4, 0.01), (0.5, 0.01), (0.5, 0.02))]))
        | descriptor | mAP | nearest neighbour | 1-shot | 5-shot, class mean | 5-shot, nearest |
        |---|---:|---:|---:|---:|---:|
        | pixels | 30.0 | 50.0 | 40.0 ± 1.0 | 50.0 ± 1.0 | 50.0 ± 2.0 |
    """
    head = "| descriptor | mAP | nearest neighbour | 1-shot | 5-shot, class mean | 5-shot, nearest |"
    rows = [head, f"|---|{'---:|' * 5}"]
    for one in figures:
        plain = [f"{100 * share:.1f}" for share in (one.mean_average_precision, one.nearest_neighbour)]
        rates = (one.one_shot, one.five_shot_mean, one.five_shot_nearest)
        plain += [f"{100 * mean:.1f} ± {100 * half:.1f}" for mean, half in rates]
        rows.append(f"| {' | '.join([one.name, *plain])} |")
    return "\n".join(rows)
