"""Corners put in order: rings around regions, and around holes in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.outlines.corners import EAST, NORTH, SOUTH, WEST, Corners

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIMIT = 2**20  # more than rows or columns, so that (region, row, col) fits one number


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Rings, those of a region one after the other, the outer one first.

    The region lies to the right: seen in the image, outer rings go clockwise and holes do not.

    Attributes
    ----------
    points : (P, 2) float64 array
        Positions (row, col) in corners of pixels; the last point of a ring is not its first.
    node : (P,) bool array
        Where other regions meet the outline.
    starts : (R + 1,) int64 array
        Where each ring starts in ``points``; the last is P.
    region : (R,) int64 array
        Number of the region, not decreasing.
    """

    points: NDArray[np.float64]
    node: NDArray[np.bool_]
    starts: NDArray[np.int64]
    region: NDArray[np.int64]

    @property
    def ring(self) -> NDArray[np.int64]:
        """The ring that each point belongs to, (P,)."""
        return np.repeat(np.arange(len(self.region)), np.diff(self.starts))

    @property
    def following(self) -> NDArray[np.int64]:
        """The point after each in its ring, (P,)."""
        after = np.arange(1, len(self.points) + 1)
        after[self.starts[1:] - 1] = self.starts[:-1]
        return after

    @property
    def areas(self) -> NDArray[np.float64]:
        """What each ring encloses, in pixels; holes are negative. (R,)."""
        row, col = self.points.T
        after = self.following
        cross = col * row[after] - col[after] * row
        return np.add.reduceat(cross, self.starts[:-1]) / 2 if len(cross) else np.zeros(0)


def rings_of(corners: Corners) -> Rings:
    """Return the rings of regions whose corners are complete.

    Numbers of regions are below 2**23, rows and columns below 2**20.
    """
    region, row, col = corners.region, corners.row.astype(np.int64), corners.col.astype(np.int64)
    order = np.argsort((region * _LIMIT + row) * _LIMIT + col, kind="stable")
    corners = corners.of(order)
    region, row, col = region[order], row[order], col[order]
    after = _linked(region, row, col, corners.into, _uncrossed(region, row, col, corners.out))
    points = np.stack([row, col], axis=1).astype(np.float64)
    # The first of a ring's corners here is where it starts: the leftmost of its topmost ones.
    return _outer_first(ordered_rings(points, corners.node, region, after))


def ordered_rings(
    points: NDArray[np.float64],
    node: NDArray[np.bool_],
    region: NDArray[np.int64],
    after: NDArray[np.int64],
) -> Rings:
    """Return rings of points that are linked in circles.

    Parameters
    ----------
    points : (P, 2) float64 array
        Positions; the first point of a circle is where its ring starts, and rings come in the
        order of their starts.
    node : (P,) bool array
        See `Rings`.
    region : (P,) int64 array
        Whose each point is.
    after : (P,) int64 array
        The index of the next point.
    """
    first, rank = _ranked(after, int(np.bincount(region).max()) if len(region) else 0)
    order = np.lexsort((-rank, first))
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    starts = np.append(starts, len(order)).astype(np.int64)
    return Rings(points[order], node[order], starts, region[first[order][starts[:-1]]])


def _uncrossed(
    region: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """Return which way outlines go on where a region touches itself with a corner.

    There a ring turns away from where it came from, so that none touches itself: what lies on the
    other side is a hole, or a bay, of its own.
    """
    same = (region[1:] == region[:-1]) & (row[1:] == row[:-1]) & (col[1:] == col[:-1])
    one = np.flatnonzero(same)
    out = out.copy()
    out[one], out[one + 1] = out[one + 1], out[one]
    return out


def _linked(
    region: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    into: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Return the corner after each one: in a line, ends and beginnings take turns."""
    after = np.empty(len(region), np.int64)
    by_col = np.argsort((region * _LIMIT + col) * _LIMIT + row, kind="stable")
    for way in (EAST, WEST):
        after[np.flatnonzero(out == way)] = np.flatnonzero(into == way)
    for way in (SOUTH, NORTH):
        after[by_col[out[by_col] == way]] = by_col[into[by_col] == way]
    return after


def _ranked(after: NDArray[np.int64], longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first corner of each one's ring, and how many are left to the ring's end."""
    first, jump = np.arange(len(after)), after
    for _ in range(longest.bit_length()):
        first = np.minimum(first, first[jump])
        jump = jump[jump]
    is_last = after == first
    jump = np.where(is_last, np.arange(len(after)), after)
    left = np.where(is_last, 0, 1)
    for _ in range(longest.bit_length()):
        left = left + left[jump]
        jump = jump[jump]
    return first, left


def _outer_first(rings: Rings) -> Rings:
    is_hole = rings.areas < 0
    return chosen(rings, np.lexsort((np.arange(len(is_hole)), is_hole, rings.region)))


def chosen(rings: Rings, which: NDArray[Any]) -> Rings:
    """Return some rings, in the order of their indices."""
    lengths = np.diff(rings.starts)[which]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    index = np.arange(starts[-1]) + np.repeat(rings.starts[:-1][which] - starts[:-1], lengths)
    return Rings(rings.points[index], rings.node[index], starts, rings.region[which])
