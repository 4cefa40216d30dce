"""Images too large to hold: levels that read from the file what is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.geotiff import open_raster

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

    from napari_firstpass.raster import Raster
    from napari_firstpass.widgets.looks import Look

HELD_SIDE = 2048
"""Levels of at most so many pixels a side are held in memory: they show the whole image."""

_SMALLEST_SIDE = 512


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid; to napari it looks like an array.

    The file is opened for every read: no handle stays open, and any thread may read.

    Attributes
    ----------
    path : Path
        The file.
    grid : Grid
        Of the whole file.
    look : Look
        What to show.
    stride : int
        Pixels of the file along each side of a pixel of this level.
    dtype : dtype
        Type of the values shown.
    """

    path: Path
    grid: Grid
    look: Look
    stride: int
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W), (H, W, 3) or (H, W, 4)."""
        return *self.grid.coarsen(self.stride).shape, *self.look.channels

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Read rows and columns by slices, as napari asks for them."""
        rows, cols, *channels = key
        top, bottom, row_step = rows.indices(self.shape[0])
        left, right, col_step = cols.indices(self.shape[1])
        pixels = self._read(top, bottom, left, right)
        return pixels[(slice(None, None, row_step), slice(None, None, col_step), *channels)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read the whole level."""
        del copy  # it is a new array each time
        return self[:, :].astype(dtype or self.dtype, copy=False)

    def _read(self, top: int, bottom: int, left: int, right: int) -> NDArray[Any]:
        if bottom <= top or right <= left:
            return np.zeros((0, 0, *self.look.channels), self.dtype)
        row, col = top * self.stride, left * self.stride
        height = min(bottom * self.stride, self.grid.height) - row
        width = min(right * self.stride, self.grid.width) - col
        with open_raster(self.path) as source:
            window = Window(row, col, height, width)
            return self.look.paint(source.read_reduced(window, bottom - top, right - left))


def overview_stride(grid: Grid) -> int:
    """Return the smallest power of two that reduces a grid to at most `HELD_SIDE` a side."""
    stride = 1
    while max(grid.coarsen(stride).shape) > HELD_SIDE:
        stride *= 2
    return stride


def pyramid(path: Path, grid: Grid, look: Look, overview: Raster) -> list[Level | NDArray[Any]]:
    """Return levels from full resolution down, each half as large as the one before.

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid
        Of the whole file.
    look : Look
        What to show.
    overview : Raster
        The file reduced by `overview_stride`; it becomes the first of the levels in memory.
    """
    return levels(path, grid, look, overview_stride(grid), look.paint(overview))


def levels(
    path: Path, grid: Grid, look: Look, stride: int, held: NDArray[Any]
) -> list[Level | NDArray[Any]]:
    """Return levels; ``held``, of this stride, is in memory, and those after it are views of it."""
    found: list[Level | NDArray[Any]] = []
    finer = 1
    while finer < stride:
        found.append(Level(path, grid, look, finer, held.dtype))
        finer *= 2
    while max(held.shape[:2]) > _SMALLEST_SIDE:
        found.append(held)
        held = held[::2, ::2]
    return [*found, held]
