"""A first pass with one kind of mistake: some squares were taken for what others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, CELL = 384, 48
PLACES = [(row, col) for row in range(8, SIDE, CELL) for col in range(8, SIDE, CELL)]
THREES = [(row, col) for row, col in PLACES if (row // CELL + 2 * (col // CELL)) % 4 == 1]
"""Corners of the squares of 3."""


def square(place: tuple[int, int]) -> tuple[slice, slice]:
    """The pixels of a square by its corner."""
    row, col = place
    return slice(row, row + 32), slice(col, col + 32)


def truth() -> NDArray[np.uint8]:
    """A field of 1, with squares of 2 on it, one in four of them of 3."""
    ids = np.ones((SIDE, SIDE), np.uint8)
    for place in PLACES:
        ids[square(place)] = 3 if place in THREES else 2
    return ids


def first_pass() -> NDArray[np.uint8]:
    """The same, with 2 in place of 3."""
    ids = truth()
    return np.where(ids == 3, 2, ids).astype(np.uint8)


def corrected(count: int) -> NDArray[np.uint8]:
    """What was made, with the first squares of 3 made right."""
    ids = first_pass()
    for place in THREES[:count]:
        ids[square(place)] = 3
    return ids
