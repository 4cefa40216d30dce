"""How the bands of a raster become something to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.raster import Raster

_COLOURS: tuple[Role, ...] = ("red", "green", "blue")
_PERCENTILES = (1.0, 99.0)
_SAMPLE = 500
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Look:
    """Which bands are shown, and how they are stretched.

    Attributes
    ----------
    bands : tuple of int
        Positions of one band (grey) or three (colour) in the raster.
    low, high : float
        Raw values that become black and full brightness, the same for all three bands: hues
        stay as they are.
    has_holes : bool
        Whether a colour image needs a fourth channel, transparent where there is no data.
    """

    bands: tuple[int, ...]
    low: float
    high: float
    has_holes: bool = False

    @property
    def is_colour(self) -> bool:
        """Whether three bands are shown."""
        return len(self.bands) == 3

    @property
    def channels(self) -> tuple[int, ...]:
        """Sizes of the axes after rows and columns: none for grey, (3,) or (4,) for colour."""
        return (4 if self.has_holes else 3,) if self.is_colour else ()

    def paint(self, raster: Raster) -> NDArray[Any]:
        """Return what to show.

        Returns
        -------
        (H, W, 3) or (H, W, 4) uint8 array for colour, (H, W) array of raw values for grey
            Where there is no data, transparent or black.
        """
        return self._colours(raster) if self.is_colour else self._grey(raster)

    def _grey(self, raster: Raster) -> NDArray[Any]:
        band: NDArray[Any] = raster.bands[self.bands[0]]
        if raster.valid.all():
            return band
        return np.where(raster.valid, band, np.asarray(self.low).astype(band.dtype))

    def _colours(self, raster: Raster) -> NDArray[np.uint8]:
        image = np.zeros((*raster.grid.shape, *self.channels), dtype=np.uint8)
        # In strips: the stretch computes in float32, four times the size of the result.
        for top in range(0, raster.grid.height, _ROWS_AT_ONCE):
            rows = slice(top, top + _ROWS_AT_ONCE)
            for channel, index in enumerate(self.bands):
                image[rows, :, channel] = self._stretched(raster.bands[index, rows])
        if self.has_holes:
            image[..., 3] = 255 * raster.valid
        return image

    def _stretched(self, band: NDArray[Any]) -> NDArray[np.uint8]:
        if band.dtype == np.uint8:
            return band
        scaled = (band.astype(np.float32) - self.low) * (255.0 / (self.high - self.low))
        return scaled.clip(0.0, 255.0).astype(np.uint8)


def scene_bands(roles: tuple[Role | None, ...]) -> tuple[int, ...]:
    """Return the bands that stand for a scene: true colour, else the first three, else the first.

    Parameters
    ----------
    roles : tuple of str or None
        What each band shows.
    """
    if set(_COLOURS) <= set(roles):
        return tuple(roles.index(role) for role in _COLOURS)
    return (0, 1, 2) if len(roles) >= 3 else (0,)


def look_at(raster: Raster, bands: tuple[int, ...]) -> Look:
    """Choose a stretch from the valid pixels of a raster, or of an overview of it.

    Parameters
    ----------
    raster : Raster
        Up to half a million of its pixels are used.
    bands : tuple of int
        The bands to show.

    Returns
    -------
    Look
        From the 1st to the 99th percentile; 8-bit colours are left as they are.
    """
    has_holes = len(bands) == 3 and not raster.valid.all()
    if len(bands) == 3 and raster.bands.dtype == np.uint8:
        return Look(bands, 0.0, 255.0, has_holes)
    step = max(1, max(raster.grid.shape) // _SAMPLE)
    sample = raster.bands[list(bands), ::step, ::step][:, raster.valid[::step, ::step]]
    low, high = np.percentile(sample, _PERCENTILES).tolist() if sample.size else (0.0, 1.0)
    return Look(bands, low, high if high > low else low + 1.0, has_holes)
