"""The part of an image under a rectangle on the map, in whole pixels. Knows nothing of QGIS."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from firstpass.errors import ToolError

_TOLERANCE = 1e-3
"""Part of a pixel by which a rectangle drawn along pixels may miss their borders."""


@dataclass(frozen=True)
class Bounds:
    """A rectangle in units of a CRS."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels: its first row and column, and its size."""

    row: int
    col: int
    height: int
    width: int


def area_under(wanted: Bounds, image: Bounds, height: int, width: int) -> Area:
    """Return the pixels of an image that a rectangle touches.

    Parameters
    ----------
    wanted, image : Bounds
        The rectangle, and the whole image; north is up.
    height, width : int
        Size of the image in pixels.

    Raises
    ------
    ToolError
        If there are none.
    """
    across, down = (image.east - image.west) / width, (image.north - image.south) / height
    left = max(0, floor((wanted.west - image.west) / across + _TOLERANCE))
    right = min(width, ceil((wanted.east - image.west) / across - _TOLERANCE))
    top = max(0, floor((image.north - wanted.north) / down + _TOLERANCE))
    bottom = min(height, ceil((image.north - wanted.south) / down - _TOLERANCE))
    if right <= left or bottom <= top:
        raise ToolError(
            "expected a rectangle over the image, found one beside it; draw it on the layer, or "
            "leave it empty for the whole image"
        )
    return Area(top, left, bottom - top, right - left)
