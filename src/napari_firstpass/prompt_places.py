"""Where a prompt lies: its points, lines and boxes as pixels of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_firstpass.prompts import Box, Line, Point, Prompt

    Pixels = NDArray[np.int64]

_STEP = 0.5
"""Pixels between the places of a line that are looked up: none that it crosses for long is left
out."""


@dataclass(frozen=True, slots=True)
class Places:
    """Pixels that a prompt names.

    Attributes
    ----------
    positive, negative : (n, 2) int64 array
        Rows and columns of points and lines; each pixel once.
    inside : (H, W) bool array or None
        Where a box allows the thing to be; None without boxes.
    start : (H, W) bool array or None
        What is already known of it; None if nothing is.
    """

    positive: Pixels
    negative: Pixels
    inside: NDArray[np.bool_] | None
    start: NDArray[np.bool_] | None


def places_of(prompt: Prompt, valid: NDArray[np.bool_]) -> Places:
    """Return the pixels that a prompt names.

    Parameters
    ----------
    prompt : Prompt
        Words are left to others.
    valid : (H, W) bool array
        Where the image holds data.

    Raises
    ------
    PromptError
        If a point, a line or a box lies outside the image or on pixels without data, in whole or,
        for a point, in its only pixel; or if the mask to start from has another size.
    """
    marks = [*map(_of_point, prompt.points), *map(_of_line, prompt.lines)]
    positive = [places for places, sign in marks if sign]
    negative = [places for places, sign in marks if not sign]
    return Places(
        _seen(positive, valid), _seen(negative, valid), _inside(prompt.boxes, valid),
        _start(prompt, valid),
    )  # fmt: skip


def box_window(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of the pixels whose middles lie in a box; at least one of each.

    Raises
    ------
    PromptError
        If the box lies outside the image.
    """
    outside = box.bottom <= 0 or box.right <= 0 or box.top >= shape[0] or box.left >= shape[1]
    if outside:
        raise _outside(
            f"a box from {box.top:g}, {box.left:g} to {box.bottom:g}, {box.right:g}", shape
        )
    return _run(box.top, box.bottom, shape[0]), _run(box.left, box.right, shape[1])


def _run(low: float, high: float, size: int) -> slice:
    first, stop = max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), size)
    if first < stop:
        return slice(first, stop)
    # Thinner than a pixel: the one that its middle lies in.
    only = min(max(math.floor((low + high) / 2), 0), size - 1)
    return slice(only, only + 1)


def _of_point(point: Point) -> tuple[Pixels, bool]:
    return np.floor([[point.row, point.col]]).astype(np.int64), point.positive


def _of_line(line: Line) -> tuple[Pixels, bool]:
    corners = np.asarray(line.places, np.float64)
    parts = [corners[:1]]
    for one, other in pairwise(corners):
        steps = max(1, math.ceil(float(np.abs(other - one).max()) / _STEP))
        parts.append(one + (other - one) * (np.arange(1, steps + 1) / steps)[:, None])
    return np.floor(np.concatenate(parts)).astype(np.int64), line.positive


def _seen(marks: Iterable[Pixels], valid: NDArray[np.bool_]) -> Pixels:
    """Return the pixels of marks that hold data, each once; refuse marks that have none."""
    kept = [_with_data(pixels, valid) for pixels in marks]
    return np.unique(np.concatenate(kept), axis=0) if kept else np.empty((0, 2), np.int64)


def _with_data(pixels: Pixels, valid: NDArray[np.bool_]) -> Pixels:
    within = ((pixels >= 0) & (pixels < valid.shape)).all(1)
    if not within.any():
        row, col = pixels[0]
        raise _outside(f"a mark at row {row}, column {col}", valid.shape)
    there = pixels[within]
    full = there[valid[there[:, 0], there[:, 1]]]
    if len(full) == 0:
        raise _on_nodata(f"a mark at row {there[0, 0]}, column {there[0, 1]}")
    return full


def _inside(boxes: Iterable[Box], valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    inside = None
    for box in boxes:
        window = box_window(box, (valid.shape[0], valid.shape[1]))
        if not valid[window].any():
            raise _on_nodata("a box")
        inside = np.zeros_like(valid) if inside is None else inside
        inside[window] = True
    return inside


def _start(prompt: Prompt, valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    if prompt.start is None:
        return None
    start: NDArray[np.bool_] = prompt.start.cpu().numpy().astype(bool)
    if start.shape != valid.shape:
        raise PromptError(
            expected=f"a mask of {valid.shape[0]} × {valid.shape[1]} pixels to start from",
            found=" × ".join(map(str, start.shape)),
            remedy="give one of the same image",
        )
    if not (start & valid).any():
        raise _on_nodata("a mask to start from")
    return start & valid


def _outside(what: str, shape: tuple[int, ...]) -> PromptError:
    return PromptError(
        expected=f"marks in the image of {shape[0]} × {shape[1]} pixels",
        found=what,
        remedy="place them on the image",
    )


def _on_nodata(what: str) -> PromptError:
    return PromptError(
        expected="marks on pixels with data",
        found=f"{what} where the image holds none",
        remedy="place them where something is to be seen",
    )
