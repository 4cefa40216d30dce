"""The buffers of one window while it is painted."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.scenes.classes import PAVED
from napari_firstpass.scenes.textures import Textures, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.scenes.things import Colour, Pose


@dataclass(frozen=True, slots=True)
class Extent:
    """A rectangle of pixels counted from the scene's corner; it may begin outside the scene."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Spot:
    """The part of a canvas around one thing.

    Attributes
    ----------
    rows, cols : slice
        Where on the canvas.
    a, b : (h, w) float32 array
        Local position of each pixel's middle, in metres, in the axes of the thing.
    """

    rows: slice
    cols: slice
    a: NDArray[np.float32]
    b: NDArray[np.float32]

    @property
    def at(self) -> tuple[slice, slice]:
        """Index of the spot in (H, W) buffers."""
        return self.rows, self.cols


@dataclass(slots=True)
class Canvas:
    """What the painters fill; light is added at the end.

    Attributes
    ----------
    extent : Extent
        The pixels.
    pixel_size : float
        Metres.
    seed : int
        Seed of the scene.
    textures : Textures
        Surface textures at this pixel size.
    colour : (4, H, W) float32 array
        Reflectance of red, green, blue, near infrared.
    height : (H, W) float32 array
        Metres above ground.
    shade : (H, W) float32 array
        Sunlight that the slope of the surface takes, 1 on level ground.
    labels : (H, W) uint8 array
        Class ids.
    """

    extent: Extent
    pixel_size: float
    seed: int
    textures: Textures
    colour: NDArray[np.float32] = field(init=False)
    height: NDArray[np.float32] = field(init=False)
    shade: NDArray[np.float32] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)
    x: NDArray[np.float32] = field(init=False)
    y: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        shape = self.extent.height, self.extent.width
        self.colour = np.zeros((4, *shape), dtype=np.float32)
        self.height = np.zeros(shape, dtype=np.float32)
        self.shade = np.ones(shape, dtype=np.float32)
        self.labels = np.full(shape, PAVED, dtype=np.uint8)
        self.x = _middles(self.extent.left, self.extent.width, self.pixel_size)
        self.y = _middles(self.extent.top, self.extent.height, self.pixel_size)

    def noise(self, salt: int, spacing: float) -> NDArray[np.float32]:
        """Return smooth noise over the whole canvas that varies over ``spacing`` metres."""
        return smooth_noise(self.seed, salt, self.x, self.y, spacing)

    def texture(self, name: str, spot: Spot | None = None, shift: int = 0) -> NDArray[np.float32]:
        """Return a texture over (a spot of) the canvas; ``shift`` moves it about."""
        rows = spot.rows if spot else slice(0, self.extent.height)
        cols = spot.cols if spot else slice(0, self.extent.width)
        return self.textures.tori[name].crop(
            self.extent.top + rows.start + 37 * shift,
            self.extent.left + cols.start + 91 * shift,
            rows.stop - rows.start,
            cols.stop - cols.start,
        )

    def spot(self, pose: Pose, reach: float) -> Spot | None:
        """Return the part within ``reach`` metres of a pose, None where it is off the canvas."""
        rows = _clip(pose.y, reach, self.extent.top, self.extent.height, self.pixel_size)
        cols = _clip(pose.x, reach, self.extent.left, self.extent.width, self.pixel_size)
        if rows is None or cols is None:
            return None
        dx = (self.x[cols] - np.float32(pose.x))[None, :]
        dy = (self.y[rows] - np.float32(pose.y))[:, None]
        cos, sin = np.float32(math.cos(pose.angle)), np.float32(math.sin(pose.angle))
        return Spot(rows, cols, dx * cos + dy * sin, dy * cos - dx * sin)

    def cover(self, distance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn signed distances in metres (inside is negative) into coverage from 0 to 1."""
        cover = distance * np.float32(-1 / self.pixel_size)
        cover += np.float32(0.5)
        np.clip(cover, 0, 1, out=cover)
        return cover

    def tint(
        self,
        at: tuple[slice, slice],
        cover: NDArray[np.float32],
        tone: NDArray[np.float32] | float,
        colour: Colour,
    ) -> None:
        """Blend ``tone * colour`` over the reflectance where ``cover`` is above 0."""
        for band, value in zip(self.colour, colour, strict=True):
            part = band[at]
            part += cover * (np.float32(value) * tone - part)

    def lay(
        self,
        spot: Spot,
        cover: NDArray[np.float32],
        tone: NDArray[np.float32] | float,
        colour: Colour,
        *,
        label: int | None = None,
        height: NDArray[np.float32] | float | None = None,
        shade: NDArray[np.float32] | float | None = None,
    ) -> None:
        """Paint over a spot.

        Parameters
        ----------
        spot : Spot
            Where.
        cover : (h, w) float32 array
            How much of each pixel is covered; label and height change where it is above one half.
        tone : (h, w) float32 array or float
            Brightness pattern, about 1.
        colour : tuple of four floats
            Reflectance.
        label : int, optional
            Class id; None leaves the class as it is.
        height, shade : (h, w) array or float, optional
            New values; None leaves them.
        """
        self.tint(spot.at, cover, tone, colour)
        solid = cover > 0.5
        if label is not None:
            np.copyto(self.labels[spot.at], np.uint8(label), where=solid)
        if height is not None:
            np.copyto(self.height[spot.at], np.float32(height), where=solid)
        if shade is not None:
            part = self.shade[spot.at]
            part += cover * (shade - part)


def _middles(start: int, count: int, pixel_size: float) -> NDArray[np.float32]:
    return ((np.arange(start, start + count) + 0.5) * pixel_size).astype(np.float32)


def _clip(centre: float, reach: float, start: int, count: int, pixel_size: float) -> slice | None:
    low = max(math.floor((centre - reach) / pixel_size) - 1 - start, 0)
    high = min(math.ceil((centre + reach) / pixel_size) + 1 - start, count)
    return slice(low, high) if low < high else None


def box_distance(
    spot: Spot, half_length: float, half_width: float, rounding: float = 0.0
) -> NDArray[np.float32]:
    """Return the signed distance in metres to a box around the local origin."""
    da = np.abs(spot.a) - np.float32(half_length - rounding)
    db = np.abs(spot.b) - np.float32(half_width - rounding)
    if rounding == 0:
        return np.maximum(da, db)
    return rounded_distance(da, db, rounding)


def rounded_distance(
    da: NDArray[np.float32], db: NDArray[np.float32], rounding: float
) -> NDArray[np.float32]:
    """Return the signed distance to a box with round corners.

    Parameters
    ----------
    da, db : (h, w) float32 array
        Distances beyond the sides of the box that the corners' middles span.
    rounding : float
        Radius of the corners in metres.
    """
    beyond_a, beyond_b = np.maximum(da, 0), np.maximum(db, 0)
    outside: NDArray[np.float32] = np.sqrt(beyond_a * beyond_a + beyond_b * beyond_b)
    outside += np.minimum(np.maximum(da, db), 0)
    outside -= np.float32(rounding)
    return outside
