"""Pictures and labels brought to the size that a recipe wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fitted(
    values: NDArray[np.uint8], side: int, how: Literal["nearest", "bilinear"]
) -> NDArray[np.uint8]:
    """Resize the shorter side and cut out the middle.

    Parameters
    ----------
    values : (C, H, W) uint8 array
        A picture, or labels.
    side : int
        Of the result.
    how : str
        ``nearest`` takes the value at the centre of each new pixel, ``bilinear`` blends, and
        averages where the picture becomes smaller.

    Returns
    -------
    (C, side, side) uint8 array
    """
    height, width = values.shape[1:]
    short = min(height, width)
    size = (side * height // short, side * width // short)
    large = values
    if size != (height, width):
        large = _nearest(values, size) if how == "nearest" else _bilinear(values, size)
    top, left = (round((length - side) / 2) for length in size)
    return np.ascontiguousarray(large[:, top : top + side, left : left + side])


def _nearest(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    rows, cols = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip(size, values.shape[1:], strict=True)
    )
    return values[:, rows[:, None], cols]


def _bilinear(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    exact = torch.from_numpy(values).float()[None]
    found = functional.interpolate(
        exact, size, mode="bilinear", align_corners=False, antialias=True
    )
    whole: NDArray[np.uint8] = found[0].round().clamp(0, 255).byte().numpy()
    return whole
