"""Reading images at another size of pixels, and bringing labels back to their own."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from scipy.sparse import csr_array

from napari_firstpass.grid import Grid, Window
from napari_firstpass.normalize import usable
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.protocols import LabelSink
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.segmentation import Labels

_VALUES = 2**22
"""Pixels of the image that are held at once, while they are averaged or labelled; fewer of images
with more than a few bands."""

_BANDS = 4

_HELD_BYTES = 128 * 2**20
"""Images that are no larger after resampling are read once and kept."""

_BLOCK = 64
"""Side, in cells, of the squares that are known to hold gaps or not."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Rows or columns of an image, and those that are made of them: *cells*.

    Both cover the same length. All borders and weights are whole numbers, so that what a cell is
    does not depend on where a window begins.

    Attributes
    ----------
    pixels, cells : int
        How many there are along the axis; positive.
    """

    pixels: int
    cells: int

    @property
    def is_coarser(self) -> bool:
        """Whether cells are at least as large as pixels: then they are means over their area."""
        return self.cells <= self.pixels

    @property
    def _sides(self) -> tuple[int, int]:
        """Sides of a pixel and of a cell, in a unit that divides both."""
        common = gcd(self.pixels, self.cells)
        return self.cells // common, self.pixels // common

    @property
    def weight(self) -> int:
        """What the weights of each cell sum to."""
        pixel, cell = self._sides
        return cell if self.is_coarser else 2 * pixel

    def taps(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which pixels the cells ``start`` … ``stop`` are made of, and their weights.

        Returns
        -------
        pixels, weights : (stop - start, T) int64 array
            For a cell that is no smaller than a pixel, how much of each it covers; for a smaller
            one, the two pixels whose centres lie around its own, by their distance. A pixel beyond
            the border is the last one.
        """
        pixel, cell = self._sides
        cells = np.arange(start, stop, dtype=np.int64)
        if not self.is_coarser:
            centre = (2 * cells + 1) * cell - pixel
            first, rest = np.divmod(centre, 2 * pixel)
            taps = first[:, None] + np.arange(2)
            weights = np.stack([2 * pixel - rest, rest], axis=1)
            return taps.clip(0, self.pixels - 1), weights
        low = cells * cell
        first, last = low // pixel, (low + cell - 1) // pixel
        taps = first[:, None] + np.arange(int((last - first).max()) + 1)
        ends = np.minimum((taps + 1) * pixel, (low + cell)[:, None])
        weights = (ends - np.maximum(taps * pixel, low[:, None])).clip(0)
        return np.minimum(taps, last[:, None]), weights

    def owned(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first pixel whose centre lies in the cells from ``start`` on, and the end."""
        return self._first(start), self._first(stop)

    def _first(self, cell: int) -> int:
        # (2 p + 1) · cells ≥ 2 · cell · pixels, for the smallest p
        return -((self.cells - 2 * cell * self.pixels) // (2 * self.cells))

    def cells_of(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return in which cells the centres of the pixels ``start`` … ``stop`` lie."""
        return (2 * np.arange(start, stop, dtype=np.int64) + 1) * self.cells // (2 * self.pixels)


class ResampledSource:
    """A `RasterSource` over another one, with larger or smaller pixels.

    Larger pixels are means over the area that they cover, smaller ones blend their neighbours; gaps
    do not count, and what touches data at all is valid. Values keep their type; of whole numbers
    the means are exact, and rounded. What is read does not depend on the window, to the bit.

    Parameters
    ----------
    source : RasterSource
        The image.
    height, width : int
        The size that it is to have.

    Attributes
    ----------
    source : RasterSource
        The image.
    rows, cols : Axis
        Its axes.
    grid : Grid
        The same place in pixels of another size.
    """

    def __init__(self, source: RasterSource, height: int, width: int) -> None:
        own = source.grid
        self.source = source
        self.rows, self.cols = Axis(own.height, height), Axis(own.width, width)
        zoom = Affine.scale(own.width / width, own.height / height)
        self.grid = Grid(height, width, own.transform @ zoom, own.crs)
        self._ragged: set[tuple[int, int]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Band names."""
        return self.source.names

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """Band roles."""
        return self.source.roles

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.source.dtype

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window, which must lie inside the grid.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid.
        """
        grid = self.grid.crop(window)
        bands = np.empty((len(self.names), *grid.shape), self.dtype)
        valid = np.empty(grid.shape, dtype=bool)
        for strip in self._strips(window):
            rows, _ = strip.relative_to(window).slices
            bands[:, rows], valid[rows] = self._read(strip)
        return Raster(bands, valid, grid, self.names, self.roles)

    def held_steps(self) -> Steps[RasterSource]:
        """Read the whole image, where it is small enough to be kept; else return this source.

        So each pixel of a file is read once, and not again for every window around it.
        """
        size = self.grid.height * self.grid.width * len(self.names) * self.dtype.itemsize
        if size > _HELD_BYTES:
            return self
        bands = np.empty((len(self.names), *self.grid.shape), self.dtype)
        valid = np.empty(self.grid.shape, dtype=bool)
        for strip in self._strips(self.grid.window):
            yield Progress(strip.row, self.grid.height, "resampling")
            rows, _ = strip.slices
            bands[:, rows], valid[rows] = self._read(strip)
        return ArraySource(Raster(bands, valid, self.grid, self.names, self.roles))

    def ragged(self, window: Window) -> Iterator[Window]:
        """Yield the parts of a window whose pixels were found to cover gaps beside data.

        Only what was read before is known.
        """
        for row in _blocks(window.row, window.bottom):
            for col in _blocks(window.col, window.right):
                block = Window(row * _BLOCK, col * _BLOCK, _BLOCK, _BLOCK)
                if (row, col) in self._ragged and (part := _common(block, window)):
                    yield part

    def _strips(self, window: Window) -> Iterator[Window]:
        """Cut a window into strips that cover a bounded number of pixels of the image."""
        scale = self.rows.pixels / self.rows.cells * self.cols.pixels / self.cols.cells
        each = window.width * max(scale, 1.0) * max(len(self.names) / _BANDS, 1.0)
        height = max(1, int(_VALUES / each))
        for top in range(window.row, window.bottom, height):
            yield Window(top, window.col, min(height, window.bottom - top), window.width)

    def _read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        rows = _Weights.of(self.rows, window.row, window.bottom)
        cols = _Weights.of(self.cols, window.col, window.right)
        covered = Window(rows.first, cols.first, rows.count, cols.count)
        raster = usable(self.source.read(covered))
        whole = float(self.rows.weight) * self.cols.weight
        weight: NDArray[np.float64] | float = whole
        valid = np.ones((window.height, window.width), dtype=bool)
        gaps = None
        if not raster.valid.all():
            gaps = ~raster.valid
            weight = _summed(rows, raster.valid.astype(np.float64), cols)
            valid = weight > 0
            self._note_ragged(window, valid & (weight < whole))
            weight[~valid] = 1  # their sums are zero
        bands = np.empty((len(raster.bands), *valid.shape), self.dtype)
        for target, band in zip(bands, raster.bands, strict=True):
            values = band.astype(np.float64)
            if gaps is not None:
                values[gaps] = 0
            means = _summed(rows, values, cols) / weight
            target[...] = means if self.dtype.kind == "f" else np.rint(means)
        return bands, valid

    def _note_ragged(self, window: Window, where: NDArray[np.bool_]) -> None:
        rows, cols = np.nonzero(where)
        blocks = np.stack([rows + window.row, cols + window.col], axis=1) // _BLOCK
        self._ragged.update((row, col) for row, col in np.unique(blocks, axis=0).tolist())


def _blocks(start: int, stop: int) -> range:
    return range(start // _BLOCK, (stop - 1) // _BLOCK + 1)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Weights of ``count`` pixels from ``first`` on, as a sparse matrix (cells, count)."""

    first: int
    count: int
    matrix: csr_array

    @classmethod
    def of(cls, axis: Axis, start: int, stop: int) -> _Weights:
        pixels, weights = axis.taps(start, stop)
        first, count = int(pixels.min()), int(np.ptp(pixels)) + 1
        heads = np.arange(0, pixels.size + 1, pixels.shape[1])
        entries = (weights.ravel().astype(np.float64), pixels.ravel() - first, heads)
        return cls(first, count, csr_array(entries, shape=(stop - start, count)))


def _summed(rows: _Weights, values: NDArray[np.float64], cols: _Weights) -> NDArray[np.float64]:
    """Return weighted sums (h, w) of (H, W) values.

    A sparse matrix adds up each of them in the order of the pixels, whatever is around it; a dense
    one would add in an order that depends on the size of the window.
    """
    result: NDArray[np.float64] = (cols.matrix @ (rows.matrix @ values).T).T
    return result


@dataclass(frozen=True, slots=True)
class NearestSink:
    """A `LabelSink` that brings labels of a `ResampledSource` back to the pixels of its image.

    Every pixel takes what the cell says in which its centre lies, so that windows meet without
    seams. Pixels without data get 0.

    Attributes
    ----------
    sink : LabelSink
        Takes labels and confidence of the image.
    source : ResampledSource
        What was labelled; windows must have been read from it before they are written.
    """

    sink: LabelSink
    source: ResampledSource

    def write(self, window: Window, labels: Labels, confidence: NDArray[np.uint8]) -> None:
        """Store labels and confidence (both (h, w)) under a window of the resampled image."""
        owned = self._owned(window)
        if owned is None:
            return
        ragged = [part for part in map(self._owned, self.source.ragged(window)) if part]
        cols = self.source.cols.cells_of(owned.col, owned.right) - window.col
        height = max(1, _VALUES // owned.width)
        for top in range(owned.row, owned.bottom, height):
            strip = Window(top, owned.col, min(height, owned.bottom - top), owned.width)
            rows = self.source.rows.cells_of(strip.row, strip.bottom) - window.row
            cells = np.ix_(rows, cols)
            there, sure = labels[cells], confidence[cells]
            for gaps in filter(None, (_common(strip, part) for part in ragged)):
                within = gaps.relative_to(strip).slices
                valid = usable(self.source.source.read(gaps)).valid
                there[within][~valid] = UNLABELLED
                sure[within][~valid] = 0
            self.sink.write(strip, there, sure)

    def _owned(self, window: Window) -> Window | None:
        """Return the pixels whose centres lie in a window of cells, None for none."""
        top, bottom = self.source.rows.owned(window.row, window.bottom)
        left, right = self.source.cols.owned(window.col, window.right)
        if top == bottom or left == right:
            return None
        return Window(top, left, bottom - top, right - left)


def _common(one: Window, other: Window) -> Window | None:
    top, left = max(one.row, other.row), max(one.col, other.col)
    bottom, right = min(one.bottom, other.bottom), min(one.right, other.right)
    if top >= bottom or left >= right:
        return None
    return Window(top, left, bottom - top, right - left)
