"""A simulated user who clicks where a mask is wrong most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_firstpass.prompts import Point

if TYPE_CHECKING:
    from numpy.typing import NDArray


def next_click(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Point | None:
    """Return where the next click goes: the pixel deepest inside the largest kind of error.

    It is the pixel that lies furthest from all that is not missing, or from all that is not in
    excess; the border of the image counts as a border of both. Xu et al., "Deep interactive object
    selection" (CVPR 2016).

    Parameters
    ----------
    mask, truth : (H, W) bool array
        What was found and what is to be found.

    Returns
    -------
    Point or None
        In the middle of a pixel; positive on what is missing. None if the mask is right.
    """
    missing, excess = _depth(truth & ~mask), _depth(mask & ~truth)
    positive = bool(missing.max() >= excess.max())
    depth = missing if positive else excess
    if depth.max() == 0:
        return None
    row, col = np.unravel_index(int(depth.argmax()), depth.shape)
    return Point(float(row) + 0.5, float(col) + 0.5, positive)


def _depth(wrong: NDArray[np.bool_]) -> NDArray[np.float64]:
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(wrong, 1))[1:-1, 1:-1]
    return depth
