"""The first phase of the simulated annotator: clicks that give regions or groups another class."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.evaluation.judging import Judging

# Of two clicks that gain the same the one of the smaller kind is taken.
_GROUP, _REGION = 0, 1


@dataclass(frozen=True, slots=True)
class Counts:
    """How many judged pixels of each class each region has, without the zeros.

    Attributes
    ----------
    region, number, count : (n,) int64 arrays
        ``count[i]`` > 0 pixels of ``region[i]`` are of class ``number[i]``; ascending by region,
        then by class.
    regions : int
        How many regions there are; some may have no judged pixel.
    """

    region: NDArray[np.int64]
    number: NDArray[np.int64]
    count: NDArray[np.int64]
    regions: int

    @classmethod
    def of(cls, regions: NDArray[np.int32], size: int, judging: Judging) -> Counts:
        """Count the pixels of ``size`` regions."""
        width = len(judging.classes)
        codes = regions[judging.judged].astype(np.int64) * width
        pairs, count = np.unique(codes + judging.numbers[judging.judged], return_counts=True)
        return cls(pairs // width, pairs % width, count.astype(np.int64), size)

    def right(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many pixels (R,) are right if the regions have these classes (R,)."""
        right = np.zeros(self.regions, dtype=np.int64)
        hit = self.number == numbers[self.region]
        right[self.region[hit]] = self.count[hit]
        return right

    def most_frequent(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the class (R,) that each region has most of, and how many pixels (R,) of it.

        Of equals the smallest; class 0 with no pixel where nothing is judged.
        """
        order = np.lexsort((-self.number, self.count, self.region))
        last = order[np.flatnonzero(np.diff(self.region[order], append=-1))]
        number, count = np.zeros((2, self.regions), dtype=np.int64)
        number[self.region[last]] = self.number[last]
        count[self.region[last]] = self.count[last]
        return number, count


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What the clicks have led to.

    Attributes
    ----------
    numbers : (R,) int64 array
        Class of each region now.
    clicked : (n,) int64 array
        The region that each click was made in, in order.
    right : int
        Judged pixels that are right now.
    """

    numbers: NDArray[np.int64]
    clicked: NDArray[np.int64]
    right: int


def relabel(
    counts: Counts,
    numbers: NDArray[np.int64],
    groups: NDArray[Any],
    *,
    enough: int,
    min_error: int,
) -> Relabelled:
    """Click where it helps most, until enough is right or no click is worth it.

    A click gives one region the class that most of its judged pixels have, or all regions of a
    group that were not clicked themselves one class. The click that removes the most wrong pixels
    is next. Of equals a group goes before a region, and then the lowest number.

    Parameters
    ----------
    counts : Counts
        Of R regions.
    numbers : (R,) array
        Class of each region at the start; what ``counts`` does not know is wrong everywhere.
    groups : (R,) integer array
        Group of each region.
    enough : int
        Judged pixels right at which the clicking ends.
    min_error : int
        A click that removes no more wrong pixels than this is not made; at least 0.
    """
    greedy = _Greedy(counts, numbers, groups, min_error)
    total = int(greedy.right.sum())
    clicked: list[int] = []
    while total < enough and (best := greedy.next_click()) is not None:
        gain, region = best
        total += gain
        clicked.append(region)
    return Relabelled(greedy.numbers, np.array(clicked, dtype=np.int64), total)


class _Greedy:
    """The clicks that are possible, the best of them always at hand.

    A click changes the gain of few others. Those go onto the heap again, and what is outdated there
    is known by its gain, which is no longer the true one.
    """

    def __init__(
        self,
        counts: Counts,
        numbers: NDArray[np.int64],
        groups: NDArray[Any],
        min_error: int,
    ) -> None:
        self.numbers, self.right = numbers.copy(), counts.right(numbers)
        self._counts, self._min_error = counts, min_error
        self._most, self._most_right = counts.most_frequent()
        names, self._group = np.unique(groups, return_inverse=True)
        self._free = np.ones(counts.regions, dtype=bool)
        self._members = _Rows(self._group, len(names))
        self._pairs_of_group = _Rows(self._group[counts.region], len(names))
        self._pairs_of_region = _Rows(counts.region, counts.regions)
        self._sizes = np.bincount(counts.region, counts.count, counts.regions)
        self._table, self._group_right = self._tables(len(names))
        group_gain = self._table.max(axis=1) - self._group_right
        self._gains = (group_gain, self._most_right - self.right)
        self._heap = [
            (-int(gains[index]), kind, int(index))
            for kind, gains in enumerate(self._gains)
            for index in np.flatnonzero(gains > min_error)
        ]
        heapify(self._heap)

    def _tables(self, groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sum up the regions of each group: pixels (G, C) of a class, and pixels (G,) right."""
        table = np.zeros((groups, int(self._counts.number.max()) + 1), dtype=np.int64)
        np.add.at(
            table, (self._group[self._counts.region], self._counts.number), self._counts.count
        )
        right = np.zeros(groups, dtype=np.int64)
        np.add.at(right, self._group, self.right)
        return table, right

    def next_click(self) -> tuple[int, int] | None:
        """Make the best click; return what it gained and the region it was made in."""
        while self._heap:
            minus_gain, kind, index = heappop(self._heap)
            if self._gains[kind][index] == -minus_gain:
                region = self._click_group(index) if kind == _GROUP else self._click_region(index)
                return -minus_gain, region
        return None

    def _click_region(self, region: int) -> int:
        group = int(self._group[region])
        pairs = self._pairs_of_region[region]
        self._table[group, self._counts.number[pairs]] -= self._counts.count[pairs]
        self._group_right[group] -= self.right[region]
        self._free[region] = False
        self.numbers[region] = self._most[region]
        self.right[region] = self._most_right[region]
        self._update(_REGION, region, 0)
        self._update(_GROUP, group, int(self._table[group].max() - self._group_right[group]))
        return region

    def _click_group(self, group: int) -> int:
        number = int(self._table[group].argmax())
        members = self._members[group]
        free = members[self._free[members]]
        self.numbers[free] = number
        self.right[free] = 0
        pairs = self._pairs_of_group[group]
        hit = pairs[self._counts.number[pairs] == number]
        hit = hit[self._free[self._counts.region[hit]]]
        self.right[self._counts.region[hit]] = self._counts.count[hit]
        self._group_right[group] = self._table[group, number]
        self._update(_GROUP, group, 0)
        gains = self._most_right[free] - self.right[free]
        changed = gains != self._gains[_REGION][free]
        for region, gain in zip(free[changed].tolist(), gains[changed].tolist(), strict=True):
            self._update(_REGION, region, gain)
        return int(free[self._sizes[free].argmax()])

    def _update(self, kind: int, index: int, gain: int) -> None:
        if self._gains[kind][index] != gain:
            self._gains[kind][index] = gain
            if gain > self._min_error:
                heappush(self._heap, (-gain, kind, index))


class _Rows:
    """The positions at which each owner occurs."""

    def __init__(self, owners: NDArray[np.int64], size: int) -> None:
        self._order = np.argsort(owners, kind="stable")
        self._bounds = np.searchsorted(owners[self._order], np.arange(size + 1))

    def __getitem__(self, owner: int) -> NDArray[np.int64]:
        return self._order[self._bounds[owner] : self._bounds[owner + 1]]
