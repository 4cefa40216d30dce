"""The hand of the simulated annotator: how fast it moves, and which way it goes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRIP = 256
"""Height in rows of the strips that the annotator works through, about a third of a screen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Speeds and delays of a hand, after RootPainter's simulated annotator.

    Attributes
    ----------
    travel : float
        Speed between two places in pixels a second, above 0. RootPainter: 800.
    painting : float
        Speed along a line that is being drawn in pixels a second, 30 to 200, the range that
        RootPainter states. 120 is near its middle, and our choice.
    click_seconds : float
        Time to relabel one place, at least 0. RootPainter: 0.75 for its background stroke, which
        needs no choice.
    stroke_seconds : float
        Time to choose a class and begin to draw, at least 0. RootPainter: 1.4 for its foreground
        stroke.
    """

    travel: float = 800.0
    painting: float = 120.0
    click_seconds: float = 0.75
    stroke_seconds: float = 1.4

    def __post_init__(self) -> None:
        if not all(isfinite(getattr(self, field.name)) for field in fields(self)):
            raise _out_of_range("finite speeds and delays", self)
        if self.travel <= 0:
            raise _out_of_range("a travel speed above 0 px/s", self.travel)
        if not 30 <= self.painting <= 200:
            raise _out_of_range("a painting speed in [30, 200] px/s", self.painting)
        if min(self.click_seconds, self.stroke_seconds) < 0:
            delays = (self.click_seconds, self.stroke_seconds)
            raise _out_of_range("delays of at least 0 s", delays)

    def seconds(self, *, clicks: int, strokes: int, travel: float, path: int) -> float:
        """Return how long it takes to go ``travel`` and draw ``path`` pixels, clicks included."""
        waiting = clicks * self.click_seconds + strokes * self.stroke_seconds
        return waiting + travel / self.travel + path / self.painting


def _out_of_range(expected: str, found: object) -> OptionError:
    return OptionError(expected=expected, found=repr(found), remedy="change the pointer")


def tour_length(places: NDArray[np.integer[Any]]) -> float:
    """Measure the way through all places, taken like the furrows of a plough.

    The image is worked through in strips of 256 rows, the first from left to right, the next from
    right to left, and so on. The way begins at the first place of this order.

    Parameters
    ----------
    places : (n, 2) integer array
        (row, col) of each place in pixels, in any order.

    Returns
    -------
    float
        Sum of straight distances in pixels; 0 with fewer than two places.
    """
    rows, cols = np.asarray(places, dtype=np.int64).reshape(-1, 2).T
    strip = rows // STRIP
    forth_or_back = np.where(strip % 2 == 0, cols, -cols)
    order = np.lexsort((rows, forth_or_back, strip))
    return float(np.hypot(np.diff(rows[order]), np.diff(cols[order])).sum())


def middle_pixels(
    regions: NDArray[np.integer[Any]], wanted: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Return a place inside each wanted region: the middle one of its pixels in reading order.

    Parameters
    ----------
    regions : (H, W) array
        Region of each pixel, at least 0.
    wanted : (n,) array
        Regions which have pixels; the same may occur twice.

    Returns
    -------
    (n, 2) array
        (row, col) of each place.
    """
    is_wanted = np.zeros(int(regions.max()) + 1, dtype=bool)
    is_wanted[wanted] = True
    pixels = np.flatnonzero(is_wanted[regions])
    owner = regions.ravel()[pixels]
    order = np.argsort(owner, kind="stable")
    first, last = (np.searchsorted(owner[order], wanted, side=side) for side in ("left", "right"))
    middle = pixels[order[(first + last - 1) // 2]]
    return np.stack(np.unravel_index(middle, regions.shape), axis=1)
