"""Windows of an image as people see them, and its superpixels: what edits of regions look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.bands import picture_bands
from napari_firstpass.grid import Window
from napari_firstpass.label_regions import Region
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.superpixels import slic_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.normalize import BandStats
    from napari_firstpass.progress import Steps
    from napari_firstpass.sampling import OpenSource

_BLOCK = 256
"""Side of the squares that are cut into superpixels, each by itself, in pixels."""

_SUPERPIXEL = 150
"""Pixels of a superpixel, about."""

_KEPT = 64
"""Squares that are remembered."""


class Pictures:
    """Looks at windows of one image; what it has measured is kept.

    Parameters
    ----------
    opening : callable
        Opens the image; nothing stays open.
    """

    def __init__(self, opening: OpenSource) -> None:
        self._opening = opening
        self._stats: BandStats | None = None
        self._blocks: dict[tuple[int, int], NDArray[np.int32]] = {}

    def read_steps(self, window: Window) -> Steps[NDArray[np.float32]]:
        """Return red, green and blue (3, h, w) of a window, in [0, 1].

        Raises
        ------
        ImageContentError
            If the image holds no data, or one value everywhere.
        """
        yield Progress(0, 100, "reading the image")
        with self._opening() as source:
            if self._stats is None:
                measuring = band_stats_steps(source, seed=0)
                self._stats = yield from relay(measuring, Span(0, 80, 100))
            raster = filled(usable(source.read(window)))
        bands = picture_bands(raster.roles)
        return self._stats.select(bands).stretch(raster.bands[bands])

    def superpixels_steps(
        self, path: NDArray[np.float64], shape: tuple[int, int]
    ) -> Steps[Region | None]:
        """Return the superpixels that a stroke touches; None if it lies outside.

        Parameters
        ----------
        path : (n, 2) float array
            Rows and columns, in the image.
        shape : (int, int)
            Height and width of the image.
        """
        places = _dense(path)
        places = places[((places >= 0) & (places < shape)).all(1)]
        if not len(places):
            return None
        squares, which = np.unique(places // _BLOCK, axis=0, return_inverse=True)
        low, high = squares.min(0) * _BLOCK, np.minimum((squares.max(0) + 1) * _BLOCK, shape)
        whole = Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
        mask = np.zeros((whole.height, whole.width), np.bool_)
        for done, (down, across) in enumerate(squares.tolist()):
            top, left = down * _BLOCK, across * _BLOCK
            sides = min(_BLOCK, shape[0] - top), min(_BLOCK, shape[1] - left)
            block = Window(top, left, *sides)
            span = Span(done, done + 1, len(squares))
            numbers = yield from relay(self._block_steps(block), span)
            rows, cols = (places[which.ravel() == done] - (top, left)).T
            mask[block.relative_to(whole).slices] = np.isin(numbers, numbers[rows, cols])
        return Region.of(whole, mask, 0)

    def _block_steps(self, block: Window) -> Steps[NDArray[np.int32]]:
        """Return the superpixels of a square (h, w), by number."""
        place = block.row, block.col
        known = self._blocks.get(place)
        if known is None:
            picture = yield from relay(self.read_steps(block), Span(0, 50, 100))
            image = np.ascontiguousarray(np.moveaxis(picture, 0, -1))
            known = slic_regions(image, pixels_per_segment=_SUPERPIXEL, rounds=5)
            while len(self._blocks) >= _KEPT:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[place] = known
        return known


def _dense(path: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the pixels (m, 2) under a line, without gaps along it."""
    steps = np.abs(np.diff(path, axis=0)).max(1) if len(path) > 1 else np.zeros(0)
    pieces = [path[:1]]
    for start, end, long in zip(path, path[1:], steps, strict=False):
        count = int(np.ceil(2 * long))
        pieces.append(start + (end - start) * np.arange(1, count + 1)[:, None] / max(count, 1))
    return np.unique(np.floor(np.concatenate(pieces)).astype(np.int64), axis=0)
