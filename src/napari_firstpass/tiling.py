"""Cutting rasters into windows: to compute on all of them, and to sample them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.config import ENOUGH_OVERLAP, WINDOW_STEP
from napari_firstpass.grid import Grid, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

_WINDOW_BYTES = 400 * 2**20
_WORK_BYTES = 2 * _WINDOW_BYTES
"""For windows that are computed at the same time."""
_BYTES_PER_VALUE = 12
"""Raw values and their stretched copies, in the worst case."""
_BYTES_PER_SCORE = 1.5
"""Probabilities, and what colours say of them, for each 4 x 4 pixels."""
_BYTES_PER_FEATURE = 12
"""Features, a centred copy and the scaled ones."""
_BYTES_PER_PIXEL = 70
"""Textures at full resolution and features, of backbones that make few."""
_LEAST_WINDOW = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """A window to fill, and the larger one to compute so that its border has context."""

    core: Window
    padded: Window


def tiles(grid: Grid, *, window: int, overlap: int) -> tuple[Tile, ...]:
    """Cut a grid into tiles, row by row; their cores cover every pixel once.

    Parameters
    ----------
    grid : Grid
        What to cut.
    window, overlap : int
        Side of a core and context around it, in pixels.

    Returns
    -------
    tuple of Tile
        A last row or column narrower than the overlap is joined to the one before it, so that no
        sliver is computed on its own.
    """
    return tuple(
        Tile(core, core.grown(overlap, height=grid.height, width=grid.width))
        for top, bottom in _spans(grid.height, window, overlap)
        for left, right in _spans(grid.width, window, overlap)
        for core in (Window(top, left, bottom - top, right - left),)
    )


def _spans(length: int, window: int, overlap: int) -> list[tuple[int, int]]:
    edges = [*range(0, length, window), length]
    if len(edges) > 2 and edges[-1] - edges[-2] < max(overlap, WINDOW_STEP):
        del edges[-2]
    return list(pairwise(edges))


def spread_windows(grid: Grid, *, side: int, limit: int, seed: int) -> tuple[Window, ...]:
    """Choose windows spread over a grid, for fitting.

    The grid is divided into at most ``limit`` nearly square blocks, of about ``side`` pixels or
    more, and one window is drawn in each: even coverage without the moiré of a regular grid. The
    choice depends on the size of the grid and the seed alone, never on how the grid is computed
    later.

    Parameters
    ----------
    grid : Grid
        What to sample.
    side : int
        Side of the windows in pixels, clipped to the grid.
    limit : int
        Largest number of windows.
    seed : int
        Drives the draw.

    Returns
    -------
    tuple of Window
        Corners lie at multiples of 16 pixels.
    """
    rows, cols = _blocks(grid, side, limit)
    rng = np.random.default_rng(seed)
    return tuple(
        Window(
            _draw(rng, grid.height, side, r, rows),
            _draw(rng, grid.width, side, c, cols),
            min(side, grid.height),
            min(side, grid.width),
        )
        for r in range(rows)
        for c in range(cols)
    )


def _blocks(grid: Grid, side: int, limit: int) -> tuple[int, int]:
    """Return how many blocks to make along rows and columns."""
    rows, cols = max(1, round(grid.height / side)), max(1, round(grid.width / side))
    if rows * cols <= limit:
        return rows, cols
    shrink = (limit / (rows * cols)) ** 0.5
    few_rows = min(max(1, int(rows * shrink)), limit)
    return few_rows, max(1, min(cols, limit // few_rows))


def _draw(rng: np.random.Generator, length: int, side: int, index: int, count: int) -> int:
    """Draw a window's first row (or column) inside block ``index`` of ``count``."""
    low = index * length // count
    high = (index + 1) * length // count - side
    start = int(rng.integers(low, high + 1)) if high > low else min(low, max(length - side, 0))
    return max(0, start // WINDOW_STEP * WINDOW_STEP)


def affordable(
    window: int, overlap: int, *, bands: int, classes: int, features: float = 0.0
) -> tuple[int, int]:
    """Return a window and an overlap, at most those given, that fit a fixed share of memory.

    The result of a run does not depend on the window, so a large one, an image with many bands, or
    a run with very many classes, may be computed in smaller ones: of 3 bands in windows of about
    1700 pixels at most. An overlap of more than 64 pixels gives way too: it adds nothing.

    Parameters
    ----------
    window, overlap : int
        Side of a window and context around it, in pixels.
    bands, classes : int
        How many there are.
    features : float
        Numbers in a vector, divided by the pixels of its cell. Up to 5 change nothing: a network
        has 1.5 (384 for 16 x 16 pixels) to 16 (1024 for 8 x 8), upsampled ones have 24 to 64.
    """
    per_pixel = _bytes_per_pixel(bands, classes, features)
    while (window + 2 * overlap) ** 2 * per_pixel > _WINDOW_BYTES and window > _LEAST_WINDOW:
        window = max(window // 2 // WINDOW_STEP * WINDOW_STEP, _LEAST_WINDOW)
        overlap = min(overlap, max(window // 2, ENOUGH_OVERLAP))
    return window, overlap


def at_once(cuts: Sequence[Tile], *, bands: int, classes: int, features: float = 0.0) -> int:
    """Return how many tiles may be computed at the same time: 1 or more, for their memory."""
    pixels = max((tile.padded.height * tile.padded.width for tile in cuts), default=1)
    needed = pixels * _bytes_per_pixel(bands, classes, features)
    return max(1, min(len(cuts), int(_WORK_BYTES / needed)))


def _bytes_per_pixel(bands: int, classes: int, features: float) -> float:
    described = max(_BYTES_PER_PIXEL, features * _BYTES_PER_FEATURE)
    return bands * _BYTES_PER_VALUE + classes * _BYTES_PER_SCORE + described
