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
    from collections.abc import Iterator

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
    pairs : (m, 2) int64 array
        The two regions that make up each joined one. The n leaves are 0 … n − 1, those joined are
        numbered from n on.
    pixels : (n + m,) float array
        Sizes of all of them.
    levels : tuple of (k,) int64 array
        Which pairs make up regions of the same depth: first those that are part of no other.
    """

    pairs: NDArray[np.int64]
    pixels: Values
    levels: tuple[NDArray[np.int64], ...]

    @classmethod
    def of(cls, graph: RegionGraph) -> RegionTree:
        """Join the regions of a graph; what does not touch stays apart."""
        joining = _Joining(graph)
        pairs = []
        while (pair := joining.nearest()) is not None:
            pairs.append(pair)
            joining.join(*pair)
        ends = np.array(pairs, np.int64).reshape(-1, 2)
        return cls(ends, np.array(joining.pixels), _levels(pairs, graph.count))

    @property
    def leaves(self) -> int:
        """Number of regions that nothing was joined to yet."""
        return len(self.pixels) - len(self.pairs)

    def sums(self, values: Values) -> Values:
        """Add up values (n,) of the leaves for all regions."""
        total = np.concatenate([values, np.zeros(len(self.pairs))])
        for level in self.levels[::-1]:
            total[self.leaves + level] = total[self.pairs[level]].sum(1)
        return total

    def least_with(self, seeds: NDArray[np.bool_]) -> Values:
        """Return for each leaf the share of all pixels in the smallest region with it and a seed.

        Parameters
        ----------
        seeds : (n,) bool array
            Leaves that count.
        """
        has = self.sums(seeds.astype(np.float64)) > 0
        size = self.pixels / self.pixels[: self.leaves].sum()
        for above, below in self._downwards():
            size[below] = np.where(has[below], size[below], size[above])
        shares: Values = size[: self.leaves]
        return shares

    def largest_where(self, values: Values) -> Values:
        """Return for each leaf the largest value of the regions that hold it.

        Parameters
        ----------
        values : (n + m, k) float array
            Of all regions; k questions at the same time.

        Returns
        -------
        (n, k) float array
        """
        best = values.copy()
        for above, below in self._downwards():
            best[below] = np.maximum(best[below], best[above])
        return best[: self.leaves]

    def of_largest(self, allowed: NDArray[np.bool_], values: Values) -> Values:
        """Return for each leaf the value of the largest allowed region that holds it, else its own.

        Parameters
        ----------
        allowed : (n + m, k) bool array
            Every region that is part of an allowed one must be allowed too; k questions.
        values : (n + m,) float array
            Of all regions.

        Returns
        -------
        (n, k) float array
        """
        found = np.repeat(values[:, None], allowed.shape[1], 1)
        for above, below in self._downwards():
            found[below] = np.where(allowed[above], found[above], found[below])
        return found[: self.leaves]

    def cut(self, regions: int) -> NDArray[np.int64]:
        """Return for each leaf which of some regions it is part of, from 0 without gaps.

        Parameters
        ----------
        regions : int
            How many are aimed at; there are more where fewer touch, and no more than leaves.
        """
        joined = max(min(len(self.pairs), self.leaves - regions), 0)
        tops = np.arange(self.leaves + joined)
        for at in range(joined - 1, -1, -1):
            tops[self.pairs[at]] = tops[self.leaves + at]
        found: NDArray[np.int64] = np.unique(tops[: self.leaves], return_inverse=True)[1]
        return found

    def _downwards(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield joined regions and what they are made of, both (2k,), from the largest down."""
        for level in self.levels:
            yield np.repeat(self.leaves + level, 2), self.pairs[level].ravel()


def _levels(pairs: list[tuple[int, int]], leaves: int) -> tuple[NDArray[np.int64], ...]:
    depth = [0] * (leaves + len(pairs))
    for at in range(len(pairs) - 1, -1, -1):
        for child in pairs[at]:
            depth[child] = depth[leaves + at] + 1
    own = np.array(depth[leaves:], np.int64)
    return tuple(np.flatnonzero(own == level) for level in range(int(own.max(initial=-1)) + 1))


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
