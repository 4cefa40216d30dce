"""Which pixels outlines enclose, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.run_length import RunLength

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.outlines.regions import Regions
    from napari_firstpass.outlines.rings import Rings


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Runs of pixels down columns, by region, column and row; arrays of one length.

    Attributes
    ----------
    region, col : int64 arrays
        Whose they are, and where.
    top, bottom : int64 arrays
        First row, and first row below.
    """

    region: NDArray[np.int64]
    col: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]


def columns_of(rings: Rings) -> Columns:
    """Return the pixels inside rings whose points are corners of pixels."""
    row, col = rings.points.T.astype(np.int64)
    step = col[rings.following] - col
    region = rings.region[rings.ring]
    ends = []
    for goes in (step > 0, step < 0):  # above the region; below it
        length = np.abs(step[goes])
        first = np.minimum(col[goes], col[goes] + step[goes])
        inner = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        of = np.repeat(region[goes], length)
        cols, rows = np.repeat(first, length) + inner, np.repeat(row[goes], length)
        ends.append(np.stack([of, cols, rows])[:, np.lexsort((rows, cols, of))])
    (of, cols, top), (_, _, bottom) = ends
    return Columns(of, cols, top, bottom)


def run_lengths(regions: Regions, height: int, width: int) -> Iterator[RunLength]:
    """Yield the mask of each region, in order, in an image of height x width."""
    columns = columns_of(regions.rings)
    ends = np.stack([columns.top, columns.bottom], axis=1)
    borders = (columns.col[:, None] * height + ends).ravel()
    bounds = 2 * np.searchsorted(columns.region, np.arange(len(regions) + 1))
    for start, stop in pairwise(bounds):
        yield RunLength.between(borders[start:stop], height, width)
