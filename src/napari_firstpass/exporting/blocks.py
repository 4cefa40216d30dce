"""Chips for training: which part of an image is for what, and where chips are cut.

Parts are decided on first, chips are cut inside them afterwards: so no pixel that a network is
judged on can be in a chip that it has learned from, however much chips overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import OptionError
from napari_firstpass.grid import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.grid import Grid

SPLITS = ("train", "val", "test")

_BLOCK = 4
"""Chips along the side of a block."""
_ENOUGH = 20
"""Blocks that a split needs to come near the shares that were asked for."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of an image, and what it is for: one of `SPLITS`."""

    window: Window
    split: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A square that is cut out.

    Attributes
    ----------
    window : Window
        Its pixels in the image; where it is smaller than the chip, the rest is padding below and on
        the right.
    split : str
        One of `SPLITS`.
    """

    window: Window
    split: str

    @property
    def key(self) -> str:
        """Its place, for its name."""
        return f"r{self.window.row:06d}_c{self.window.col:06d}"


def parse_shares(text: str) -> tuple[float, ...]:
    """Read ``0.8,0.1,0.1``: how much is for training, validation and test; they add up to 1.

    Raises
    ------
    OptionError
        If these are not up to three numbers with a positive sum.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if not 1 <= len(shares) <= len(SPLITS) or min(shares) < 0 or not 0 < sum(shares) < np.inf:
        raise OptionError(
            expected="split as shares of train, val and test, such as 0.8,0.1,0.1",
            found=repr(text),
            remedy="correct it",
        )
    padded = (*shares, *[0.0] * (len(SPLITS) - len(shares)))
    return tuple(share / sum(shares) for share in padded)


def block_side(grid: Grid, size: int, shares: Sequence[float]) -> int:
    """Return how large blocks are by themselves: some chips wide, but enough of them."""
    if sum(share > 0 for share in shares) < 2:
        return size * -(-max(grid.shape) // size)  # one block: nothing is kept apart
    sides = [size * count for count in range(_BLOCK, 0, -1)]
    return next((side for side in sides if len(_corners(grid, side)) >= _ENOUGH), size)


def blocks_of(grid: Grid, side: int, shares: Sequence[float], seed: int) -> tuple[Block, ...]:
    """Divide an image into blocks and deal them out.

    Parameters
    ----------
    grid : Grid
        The image.
    side : int
        Side of a block in pixels; those at the right and at the bottom may be smaller.
    shares : sequence of 3 float
        See `parse_shares`. Of as many blocks as there are splits or more, each split gets one.
    seed : int
        Drives the draw.

    Raises
    ------
    OptionError
        If there are fewer blocks than splits.
    """
    windows = [
        Window(row, col, min(side, grid.height - row), min(side, grid.width - col))
        for row, col in _corners(grid, side)
    ]
    counts = _dealt(len(windows), shares)
    names = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    order = np.random.default_rng(seed).permutation(len(windows))
    split_of = {int(place): name for place, name in zip(order, names, strict=True)}
    return tuple(Block(window, split_of[i]) for i, window in enumerate(windows))


def chips_of(
    blocks: Sequence[Block], size: int, stride: int, *, edges: str = "pad"
) -> tuple[Chip, ...]:
    """Cut chips out of blocks, row by row of the image; none leaves its block.

    Parameters
    ----------
    blocks : sequence of Block
        Where to cut.
    size, stride : int
        Side of a chip, and the step from one to the next, in pixels.
    edges : str
        What happens to a rest that is narrower than a chip: ``pad`` fills it up, ``shift`` moves
        the chip back into the block (where it is large enough), ``drop`` leaves the rest out.
    """
    chips = [
        Chip(Window(row, col, min(size, inside.bottom - row), min(size, inside.right - col)), name)
        for block in blocks
        for inside, name in ((block.window, block.split),)
        for row, col in product(
            _starts(inside.row, inside.height, size, stride, edges),
            _starts(inside.col, inside.width, size, stride, edges),
        )
    ]
    return tuple(sorted(chips, key=lambda chip: (chip.window.row, chip.window.col)))


def _corners(grid: Grid, side: int) -> list[tuple[int, int]]:
    return list(product(range(0, grid.height, side), range(0, grid.width, side)))


def _starts(first: int, length: int, size: int, stride: int, edges: str) -> list[int]:
    """Return where chips begin along one side of a block."""
    starts = list(range(0, max(length - size, 0) + 1, stride))
    reached = starts[-1] + size
    if length < size and edges == "drop":
        starts = []
    elif reached < length and starts[-1] + stride < length and edges == "pad":
        starts.append(starts[-1] + stride)
    elif reached < length and edges == "shift":
        starts.append(length - size)
    return [first + start for start in starts]


def _dealt(count: int, shares: Sequence[float]) -> list[int]:
    """Return how many blocks each split gets: as near to its share as can be, but one at least."""
    wanted = [share > 0 for share in shares]
    if count < sum(wanted):
        raise OptionError(
            expected=f"an image of {sum(wanted)} blocks or more, one for each part of the split",
            found=f"{count}",
            remedy="make chips or blocks smaller, or write split=1 to have no parts",
        )
    dealt = [int(has_any) for has_any in wanted]
    for _ in range(count - sum(dealt)):
        # The split that lags furthest behind its share is next.
        lag = [share * count - has for share, has in zip(shares, dealt, strict=True)]
        dealt[int(np.argmax(lag))] += 1
    return dealt
