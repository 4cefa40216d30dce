"""Positions in longitude and latitude, for formats that know nothing else."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.warp import transform

from napari_firstpass.errors import GridMismatchError
from napari_firstpass.grid import short_crs
from napari_firstpass.io.gdal import GDAL_ERRORS, crs_of, gdal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid

_LON_LAT = "EPSG:4326"
_DEGREE_M = 111_320
_PARTS = 10
"""Of a pixel: how exact positions are at least."""

_DECIMALS = 7
"""About a centimetre, which GeoJSON's standard recommends; more where pixels are as small."""

_ON_EDGES = 32


def lon_lat(grid: Grid, xy: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    """Return longitudes and latitudes (P, 2) of positions (P, 2) in the CRS of a grid.

    ``what`` is the format that needs them, for messages.

    Raises
    ------
    GridMismatchError
        If there is no CRS, or positions are nowhere on Earth.
    """
    if grid.crs is None:
        raise GridMismatchError(
            expected=f"an image with a CRS for {what}, which is in longitude and latitude",
            found="none",
            remedy="give the image its CRS, or choose a format that does without",
        )
    try:
        with gdal():
            lon, lat = transform(crs_of(grid.crs), _LON_LAT, xy[:, 0], xy[:, 1])
    except GDAL_ERRORS:
        lon, lat = [np.inf], [np.inf]
    found = np.stack([np.asarray(lon, np.float64), np.asarray(lat, np.float64)], axis=1)
    if not np.isfinite(found).all():
        raise GridMismatchError(
            expected=f"a CRS with a place on Earth for {what}",
            found=short_crs(grid.crs),
            remedy="choose a format that keeps the CRS as it is, such as geopackage",
        )
    return found


def outline(grid: Grid, what: str) -> NDArray[np.float64]:
    """Return the ring (P, 2) around a grid in longitude and latitude, its first point twice.

    It runs against the clock.

    Raises
    ------
    GridMismatchError
        As `lon_lat`, or if the grid lies across the 180th meridian.
    """
    ways = np.linspace(0, 1, _ON_EDGES, endpoint=False)
    still, full = np.zeros(_ON_EDGES), np.ones(_ON_EDGES)
    down = np.concatenate([ways, full, 1 - ways, still]) * grid.height
    right = np.concatenate([still, ways, full, 1 - ways]) * grid.width
    corners: Any = (right, down)
    x, y = grid.transform @ corners
    ring = lon_lat(grid, np.stack([x, y], axis=1), what)
    if np.ptp(ring[:, 0]) > 180 or np.abs(ring[:, 0]).max() > 180:
        raise GridMismatchError(
            expected=f"an image on one side of the 180th meridian for {what}",
            found=f"longitudes from {ring[:, 0].min():.1f} to {ring[:, 0].max():.1f}",
            remedy="cut the image there, or choose geopackage",
        )
    lon, lat = ring.T
    turns = np.sum(lon * np.roll(lat, -1) - np.roll(lon, -1) * lat)
    ring = ring if turns > 0 else ring[::-1]
    return np.concatenate([ring, ring[:1]])


def decimals_of(grid: Grid) -> int:
    """Return how many decimal places of a degree tell parts of a pixel from each other."""
    side = abs(float(grid.transform.determinant)) ** 0.5
    with gdal():
        crs = crs_of(grid.crs)
        if crs is not None and crs.is_projected:
            side *= float(crs.linear_units_factor[1]) / _DEGREE_M
    return max(_DECIMALS, ceil(-log10(side / _PARTS)))
