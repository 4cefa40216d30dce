"""Places in an image that show what its classes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_firstpass.progress import Steps

_APART = 2
"""Squares that lie side by side show the same thing."""


def example_windows_steps(
    labels: NDArray[Any], ids: Collection[int], *, side: int, each: int
) -> Steps[dict[int, tuple[Window, ...]]]:
    """Find squares in which most pixels have a class, far enough from each other.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids.
    ids : collection of int
        The classes.
    side : int
        Of the squares, in pixels; shorter in smaller images.
    each : int
        How many squares of a class at most.

    Returns
    -------
    dict of int to tuple of Window
        The fullest squares of each class, the first of several; fewer where there are no more with
        any pixel of it.
    """
    side = min(side, *labels.shape)
    down, across = (length // side for length in labels.shape)
    counts = {class_id: np.zeros((down, across), np.int64) for class_id in ids}
    for row in range(down):
        yield Progress(row, down, "looking for examples")
        strip = labels[row * side : (row + 1) * side, : across * side]
        for class_id, found in counts.items():
            columns = np.count_nonzero(strip == class_id, axis=0)
            found[row] = columns.reshape(across, side).sum(1)
    return {class_id: _fullest(found, side, each) for class_id, found in counts.items()}


def _fullest(counts: NDArray[np.int64], side: int, each: int) -> tuple[Window, ...]:
    chosen: list[Window] = []
    left = counts.copy()
    while len(chosen) < each and left.any():
        row, col = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        chosen.append(Window(row * side, col * side, side, side))
        near = slice(max(row - _APART + 1, 0), row + _APART)
        left[near, max(col - _APART + 1, 0) : col + _APART] = 0
    return tuple(chosen)
