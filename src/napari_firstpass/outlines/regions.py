"""Regions of an image of any size with their outlines, found strip by strip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from napari_firstpass.grid import Window
from napari_firstpass.outlines.corners import Corners, corners_of
from napari_firstpass.outlines.rings import Rings, rings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Regions that are complete.

    Attributes
    ----------
    rings : Rings
        Their outlines; regions are numbered from 0.
    value : (N,) uint16 array
        The class of each.
    pixels : (N,) int64 array
        The size of each.
    box : (N, 4) int64 array
        The smallest window around each: row, col, height, width.
    confidence : (N,) float64 array or None
        The mean of what is known of its pixels, in [0, 255].
    rows : int
        How many rows of the image have been looked at.
    """

    rings: Rings
    value: NDArray[np.uint16]
    pixels: NDArray[np.int64]
    box: NDArray[np.int64]
    confidence: NDArray[np.float64] | None
    rows: int

    def __len__(self) -> int:
        return len(self.value)


def regions_by_strips(
    height: int,
    width: int,
    values: Callable[[Window], NDArray[Any]],
    confidence: Callable[[Window], NDArray[np.uint8] | None] | None = None,
) -> Iterator[Regions]:
    """Find the regions of an image; each comes once it has no pixel in what was not read yet.

    Memory depends on the width of the image and on the outlines of regions that are not complete.

    Parameters
    ----------
    height, width : int
        Size of the image, each below 2**20.
    values : callable
        Returns classes (h, w), from 0 for none to 65535, under a window of whole rows.
    confidence : callable or None
        Returns how sure they are, (h, w), likewise; None where nobody knows.

    Yields
    ------
    Regions
        In order of their last rows, and of their first pixels within a strip. The last one comes
        with ``rows`` at ``height``; some are empty.
    """
    rows = max(_PIXELS_AT_ONCE // width, 1)
    state = _Open.none(width)
    for top in range(0, height, rows):
        window = Window(top, 0, min(rows, height - top), width)
        sure = None if confidence is None else confidence(window)
        state, closed = state.then(values(window), sure, top)
        if window.bottom < height:
            yield _complete(closed, window.bottom)
    _, last = state.then(np.zeros_like(state.values)[None], None, height)
    yield _complete(_Open.together(closed, last), height)


def labelled(values: NDArray[Any]) -> NDArray[np.int32]:
    """Return numbers (h, w) of the regions of an array of classes, from 1; 0 where is none."""
    found: NDArray[np.int32] = label(values, background=0, connectivity=1).astype(np.int32)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """What is known of regions up to a row: numbered from 1, with what was seen of them.

    Attributes
    ----------
    values, regions : (W,) arrays
        The last row: classes, and numbers of regions.
    corners : Corners
        The corners of all regions.
    sure : (N + 1,) float64 array
        The sum of the confidence of each region; entry 0 is nobody's.
    is_known : bool
        Whether there is such a thing.
    """

    values: NDArray[Any]
    regions: NDArray[np.int64]
    corners: Corners
    sure: NDArray[np.float64]
    is_known: bool = False

    @classmethod
    def none(cls, width: int) -> _Open:
        empty = np.zeros((2, width + 2), np.uint8)
        corners = corners_of(empty, lambda row, _: row, 0)
        row = np.zeros(width, np.int64)
        return cls(row.astype(np.uint8), row, corners, np.zeros(1))

    @classmethod
    def together(cls, one: _Open, other: _Open) -> _Open:
        """Join regions of which none is in both."""
        count = len(one.sure) - 1
        moved = other.corners.renumbered(np.arange(len(other.sure)) + count)
        return cls(
            other.values,
            other.regions,
            Corners.joined([one.corners, moved]),
            np.concatenate([one.sure, other.sure[1:]]),
            one.is_known or other.is_known,
        )

    def then(
        self, values: NDArray[Any], confidence: NDArray[np.uint8] | None, top: int
    ) -> tuple[_Open, _Open]:
        """Return what is known after further rows (h, w): what goes on, and what is complete."""
        count, found = len(self.sure) - 1, labelled(values)
        more = int(found.max())
        same = self._renumbered(values[0], found[0], more)
        sure = np.zeros(int(same.max()) + 1)
        np.add.at(sure, same[1 : count + 1], self.sure[1:])
        if confidence is not None:
            sums = np.bincount(found.ravel(), confidence.ravel(), minlength=more + 1)
            np.add.at(sure, same[count + 1 :], sums[1:])

        def number(row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
            before = self.regions[col - 1]
            here = np.where(row > 0, found[np.maximum(row - 1, 0), col - 1] + count, before)
            return same[here]

        padded = np.zeros((len(values) + 1, values.shape[1] + 2), values.dtype)
        padded[0, 1:-1] = self.values
        padded[1:, 1:-1] = values
        new = corners_of(padded, number, top)
        old = self.corners.renumbered(same)
        last = np.where(found[-1] > 0, same[found[-1] + count], 0)
        state = _Open(
            values[-1],
            last,
            Corners.joined([old, new]),
            sure,
            self.is_known or confidence is not None,
        )
        return state._split()

    def _renumbered(
        self, values: NDArray[Any], regions: NDArray[np.int32], more: int
    ) -> NDArray[np.int64]:
        """Return the new number of each region, old ones first, then ``more`` in the rows below."""
        count = len(self.sure) - 1
        touching = (self.values == values) & (values > 0)
        one, other = self.regions[touching], regions[touching].astype(np.int64) + count
        links = coo_array((np.ones(len(one), bool), (one, other)), shape=(count + more + 1,) * 2)
        # 0, which nothing touches, comes first and stays 0.
        group: NDArray[np.int32] = connected_components(links, directed=False)[1]
        return group.astype(np.int64)

    def _split(self) -> tuple[_Open, _Open]:
        """Return what goes on in the next row, and what does not; both are numbered from 1."""
        goes_on = np.zeros(len(self.sure), bool)
        goes_on[self.regions] = True
        goes_on[0] = False
        is_closed = ~goes_on
        is_closed[0] = False
        number = np.where(goes_on, np.cumsum(goes_on), np.cumsum(is_closed))
        number[0] = 0
        corners = self.corners.renumbered(number)
        open_ones = goes_on[self.corners.region]
        goes_on[0] = is_closed[0] = True
        last = number[self.regions]
        return (
            _Open(self.values, last, corners.of(open_ones), self.sure[goes_on], self.is_known),
            _Open(self.values, last, corners.of(~open_ones), self.sure[is_closed], self.is_known),
        )


def _complete(closed: _Open, rows: int) -> Regions:
    """Return finished regions, numbered by their first pixels."""
    corners = closed.corners
    count = len(closed.sure) - 1
    order = np.lexsort((corners.col, corners.row, corners.region))
    first = order[np.flatnonzero(np.diff(corners.region[order], prepend=0))]
    rank = np.empty(count + 1, np.int64)
    by_place = np.lexsort((corners.col[first], corners.row[first]))
    rank[by_place + 1] = np.arange(count)
    rings = rings_of(corners.renumbered(rank))
    bounds = np.searchsorted(rings.region, np.arange(count))
    pixels = np.add.reduceat(rings.areas, bounds) if count else np.zeros(0)
    return Regions(
        rings,
        corners.value[first][by_place],
        pixels.astype(np.int64),
        _boxes(rings, rings.starts[bounds]),
        closed.sure[1:][by_place] / np.maximum(pixels, 1) if closed.is_known else None,
        rows,
    )


def _boxes(rings: Rings, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(starts):
        return np.zeros((0, 4), np.int64)
    low = np.minimum.reduceat(rings.points, starts).astype(np.int64)
    high = np.maximum.reduceat(rings.points, starts).astype(np.int64)
    return np.concatenate([low, high - low], axis=1)
