"""How large pixels are on the ground."""

from __future__ import annotations

from math import cos, hypot, radians
from typing import TYPE_CHECKING

from rasterio.crs import CRS
from rasterio.errors import CRSError

if TYPE_CHECKING:
    from napari_firstpass.grid import Grid

_METRES_PER_DEGREE = 111_320
_LAST_LATITUDE = 89.0
"""Nearer to a pole, degrees along a parallel have next to no length."""


def metres_per_pixel(grid: Grid) -> float | None:
    """Return the side of a pixel in metres, as the coordinate reference system counts them.

    Degrees are taken along a meridian, where they are nearly equally long everywhere. None where
    the system is unknown or has no unit of length.
    """
    sides = pixel_sides(grid)
    return None if sides is None else sides[0]


def pixel_area(grid: Grid) -> float | None:
    """Return the square metres of a pixel; None unless the system is projected."""
    if grid.crs is None:
        return None
    try:
        crs = CRS.from_user_input(grid.crs)
        unit = crs.linear_units_factor[1] if crs.is_projected else None
    except CRSError:
        return None
    return None if unit is None else float(abs(grid.transform.determinant) * unit**2)


def pixel_sides(grid: Grid) -> tuple[float, float] | None:
    """Return the sides of a pixel along a column and along a row, as `metres_per_pixel`.

    Degrees along a parallel are as long as they are in the middle of the image.
    """
    if grid.crs is None:
        return None
    try:
        crs = CRS.from_user_input(grid.crs)
        unit = _METRES_PER_DEGREE if crs.is_geographic else crs.linear_units_factor[1]
    except CRSError:
        return None
    place = grid.transform
    shrink = 1.0
    if crs.is_geographic:
        _, latitude = place @ (grid.width / 2, grid.height / 2)
        shrink = cos(radians(min(abs(latitude), _LAST_LATITUDE)))
    down = (place.b**2 + place.e**2) ** 0.5 * unit
    return float(down), hypot(place.a * shrink, place.d) * unit
