"""Regions as polygons on Earth, with what tables tell of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from napari_firstpass.io.formats.exported_regions import regions_of
from napari_firstpass.io.gdal import crs_of, gdal
from napari_firstpass.outlines.smoothing import smoothed
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.rules import WrittenClass
    from napari_firstpass.grid import Grid
    from napari_firstpass.outlines.regions import Regions
    from napari_firstpass.outlines.rings import Rings

_MIRRORED = Affine.scale(1, -1)
"""Where programs put images without a place: one unit a pixel, downwards."""

_TOGETHER = 4096
"""Polygons that are handed on at once: they take less than a fifth of a second to write."""


@dataclass(frozen=True, slots=True, eq=False)
class Polygons:
    """Some regions.

    Attributes
    ----------
    xy : (P, 2) float64 array
        Points of all rings, in the CRS of the image.
    starts : (R + 1,) int64 array
        Where each ring starts in ``xy``; it ends without its first point.
    rings : (N + 1,) int64 array
        Where the rings of each polygon start in ``starts``; the outer one comes first.
    classes : tuple of N WrittenClass
        What each is.
    pixels : (N,) int64 array
        The size of each.
    confidence : (N,) float64 array or None
        The mean of its pixels, in [0, 255], to one decimal place.
    progress : Progress
        How far the image has been looked at.
    """

    xy: NDArray[np.float64]
    starts: NDArray[np.int64]
    rings: NDArray[np.int64]
    classes: tuple[WrittenClass, ...]
    pixels: NDArray[np.int64]
    confidence: NDArray[np.float64] | None
    progress: Progress

    def __len__(self) -> int:
        return len(self.classes)

    def parts(self) -> Iterator[Polygons]:
        """Yield the same by a few thousands at a time; at least one part, which may be empty."""
        for first in range(0, max(len(self), 1), _TOGETHER):
            last = min(first + _TOGETHER, len(self))
            begin, end = self.rings[first], self.rings[last]
            starts = self.starts[begin : end + 1]
            yield replace(
                self,
                xy=self.xy[starts[0] : starts[-1]],
                starts=starts - starts[0],
                rings=self.rings[first : last + 1] - begin,
                classes=self.classes[first:last],
                pixels=self.pixels[first:last],
                confidence=None if self.confidence is None else self.confidence[first:last],
            )

    def rings_of(self, polygon: int) -> list[NDArray[np.float64]]:
        """Return the rings of a polygon, (n, 2) each, their first points once more at the end."""
        parts = range(self.rings[polygon], self.rings[polygon + 1])
        found = (self.xy[self.starts[part] : self.starts[part + 1]] for part in parts)
        return [np.concatenate([ring, ring[:1]]) for ring in found]


def polygons_of(job: ExportJob, *, smooth: bool) -> Iterator[Polygons]:
    """Yield all regions as polygons; outer rings run against the clock, holes with it.

    ``smooth`` takes away the stairs of pixels.
    """
    grid = job.grid
    for batch in regions_of(job):
        rings = smoothed(batch.rings, *grid.shape) if smooth else batch.rings
        yield from _polygons(job, batch, rings).parts()


def square_metres_of_pixel(grid: Grid) -> float | None:
    """Return the area of a pixel in m², None where the CRS has no lengths."""
    with gdal():
        crs = crs_of(grid.crs)
        if crs is None or not crs.is_projected:
            return None
        metres = float(crs.linear_units_factor[1])
    return abs(float(grid.transform.determinant)) * metres**2


def _polygons(job: ExportJob, batch: Regions, rings: Rings) -> Polygons:
    transform = job.grid.transform if job.grid.is_georeferenced else _MIRRORED
    row, col = rings.points.T
    x, y = transform @ (col, row)
    xy = np.stack([x, y], axis=1)
    # Outlines have the region to their right in the image; where its rows go down on Earth, too.
    if transform.determinant < 0:
        xy = _backwards(rings, xy)
    sure = None if batch.confidence is None else np.round(batch.confidence, 1)
    return Polygons(
        xy,
        rings.starts,
        np.searchsorted(rings.region, np.arange(len(batch) + 1)),
        tuple(job.coding.classes[value - 1] for value in batch.value),
        batch.pixels,
        sure,
        Progress(batch.rows, job.grid.height, "outlining regions"),
    )


def _backwards(rings: Rings, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points of each ring in the other order, from the same first one."""
    ring = rings.ring
    first, count = rings.starts[:-1][ring], np.diff(rings.starts)[ring]
    place = np.arange(len(xy)) - first
    turned: NDArray[np.float64] = xy[first + (count - place) % count]
    return turned
