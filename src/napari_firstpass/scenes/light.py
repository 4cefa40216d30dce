"""Sunlight, shadows, sky and the camera."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from napari_firstpass.scenes.dice import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.scenes.canvas import Canvas

_BLUR = 4

TALLEST = 17.0
"""Metres; nothing in the town may stand higher, or its shadow is cut off between windows."""

_ELEVATION = math.radians(50.0)
# The sun stands in the south-east. One step towards it is a row down and three quarters of a
# column right: doubled, that stays within a pixel of a straight line.
_STEP = (1.0, 0.75)
_STEP_LENGTH = math.hypot(*_STEP)
_SUN = (0.80, 0.78, 0.74, 0.86)
_SKY = (0.235, 0.265, 0.325, 0.175)
_HAZE = (0.030, 0.036, 0.046, 0.014)


def shadow_margin(pixel_size: float) -> tuple[int, int]:
    """Return how many rows below and columns right of a window may throw shadows into it."""
    steps = TALLEST / (math.tan(_ELEVATION) * pixel_size * _STEP_LENGTH)
    return math.ceil(steps * _STEP[0]), math.ceil(steps * _STEP[1])


def sky_margin(pixel_size: float) -> int:
    """Return how many pixels all around a window shade the sky above it, or blur into it."""
    return _sky_reach(pixel_size) + _BLUR


def plane_light(gx: NDArray[np.float32], gy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sunlight on slopes of gradient (gx, gy), 1 on level ground, 0 turned away."""
    toward_x, toward_y = _STEP[1] / _STEP_LENGTH, _STEP[0] / _STEP_LENGTH
    glance = np.float32(1 / math.tan(_ELEVATION))
    facing = 1 - glance * (np.float32(toward_x) * gx + np.float32(toward_y) * gy)
    light: NDArray[np.float32] = np.maximum(facing, 0) / np.sqrt(1 + gx**2 + gy**2)
    return light


def slope_light(
    surface: NDArray[np.float32], pixel_size: float, spread: float
) -> NDArray[np.float32]:
    """Return the sunlight on a bumpy surface of heights in metres; ``spread`` smooths it."""
    if min(surface.shape) < 2:
        return np.ones_like(surface)
    smooth = gaussian_filter(surface, spread / pixel_size, truncate=2.5)
    gy, gx = np.gradient(smooth, pixel_size)
    return np.clip(plane_light(gx, gy), 0.12, 1.55)


def shadows(height: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
    """Return how much of the sun is hidden at each pixel, 0 to 1.

    The height of the shadow's upper edge is the largest of ``height - drop`` over all steps
    towards the sun; doubling the stride each time needs a dozen passes instead of hundreds.
    """
    edge = height.copy()
    drop = _STEP_LENGTH * pixel_size * math.tan(_ELEVATION)
    stride = 1
    while stride * drop < 2 * TALLEST:
        down, right = round(stride * _STEP[0]), round(stride * _STEP[1])
        if down >= edge.shape[0] or right >= edge.shape[1]:
            break
        rows, cols = edge.shape[0] - down, edge.shape[1] - right
        np.maximum(
            edge[:rows, :cols], edge[down:, right:] - np.float32(stride * drop),
            out=edge[:rows, :cols],
        )  # fmt: skip
        stride *= 2
    edge -= height
    soft = np.float32(0.12 + 1.2 * pixel_size)
    hidden: NDArray[np.float32] = np.clip((edge - np.float32(0.04)) / soft, 0, 1)
    return hidden


def sky_view(height: NDArray[np.float32], pixel_size: float) -> NDArray[np.float32]:
    """Return how much of the sky a pixel sees: 0.7 beside a high wall to 1 in the open."""
    around = uniform_filter(height, 2 * _sky_reach(pixel_size) + 1, mode="nearest")
    hidden: NDArray[np.float32] = np.clip((around - height) * np.float32(0.2), 0, 1)
    return 1 - np.float32(0.3) * hidden


def _sky_reach(pixel_size: float) -> int:
    return round(1.8 / pixel_size)


def photograph(
    canvas: Canvas, inner: tuple[slice, slice], key: tuple[int, int], out: NDArray[np.uint8]
) -> Iterator[None]:
    """Photograph a painted canvas, band by band.

    Parameters
    ----------
    canvas : Canvas
        The town.
    inner : (rows, cols)
        The part wanted; what lies around only throws shadows and blurs into it.
    key : (int, int)
        Numbers the noise.
    out : (4, h, w) uint8 array
        Where the picture goes.
    """
    near = tuple(slice(s.start - _BLUR, s.stop + _BLUR) for s in inner)
    uneven = 1 + 0.035 * canvas.noise(40, 70.0)[near]
    sun = canvas.shade[near] * (1 - shadows(canvas.height, canvas.pixel_size)[near]) * uneven
    yield
    sky = sky_view(canvas.height, canvas.pixel_size)[near] * uneven
    yield
    rng = stream(canvas.seed, 41, *key)
    grain = rng.standard_normal(out.shape[1:], dtype=np.float32)
    for band, colour in enumerate(canvas.colour[:, *near]):
        light = colour * (np.float32(_SUN[band]) * sun + np.float32(_SKY[band]) * sky)
        light = gaussian_filter(light, 0.6, truncate=2.5)[_BLUR:-_BLUR, _BLUR:-_BLUR]
        light += np.float32(_HAZE[band])
        own = rng.standard_normal(grain.shape, dtype=np.float32)
        light += (0.0045 * grain + 0.0055 * own) * (np.float32(0.6) + light)
        out[band] = _developed(light)
        yield


def _developed(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Map light to 8 bits; highlights run out softly instead of clipping."""
    knee = np.float32(0.82)
    over = np.tanh(np.maximum(light - knee, 0) * (1 / (1 - knee)))
    soft = np.minimum(light, knee) + (1 - knee) * over
    developed: NDArray[np.uint8] = (np.clip(soft, 0, 1) * 255 + 0.5).astype(np.uint8)
    return developed
