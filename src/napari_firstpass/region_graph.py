"""Superpixels with what they look like and how strongly neighbours differ: a graph of regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RegionGraph:
    """Regions that cover an image, and which of them touch.

    Attributes
    ----------
    places : (H, W) int array
        Region of each pixel, 0 … n − 1.
    pixels : (n,) float array
        How many each has.
    middles : (n, 2) float array
        Mean row and column of their pixels' centres.
    colours : (n, 3) float array
        Mean colour.
    looks : (n, D) float array
        Mean of what a backbone says of them.
    ends : (m, 2) int array
        Regions that touch, the lower number first.
    borders : (m,) float array
        Pixel edges along which they touch.
    contrasts : (m,) float array
        Mean change of colour from pixel to pixel across these.
    """

    places: NDArray[np.int32]
    pixels: NDArray[np.float64]
    middles: NDArray[np.float64]
    colours: NDArray[np.float64]
    looks: NDArray[np.float64]
    ends: NDArray[np.int64]
    borders: NDArray[np.float64]
    contrasts: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        places: NDArray[np.int32],
        colour: NDArray[np.float32],
        cells: NDArray[np.float32],
        stride: int,
    ) -> RegionGraph:
        """Measure regions.

        Parameters
        ----------
        places : (H, W) int32 array
            Region of each pixel, from 0 without gaps.
        colour : (3, H, W) float array
            A perceptual colour.
        cells : (D, h, w) float array
            What a backbone says of each stride × stride block.
        stride : int
            Pixels of a cell, along each axis.
        """
        flat, count = places.ravel(), int(places.max()) + 1
        pixels = np.bincount(flat, minlength=count).astype(np.float64)
        rows, cols = np.indices(places.shape)
        middles = np.stack([_sums(flat, axis.ravel() + 0.5, count) for axis in (rows, cols)], 1)
        colours = np.stack([_sums(flat, band.ravel(), count) for band in colour], 1)
        ends, borders, contrasts = _touching(places, colour, count)
        return cls(
            places, pixels, middles / pixels[:, None], colours / pixels[:, None],
            _pooled(flat, places.shape, cells, stride, pixels), ends, borders, contrasts,
        )  # fmt: skip

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.pixels)

    @property
    def rim(self) -> NDArray[np.int64]:
        """Regions at the sides of the image."""
        sides = (self.places[0], self.places[-1], self.places[:, 0], self.places[:, -1])
        return np.unique(np.concatenate(sides)).astype(np.int64)

    def at(self, marks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the region of each of some pixels (k, 2)."""
        found: NDArray[np.int64] = self.places[marks[:, 0], marks[:, 1]].astype(np.int64)
        return found

    def shares(self, mask: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return which share of each region's pixels a mask (H, W) holds."""
        inside = np.bincount(self.places.ravel(), mask.ravel(), minlength=self.count)
        shares: NDArray[np.float64] = inside / self.pixels
        return shares


def _sums(flat: NDArray[np.int32], values: NDArray[np.generic], count: int) -> NDArray[np.float64]:
    return np.bincount(flat, values, minlength=count).astype(np.float64)


def _pooled(
    flat: NDArray[np.int32],
    shape: tuple[int, ...],
    cells: NDArray[np.float32],
    stride: int,
    pixels: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Average cells (D, h, w) over regions: each counts by the pixels that it shares with them."""
    depth, height, width = cells.shape
    rows = np.minimum(np.arange(shape[0]) // stride, height - 1)
    cols = np.minimum(np.arange(shape[1]) // stride, width - 1)
    cell = rows[:, None] * width + cols
    ones = np.ones(len(flat), np.float32)
    shared = sparse.coo_array((ones, (flat, cell.ravel())), (len(pixels), height * width)).tocsr()
    pooled: NDArray[np.float64] = shared @ cells.reshape(depth, -1).T.astype(np.float64)
    return pooled / pixels[:, None]


def _touching(
    places: NDArray[np.int32], colour: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return pairs of regions that touch, the length of their borders and the contrast there."""
    keys, steps = [], []
    for axis in (0, 1):
        one, other = np.delete(places, -1, axis), np.delete(places, 0, axis)
        apart = one != other
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        keys.append(low.astype(np.int64) * count + high)
        change = np.diff(colour, axis=axis + 1)[:, apart]
        steps.append(np.sqrt(np.square(change).sum(0)))
    found, index, borders = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    total = np.bincount(index, np.concatenate(steps), minlength=len(found))
    ends = np.stack([found // count, found % count], 1)
    return ends, borders.astype(np.float64), total / np.maximum(borders, 1)
