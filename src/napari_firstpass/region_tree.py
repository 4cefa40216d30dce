"""Regions joined two by two until one is left: what belongs together at every scale.

Those are joined first whose border shows the weakest contrast and that look most alike; small
regions go before large ones. A region of the tree that reaches far out of a box is hardly what the
box is around, and the smallest one that holds a click and another place tells how far apart the two
are.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.region_graph import RegionGraph

    Values = NDArray[np.float64]

_COLOUR, _LOOK, _CONTRAST = 0.5, 0.15, 1.0
_SIZE = 0.3
"""Power of the smaller region's pixels: large regions are joined later."""


@dataclass(frozen=True, slots=True)
class RegionTree:
    """Which regions were joined, in which order.

    Attributes
    ----------
    pairs : tuple of (int, int)
        The two regions that make up each joined one. The n leaves are 0 … n − 1, those joined are
        numbered from n on.
    pixels : (n + m,) float array
        Sizes of all of them.
    """

    pairs: tuple[tuple[int, int], ...]
    pixels: Values

    @classmethod
    def of(cls, graph: RegionGraph) -> RegionTree:
        """Join the regions of a graph; what does not touch stays apart."""
        joining = _Joining(graph)
        pairs = []
        while (pair := joining.nearest()) is not None:
            pairs.append(pair)
            joining.join(*pair)
        return cls(tuple(pairs), np.array(joining.pixels))

    @property
    def leaves(self) -> int:
        """Number of regions that nothing was joined to yet."""
        return len(self.pixels) - len(self.pairs)

    def sums(self, values: Values) -> Values:
        """Add up values (n,) of the leaves for all regions."""
        total = [*values.tolist(), *([0.0] * len(self.pairs))]
        for at, (one, other) in enumerate(self.pairs, self.leaves):
            total[at] = total[one] + total[other]
        return np.array(total)

    def least_with(self, seeds: NDArray[np.bool_]) -> Values:
        """Return for each leaf the share of all pixels in the smallest region with it and a seed.

        Parameters
        ----------
        seeds : (n,) bool array
            Leaves that count.
        """
        has = [*seeds.tolist(), *([False] * len(self.pairs))]
        for at, (one, other) in enumerate(self.pairs, self.leaves):
            has[at] = has[one] or has[other]
        size = (self.pixels / self.pixels[: self.leaves].sum()).tolist()
        for at, pair in self._downwards():
            for child in pair:
                if not has[child]:
                    size[child] = size[at]
        return np.array(size[: self.leaves])

    def largest_where(self, allowed: NDArray[np.bool_], values: Values) -> Values:
        """Return for each leaf the largest value of the allowed regions that hold it, else 0."""
        best = np.where(allowed, values, 0.0).tolist()
        for at, pair in self._downwards():
            for child in pair:
                best[child] = max(best[child], best[at])
        return np.array(best[: self.leaves])

    def of_largest(self, allowed: NDArray[np.bool_], values: Values) -> Values:
        """Return for each leaf the value of the largest allowed region that holds it, else its own.

        Parameters
        ----------
        allowed : (n + m,) bool array
            Every region that is part of an allowed one must be allowed too.
        values : (n + m,) float array
            Of all regions.
        """
        found, free = values.tolist(), allowed.tolist()
        for at, pair in self._downwards():
            if free[at]:
                for child in pair:
                    found[child] = found[at]
        return np.array(found[: self.leaves])

    def _downwards(self) -> list[tuple[int, tuple[int, int]]]:
        return list(enumerate(self.pairs, self.leaves))[::-1]


class _Joining:
    """Regions while they are being joined."""

    def __init__(self, graph: RegionGraph) -> None:
        self.pixels = graph.pixels.tolist()
        self._colours, self._looks = list(graph.colours), list(graph.looks)
        self._beside: list[dict[int, tuple[float, float]]] = [{} for _ in self.pixels]
        self._live = [True] * graph.count
        ends = graph.ends.tolist()
        borders = zip(graph.borders.tolist(), graph.contrasts.tolist(), strict=True)
        for (one, other), (length, contrast) in zip(ends, borders, strict=True):
            self._beside[one][other] = self._beside[other][one] = length, length * contrast
        self._queue = [(self._cost(one, other), one, other) for one, other in ends]
        heapq.heapify(self._queue)

    def nearest(self) -> tuple[int, int] | None:
        """Return the two regions to join next, None if no two touch."""
        while self._queue:
            _, one, other = heapq.heappop(self._queue)
            if self._live[one] and self._live[other]:
                return one, other
        return None

    def join(self, one: int, other: int) -> None:
        """Make one region of two."""
        new, first, second = len(self.pixels), self.pixels[one], self.pixels[other]
        share = second / (first + second)
        for means in (self._colours, self._looks):
            means.append(means[one] + (means[other] - means[one]) * share)
        self.pixels.append(first + second)
        self._live[one] = self._live[other] = False
        self._live.append(True)
        self._beside.append(self._united(one, other))
        for neighbour, border in self._beside[new].items():
            self._beside[neighbour][new] = border
            heapq.heappush(self._queue, (self._cost(new, neighbour), new, neighbour))

    def _united(self, one: int, other: int) -> dict[int, tuple[float, float]]:
        united: dict[int, tuple[float, float]] = {}
        for old in (one, other):
            for neighbour, (length, total) in self._beside[old].items():
                if self._live[neighbour]:
                    before = united.get(neighbour, (0.0, 0.0))
                    united[neighbour] = before[0] + length, before[1] + total
                    del self._beside[neighbour][old]
        return united

    def _cost(self, one: int, other: int) -> float:
        length, total = self._beside[one][other]
        colour = self._colours[one] - self._colours[other]
        look = self._looks[one] - self._looks[other]
        apart = _COLOUR * float(colour @ colour) ** 0.5 + _LOOK * float(look @ look) ** 0.5
        size = min(self.pixels[one], self.pixels[other]) ** _SIZE
        cost: float = (apart + _CONTRAST * total / length) * size
        return cost
