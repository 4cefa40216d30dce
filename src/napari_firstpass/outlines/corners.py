"""Where outlines of regions turn, or meet others: found in 2 × 2 pixels each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

EAST, SOUTH, WEST, NORTH = range(4)
"""Which way an outline goes; the region lies to the right of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """Points of outlines, each once for each region that has it; arrays of one length.

    Attributes
    ----------
    region : int64 array
        Number of the region.
    value : uint16 array
        Its class.
    row, col : int32 arrays
        Position, in corners of pixels: (0, 0) is the top-left one of the image.
    into, out : uint8 arrays
        Which way the outline comes, and goes.
    node : bool array
        Whether outlines of other regions meet there. All regions that touch there have the point,
        so that they still share borders when lines between nodes are changed.
    """

    region: NDArray[np.int64]
    value: NDArray[np.uint16]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    into: NDArray[np.uint8]
    out: NDArray[np.uint8]
    node: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.region)

    def of(self, chosen: NDArray[Any]) -> Self:
        """Return some of them: those at indices, or where a mask holds."""
        return type(self)(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def renumbered(self, numbers: NDArray[np.int64]) -> Self:
        """Return the same with ``numbers[region]`` for each region."""
        return replace(self, region=numbers[self.region])

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return several together."""
        several = list(parts)
        names = [f.name for f in fields(cls)]
        return cls(*(np.concatenate([getattr(p, name) for p in several]) for name in names))


@dataclass(frozen=True, slots=True)
class _Quarter:
    """One of the 2 × 2 pixels around a point, and where an outline goes that turns there.

    ``beside``, ``across`` and ``opposite`` are the places of its neighbours in its row and in its
    column, and of the last. ``convex`` is for a region that has this pixel alone, ``reflex`` for
    one that lacks the opposite one alone.
    """

    place: int
    beside: int
    across: int
    opposite: int
    convex: tuple[int, int]
    reflex: tuple[int, int]


# Places: 0 north-west, 1 north-east, 2 south-west, 3 south-east.
_QUARTERS = (
    _Quarter(3, 2, 1, 0, (NORTH, EAST), (EAST, NORTH)),
    _Quarter(2, 3, 0, 1, (EAST, SOUTH), (SOUTH, EAST)),
    _Quarter(0, 1, 2, 3, (SOUTH, WEST), (WEST, SOUTH)),
    _Quarter(1, 0, 3, 2, (WEST, NORTH), (NORTH, WEST)),
)

# Pairs of pixels along a straight outline, with the two beyond it, and which way it goes.
_SIDES = ((3, 2, 1, 0, EAST), (0, 1, 2, 3, WEST), (0, 2, 1, 3, SOUTH), (3, 1, 2, 0, NORTH))


def corners_of(
    values: NDArray[Any],
    regions: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]],
    top: int,
) -> Corners:
    """Return the corners inside an array of classes.

    Parameters
    ----------
    values : (h + 1, W + 2) integer array
        Classes, 0 for none: the row above, h rows, and a column of 0 on either side.
    regions : callable
        Returns the numbers of the regions at rows and columns of ``values``, integer arrays.
    top : int
        Row of the image in ``values[1]``.
    """
    upper, lower = values[:-1], values[1:]
    level = upper == lower
    plain = level[:, :-1] & level[:, 1:]
    plain |= (upper[:, :-1] == upper[:, 1:]) & (lower[:, :-1] == lower[:, 1:])
    row, col = np.nonzero(~plain)
    around = [values[row + down, col + right] for down in (0, 1) for right in (0, 1)]
    changes = [around[one] != around[other] for one, other in ((0, 1), (1, 3), (3, 2), (2, 0))]
    node = np.sum(changes, axis=0, dtype=np.uint8) >= 3

    def corners(found: NDArray[np.bool_], place: int, into: int, out: int) -> Corners:
        at_row, at_col = row[found], col[found]
        number = regions(at_row + place // 2, at_col + place % 2)
        value = around[place][found].astype(np.uint16)
        return Corners(
            number,
            value,
            (at_row + top).astype(np.int32),
            at_col.astype(np.int32),
            np.full(len(number), into, np.uint8),
            np.full(len(number), out, np.uint8),
            np.asarray(node)[found],
        )

    parts = []
    for quarter in _QUARTERS:
        own, opposite = around[quarter.place], around[quarter.opposite]
        beside = around[quarter.beside] == own
        across = around[quarter.across] == own
        has_class = own > 0
        convex = has_class & ~beside & ~across
        reflex = has_class & beside & across & (opposite != own)
        parts.append(corners(convex, quarter.place, *quarter.convex))
        parts.append(corners(reflex, quarter.place, *quarter.reflex))
    for place, beside_place, one, other, way in _SIDES:
        own, beyond, beyond_too = around[place], around[one], around[other]
        straight = (own > 0) & (around[beside_place] == own) & (beyond != beyond_too)
        straight &= (beyond != own) & (beyond_too != own)
        parts.append(corners(straight, place, way, way))
    return Corners.joined(parts)
