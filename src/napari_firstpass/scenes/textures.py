"""Surface textures out of scikit-image's bundled photographs, and smooth noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import uniform_filter
from skimage import data
from skimage.transform import rescale

from napari_firstpass.scenes.dice import stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# These files lie inside the wheel of every supported scikit-image: nothing is downloaded.
# The second entry is the size of a photograph's pixel on the ground, in metres, as we use it.
_PHOTOGRAPHS: dict[str, tuple[Callable[[], NDArray[np.uint8]], float]] = {
    "grass": (data.grass, 0.026),
    "leaves": (data.grass, 0.13),
    "gravel": (data.gravel, 0.014),
    "pebbles": (data.gravel, 0.03),
    "stains": (data.moon, 0.10),
}
_CLOUDS = {"fine": 0.7, "medium": 2.2}
_BRICK_PIXEL = 0.023
_TORUS_SIZE = 896
_SMALLEST_PHOTOGRAPH = 48
_LARGEST_ZOOM = 2.0
_LATTICE = 64


@dataclass(frozen=True, slots=True)
class Torus:
    """A texture that repeats without a seam: (N, M) float32, mean 0, deviation 1."""

    values: NDArray[np.float32]

    def crop(self, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
        """Return a (height, width) part of the endless texture, counted from anywhere."""
        rows = np.arange(top, top + height) % self.values.shape[0]
        out = np.empty((height, width), dtype=np.float32)
        start, done = left % self.values.shape[1], 0
        while done < width:  # whole runs of columns copy much faster than single pixels
            run = min(self.values.shape[1] - start, width - done)
            out[:, done : done + run] = self.values[rows, start : start + run]
            start, done = 0, done + run
        return out

    def at(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the texture under single pixels, counted from anywhere."""
        picked: NDArray[np.float32] = self.values[
            rows % self.values.shape[0], cols % self.values.shape[1]
        ]
        return picked


@dataclass(frozen=True, slots=True)
class Textures:
    """All textures at one pixel size.

    Attributes
    ----------
    tori : dict of str to Torus
        ``grass``, ``leaves``, ``gravel``, ``pebbles``, ``stains``, and smooth noise that varies
        over 0.7 m (``fine``) and 2.2 m (``medium``).
    brick : Torus
        Laid bricks.
    """

    tori: dict[str, Torus]
    brick: Torus


@lru_cache(maxsize=2)
def textures_at(pixel_size: float) -> Textures:
    """Lay out the photographs at a pixel size in metres; the seed of a scene only shifts them."""
    tori = {
        name: _quilt(_resized(photograph(), pixel / pixel_size), stream(0, 10, index))
        for index, (name, (photograph, pixel)) in enumerate(_PHOTOGRAPHS.items())
    }
    for name, spacing in _CLOUDS.items():
        tori[name] = _cloud(max(spacing / pixel_size, 1.5))
    brick = _resized(data.brick(), _BRICK_PIXEL / pixel_size)
    # Bricks are laid: mirrored copies keep the courses, a quilt would not.
    laid = np.block([[brick, brick[:, ::-1]], [brick[::-1], brick[::-1, ::-1]]])
    return Textures(tori, Torus(laid))


def _resized(photograph: NDArray[np.uint8], zoom: float) -> NDArray[np.float32]:
    """Resize to the scene's scale, take out uneven light, standardise."""
    zoom = min(max(zoom, _SMALLEST_PHOTOGRAPH / min(photograph.shape)), _LARGEST_ZOOM)
    plain = photograph.astype(np.float32)
    plain -= uniform_filter(plain, min(plain.shape) // 4, mode="reflect")
    scaled = rescale(plain, zoom, order=1, anti_aliasing=zoom < 1).astype(np.float32)
    scaled -= scaled.mean()
    even: NDArray[np.float32] = np.clip(scaled / scaled.std(), -3, 3)
    return even


def _quilt(photograph: NDArray[np.float32], rng: np.random.Generator) -> Torus:
    """Blend random cut-outs, turned and mirrored, over a torus, keeping their contrast.

    Weights are divided by the root of their squared sum, which leaves the variance of independent
    patches as it was; plain averages would look blurred between the patches.
    """
    side = min(224, min(photograph.shape) * 3 // 4) // 2 * 2
    ramp = np.sin((np.arange(side, dtype=np.float32) + 0.5) * (np.pi / side)) ** 2
    window = ramp[:, None] * ramp
    total = np.zeros((_TORUS_SIZE + side, _TORUS_SIZE + side), dtype=np.float32)
    squares = np.zeros_like(total)
    for top in range(0, _TORUS_SIZE, side // 2):
        for left in range(0, _TORUS_SIZE, side // 2):
            spot = (slice(top, top + side), slice(left, left + side))
            total[spot] += window * _cutout(photograph, side, rng)
            squares[spot] += window**2
    plain = _folded(total) / np.sqrt(_folded(squares))
    return Torus(plain / plain.std())


def _folded(padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add what hangs over the right and lower edge to the left and upper one."""
    beyond = padded.shape[0] - _TORUS_SIZE
    padded[:beyond] += padded[_TORUS_SIZE:]
    padded[:, :beyond] += padded[:, _TORUS_SIZE:]
    return padded[:_TORUS_SIZE, :_TORUS_SIZE]


def _cutout(
    photograph: NDArray[np.float32], side: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    height, width = photograph.shape
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    cut = np.rot90(photograph[top : top + side, left : left + side], int(rng.integers(4)))
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def _cloud(spacing: float) -> Torus:
    """Return smooth noise of a spacing in pixels as a torus."""
    cells = max(8, min(round(_TORUS_SIZE / spacing), _TORUS_SIZE))
    lattice = stream(0, 12, cells).standard_normal((cells, cells), dtype=np.float32)
    weights, first = _spline_weights(
        np.arange(_TORUS_SIZE, dtype=np.float32) * np.float32(cells / _TORUS_SIZE)
    )
    index = (np.arange(weights.shape[1]) + first) % cells
    cloud = weights @ lattice[np.ix_(index, index)] @ weights.T
    return Torus((cloud / cloud.std()).astype(np.float32))


def smooth_noise(
    seed: int, salt: int, x: NDArray[np.float32], y: NDArray[np.float32], spacing: float
) -> NDArray[np.float32]:
    """Return noise of deviation about 1 that varies over ``spacing`` metres.

    Parameters
    ----------
    seed, salt : int
        Which noise.
    x : (W,) array
        Metres to the right of the scene's corner.
    y : (H,) array
        Metres below it.
    spacing : float
        Distance of the random values between which a cubic spline runs.

    Returns
    -------
    (H, W) float32 array
        The same values for the same place, wherever a window begins.
    """
    lattice = stream(seed, 11, salt).standard_normal((_LATTICE, _LATTICE), dtype=np.float32)
    rows, first_row = _spline_weights(y / np.float32(spacing))
    cols, first_col = _spline_weights(x / np.float32(spacing))
    window = lattice[
        np.ix_(
            (np.arange(rows.shape[1]) + first_row) % _LATTICE,
            (np.arange(cols.shape[1]) + first_col) % _LATTICE,
        )
    ]
    # The spline's weights reduce the deviation of white noise to about 0.48.
    noise: NDArray[np.float32] = (rows @ (window * np.float32(2.1))) @ cols.T
    return noise


def _spline_weights(positions: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return (N, lattice points) cubic B-spline weights and the first lattice point."""
    cell = np.floor(positions).astype(np.int64)
    t = (positions - cell).astype(np.float32)
    first = int(cell[0]) - 1
    weights = np.zeros((len(t), int(cell[-1]) - first + 3), dtype=np.float32)
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for offset, piece in enumerate(pieces):
        weights[np.arange(len(t)), cell - first - 1 + offset] = piece / 6
    return weights, first
