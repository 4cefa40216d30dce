"""How large pixels are on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rasterio.crs import CRS
from rasterio.errors import CRSError

if TYPE_CHECKING:
    from napari_firstpass.grid import Grid

_METRES_PER_DEGREE = 111_320


def metres_per_pixel(grid: Grid) -> float | None:
    """Return the side of a pixel in metres, as the coordinate reference system counts them.

    Degrees are taken along a meridian, where they are nearly equally long everywhere. None where
    the system is unknown or has no unit of length.
    """
    if grid.crs is None:
        return None
    try:
        crs = CRS.from_user_input(grid.crs)
        unit = _METRES_PER_DEGREE if crs.is_geographic else crs.linear_units_factor[1]
    except CRSError:
        return None
    down = (grid.transform.b, grid.transform.e)
    return float((down[0] ** 2 + down[1] ** 2) ** 0.5 * unit)
