"""Where a prompt lies: its points, lines and boxes as pixels of an image.

What points at nothing is refused here, for all prompters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import GridMismatchError, PromptError
from napari_firstpass.prompts import Line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.prompts import Box, Point, Prompt

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
        If nothing of a point, a line or a box lies in the image, or on pixels with data.
    GridMismatchError
        If the mask to start from has another size.
    """
    positive: list[Pixels] = []
    negative: list[Pixels] = []
    for mark in prompt.marks:
        (positive if mark.positive else negative).append(marked_pixels(mark, valid))
    return Places(
        _each_once(positive),
        _each_once(negative),
        _inside(prompt.boxes, valid),
        _start(prompt.start, valid),
    )


def wordless_places(prompt: Prompt, valid: NDArray[np.bool_]) -> Places:
    """Return the same for a prompter that knows no words, and refuse those.

    Raises
    ------
    PromptError
        If the prompt holds words, and as `places_of`.
    """
    if any(word.strip() for word in prompt.words):
        raise PromptError(
            expected="points, lines or boxes",
            found=f"the words {', '.join(prompt.words)}",
            remedy="choose a prompter that knows words, or point at the thing",
        )
    return places_of(prompt, valid)


def marked_pixels(mark: Point | Line, valid: NDArray[np.bool_]) -> Pixels:
    """Return rows and columns (n, 2) of the pixels with data under a mark, from its beginning on.

    Raises
    ------
    PromptError
        If there are none.
    """
    within = _within(mark, (valid.shape[0], valid.shape[1]))
    full = within[valid[within[:, 0], within[:, 1]]]
    if len(full) == 0:
        raise _on_nodata("a line" if isinstance(mark, Line) else "a point")
    return full


def require_inside(prompt: Prompt, shape: tuple[int, int]) -> None:
    """Refuse points, lines and boxes of which nothing lies in an image.

    Raises
    ------
    PromptError
        If there is one.
    """
    for mark in prompt.marks:
        _within(mark, shape)
    for box in prompt.boxes:
        box_window(box, shape)


def require_start(start: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a mask to start from that is not of an image.

    Raises
    ------
    GridMismatchError
        If it has another size.
    """
    if start.shape != shape:
        raise GridMismatchError(
            expected=f"a mask of {shape[0]} × {shape[1]} pixels to start from",
            found=" × ".join(map(str, start.shape)),
            remedy="give one of the same image",
        )


def box_window(box: Box, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of the pixels whose middles lie in a box; at least one of each.

    Raises
    ------
    PromptError
        If the box lies outside the image.
    """
    if box.bottom <= 0 or box.right <= 0 or box.top >= shape[0] or box.left >= shape[1]:
        sides = f"rows {box.top:g} to {box.bottom:g}, columns {box.left:g} to {box.right:g}"
        raise _outside(f"a box of {sides}", shape)
    return _run(box.top, box.bottom, shape[0]), _run(box.left, box.right, shape[1])


def _run(low: float, high: float, size: int) -> slice:
    first, stop = max(math.ceil(low - 0.5), 0), min(math.ceil(high - 0.5), size)
    if first < stop:
        return slice(first, stop)
    # Thinner than a pixel: the one that its middle lies in.
    only = min(max(math.floor((low + high) / 2), 0), size - 1)
    return slice(only, only + 1)


def _within(mark: Point | Line, shape: tuple[int, int]) -> Pixels:
    """Return the pixels under a mark that lie in the image; refuse it without any."""
    corners = _corners_of(mark)
    parts = [corners[:1]]
    for one, other in pairwise(corners):
        steps = max(1, math.ceil(float(np.abs(other - one).max()) / _STEP))
        parts.append(one + (other - one) * (np.arange(1, steps + 1) / steps)[:, None])
    pixels = np.floor(np.concatenate(parts)).astype(np.int64)
    kept = pixels[((pixels >= 0) & (pixels < shape)).all(1)]
    if len(kept) == 0:
        what = "a line from" if isinstance(mark, Line) else "a point at"
        raise _outside(f"{what} row {corners[0, 0]:g}, column {corners[0, 1]:g}", shape)
    return kept


def _corners_of(mark: Point | Line) -> NDArray[np.float64]:
    places = mark.places if isinstance(mark, Line) else ((mark.row, mark.col),)
    return np.asarray(places, np.float64)


def _each_once(marks: list[Pixels]) -> Pixels:
    return np.unique(np.concatenate(marks), axis=0) if marks else np.empty((0, 2), np.int64)


def _inside(boxes: Iterable[Box], valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    inside = None
    for box in boxes:
        window = box_window(box, (valid.shape[0], valid.shape[1]))
        if not valid[window].any():
            raise _on_nodata("a box")
        inside = np.zeros_like(valid) if inside is None else inside
        inside[window] = True
    return inside


def _start(mask: Tensor | None, valid: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    require_start(mask, valid.shape)
    start: NDArray[np.bool_] = mask.cpu().numpy().astype(bool) & valid
    if not start.any():
        raise _on_nodata("a mask to start from")
    return start


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
