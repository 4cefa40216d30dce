"""How many classes a sample holds: as many as stand apart more clearly than chance has it.

Cells are parted into two halves of the images. On each half, centres are looked for by k-means,
for every number of classes; the other half tells how well they fit it: each of its cells has a
nearest centre, at a distance a, and a second nearest, at b, and the mean of 1 - a/b is a silhouette
(Rousseeuw 1987, with centres instead of all other members). Few centres fit any long cloud of
vectors, classes or none. So the same is done with a shapeless cloud that spreads as the vectors do
(an idea of the gap statistic: Tibshirani, Walther and Hastie 2001). If that reaches c, the score of
a silhouette s is s - c (1 - s): the less clear it is, the more chance counts. Halves that judge
each other are an idea of Tibshirani and Walther (2005). No labels are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from napari_firstpass.clustering import moved, require_distinct, squared_distances
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.features import FeatureMap

FEWEST, MOST = 2, 20
CRITERION = "silhouette beyond chance"

_Halves: TypeAlias = "tuple[Tensor, Tensor]"

_AS_GOOD, _NEAR = 0.97, 0.95
"""Shares of the best score: of a number that is as good, and of one that is worth a look."""
_OTHERS = 2
_SPLITS = 4
_HALF = 3000
_POOL = 32_000
_BLOCK = 8
_ENOUGH_BLOCKS = 32
_CHANNELS = 32
"""The first ones vary most (`normalize.FeatureScaler`)."""
_CHAINS = 2
_TRIALS = 6
_ROUNDS = 12
_AT_REST = 1e-3


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How many classes there are, and how well other numbers fit.

    Attributes
    ----------
    classes : int
        The suggestion.
    curve : tuple of (int, float)
        Numbers of classes, from 2 on, with their scores: 1 is as clear as can be.
    criterion : str
        What the scores are.
    """

    classes: int
    curve: tuple[tuple[int, float], ...]
    criterion: str = CRITERION

    @classmethod
    def best_of(cls, scores: Sequence[float]) -> ClassCount:
        """Choose by the scores of 2, 3, … classes: the fewest that are about as good as the best.

        Where more classes do not stand apart more clearly, fewer are enough. Where no score is
        above 0, or there are none, that is 2.
        """
        curve = tuple((FEWEST + place, round(score, 4)) for place, score in enumerate(scores))
        enough = _AS_GOOD * max((score for _, score in curve), default=0.0)
        good = (classes for classes, score in curve if score >= enough > 0)
        return cls(next(good, FEWEST), curve)

    @property
    def also(self) -> tuple[int, ...]:
        """Up to two other numbers that are nearly as good, and better than their neighbours."""
        scores = [0.0, *(score for _, score in self.curve), 0.0]
        peaks = [
            (-score, number)
            for (number, score), before, after in zip(self.curve, scores, scores[2:], strict=False)
            if score > 0 and score >= max(before, after, _NEAR * max(scores))
        ]
        others = sorted(peak for peak in peaks if peak[1] != self.classes)
        return tuple(sorted(number for _, number in others[:_OTHERS]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into JSON."""
        return {
            "classes": self.classes,
            "also": list(self.also),
            "criterion": self.criterion,
            "curve": [list(point) for point in self.curve],
        }


def suggest_steps(sample: Sequence[FeatureMap], seed: int) -> Steps[ClassCount]:
    """Suggest how many classes a sample holds, from 2 to 20.

    Parameters
    ----------
    sample : sequence of FeatureMap
        What segmenters get, see `Segmenter`.
    seed : int
        Drives the choice of cells, halves and first centres.

    Raises
    ------
    ImageContentError
        If all cells are the same.
    """
    rng = np.random.default_rng(seed)
    cells, blocks = _pool(sample, rng)
    require_distinct(cells, FEWEST)
    pairs = [_halves(cells, blocks, rng) for _ in range(_SPLITS)] + [_clouds(cells, rng)]
    curves: list[list[float]] = []
    for done, halves in enumerate(pairs):
        span = Span(done, done + 1, len(pairs))
        curves.append((yield from relay(_curve(halves, rng), span)))
    # A half with few different cells has room for few centres only.
    table = np.array([curve[: min(map(len, curves))] for curve in curves])
    seen, chance = table[:_SPLITS].mean(0), table[_SPLITS]
    return ClassCount.best_of((seen - chance * (1 - seen)).tolist())


def _pool(
    sample: Sequence[FeatureMap], rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.int64]]:
    """Draw cells from all over a sample: vectors (n, D), and the block (n,) of each."""
    share = _POOL / max(1, sum(int(window.valid.sum()) for window in sample))
    side = _side_of_blocks(sample)
    vectors, blocks, first = [], [], 0
    for window in sample:
        valid = np.flatnonzero(window.valid.cpu().numpy())
        drawn = np.sort(rng.permutation(valid)[: max(1, round(share * len(valid)))])
        rows, cols = np.divmod(drawn, window.grid.width)
        across = -(-window.grid.width // side)
        vectors.append(window.vectors[:_CHANNELS].flatten(1)[:, drawn].T.cpu())
        blocks.append(first + rows // side * across + cols // side)
        first += across * -(-window.grid.height // side)
    return torch.cat(vectors), np.concatenate(blocks)


def _side_of_blocks(sample: Sequence[FeatureMap]) -> int:
    """Return the side of blocks, in cells; of a small sample, they are smaller."""
    area = sum(window.grid.height * window.grid.width for window in sample)
    side = _BLOCK
    while side > 1 and area // side**2 < _ENOUGH_BLOCKS:
        side //= 2
    return side


def _halves(cells: Tensor, blocks: NDArray[np.int64], rng: np.random.Generator) -> _Halves:
    """Part cells into two; neighbours, which are alike, stay together."""
    side = rng.permutation(int(blocks.max()) + 1) % 2
    one, other = (
        np.sort(rng.permutation(np.flatnonzero(side[blocks] == half))[:_HALF]) for half in (0, 1)
    )
    return cells[one], cells[other]


def _clouds(cells: Tensor, rng: np.random.Generator) -> _Halves:
    """Return two halves of a cloud without classes that spreads as the cells do."""
    centred = cells.double() - cells.double().mean(0)
    values, directions = torch.linalg.eigh(centred.T @ centred / len(cells))
    spread = (directions * values.clamp_min(0).sqrt()).T
    size = min(_HALF, -(-len(cells) // 2))
    one, other = (torch.from_numpy(rng.normal(size=(size, len(spread)))) @ spread for _ in (0, 1))
    return one.float(), other.float()


def _curve(halves: _Halves, rng: np.random.Generator) -> Steps[list[float]]:
    """Return how well centres of one half fit the other: silhouettes of 2, 3, … classes."""
    one, other = halves
    if min(len(one), len(other)) == 0:
        return []
    first = yield from relay(_centres(one, rng), Span(0, 1, 2))
    second = yield from relay(_centres(other, rng), Span(1, 2, 2))
    pairs = zip(first, second, strict=False)
    return [(_silhouette(other, a) + _silhouette(one, b)) / 2 for a, b in pairs]


def _silhouette(cells: Tensor, centres: Tensor) -> float:
    nearest = squared_distances(cells, centres).topk(2, largest=False).values.sqrt()
    return float((1 - nearest[:, 0] / nearest[:, 1].clamp_min(1e-9)).mean())


def _centres(cells: Tensor, rng: np.random.Generator) -> Steps[list[Tensor]]:
    """Return the tightest centres found for 2, 3, … classes, as far as cells differ."""
    best: list[tuple[float, Tensor]] = []
    for chain in range(_CHAINS):
        yield Progress(chain, _CHAINS, "looking how many classes there are")
        grown = _grown(cells, rng)
        both = zip(best, grown, strict=False)
        best = [min(pair, key=lambda kept: kept[0]) for pair in both] if best else grown
    return [centres for _, centres in best]


def _grown(cells: Tensor, rng: np.random.Generator) -> list[tuple[float, Tensor]]:
    """Return spread and centres of 2, 3, … classes; each has one centre more than the last."""
    centres = cells[int(rng.integers(len(cells)))][None]
    grown: list[tuple[float, Tensor]] = []
    while len(centres) < min(MOST, len(cells)):
        distances = squared_distances(cells, centres).min(1).values
        ladder = distances.double().cumsum(0).numpy()
        if ladder[-1] <= 0:
            break
        drawn = np.searchsorted(ladder, rng.random(_TRIALS) * ladder[-1], side="right")
        tried = cells[drawn.clip(0, len(cells) - 1)]
        left = torch.minimum(distances[:, None], squared_distances(cells, tried)).sum(0)
        centres = torch.cat([centres, tried[int(left.argmin())][None]])
        spread, centres = _settled(cells, centres)
        grown.append((spread, centres))
    return grown


def _settled(cells: Tensor, centres: Tensor) -> tuple[float, Tensor]:
    """Move centres until they rest (Lloyd 1982); return their spread, and where they are."""
    weights, spread = torch.ones(len(cells)), float("inf")
    for _ in range(_ROUNDS):
        before = spread
        centres, spread = moved(cells, weights, centres)
        if before - spread <= _AT_REST * spread:
            break
    return spread, centres
