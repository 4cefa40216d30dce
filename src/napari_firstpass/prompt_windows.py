"""Which part of an image is looked at for a prompt, and prompts and masks between the two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.config import WINDOW_STEP
from napari_firstpass.grid import Window
from napari_firstpass.prompt_places import require_inside, require_start
from napari_firstpass.prompts import Box, Line, Point
from napari_firstpass.resampling import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.grid import Grid
    from napari_firstpass.prompts import Answer, Prompt

SIDE = 1024
"""Of a window in pixels, unless the prompt spans more."""

_LARGEST = 1280
"""Side up to which an image is looked at as a whole, and no more at once."""

_STEP = 256
"""Windows begin at multiples of this, so that neighbouring prompts share one."""

_LEAST_MARGIN = 64
"""What a window shows around the prompt, where the image goes on."""

_MARGIN = _LEAST_MARGIN + _STEP // 2
"""The same, before the window is moved to a multiple of the step."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of an image that a prompt speaks of; bottom and right lie outside."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True, slots=True)
class View:
    """A window of an image, or of a reduced copy of it.

    Attributes
    ----------
    grid : Grid
        The image.
    shape : (int, int)
        Height and width of the whole image in the pixels of the view, its *cells*.
    window : Window
        The part that is looked at, in cells.
    """

    grid: Grid
    shape: tuple[int, int]
    window: Window

    @property
    def is_reduced(self) -> bool:
        """Whether cells are larger than the pixels of the image."""
        return self.shape != self.grid.shape

    @property
    def area(self) -> Window:
        """The pixels of the image whose centres lie in the window."""
        rows, cols = self._axes()
        top, bottom = rows.owned(self.window.row, self.window.bottom)
        left, right = cols.owned(self.window.col, self.window.right)
        return Window(top, left, bottom - top, right - left)

    def holds(self, extent: Extent) -> bool:
        """Tell whether a prompt lies well inside, at the scale that it needs."""
        if view_of(self.grid, extent).shape != self.shape:
            return False
        window, (height, width) = self.window, self.shape
        down, across = self._scale()
        spans = (
            (extent.top * down, extent.bottom * down, window.row, window.bottom, height),
            (extent.left * across, extent.right * across, window.col, window.right, width),
        )
        return all(
            (first == 0 or low - first >= _LEAST_MARGIN)
            and (last == length or last - high >= _LEAST_MARGIN)
            for low, high, first, last, length in spans
        )

    def inside(self, prompt: Prompt) -> Prompt:
        """Return the same prompt, counted in cells from the corner of the window."""
        down, across = self._scale()

        def moved(row: float, col: float) -> tuple[float, float]:
            return row * down - self.window.row, col * across - self.window.col

        def moved_box(box: Box) -> Box:
            height, width = self.grid.shape
            top, left = moved(max(box.top, 0), max(box.left, 0))
            return Box(top, left, *moved(min(box.bottom, height), min(box.right, width)))

        return replace(
            prompt,
            points=tuple(Point(*moved(p.row, p.col), p.positive) for p in prompt.points),
            lines=tuple(
                Line(tuple(moved(*place) for place in line.places), line.positive)
                for line in prompt.lines
            ),
            boxes=tuple(map(moved_box, prompt.boxes)),
            start=None if prompt.start is None else self._start(prompt.start),
        )

    def outside(self, answer: Answer) -> Outlines:
        """Return masks of the window as masks of the pixels of the image."""
        area, masks = self.area, answer.masks.cpu().numpy()
        rows, cols = self._axes()
        if self.is_reduced:
            which = rows.cells_of(area.row, area.bottom) - self.window.row
            masks = masks[:, which]
            masks = masks[:, :, cols.cells_of(area.col, area.right) - self.window.col]
        return Outlines(area, masks, tuple(answer.scores.tolist()))

    def _start(self, mask: Tensor) -> Tensor:
        """Return what a mask of the image says at the centres of the cells."""
        require_start(mask, self.grid.shape)
        spans = ((self.window.row, self.window.bottom), (self.window.col, self.window.right))
        rows, cols = (
            torch.from_numpy(((2 * np.arange(*span) + 1) * axis.pixels) // (2 * axis.cells))
            for span, axis in zip(spans, self._axes(), strict=True)
        )
        return mask[rows[:, None], cols]

    def _scale(self) -> tuple[float, float]:
        """Return how many cells there are to a pixel, down and across."""
        (height, width), (rows, cols) = self.grid.shape, self.shape
        return rows / height, cols / width

    def _axes(self) -> tuple[Axis, Axis]:
        (height, width), (rows, cols) = self.grid.shape, self.shape
        return Axis(height, rows), Axis(width, cols)


@dataclass(frozen=True, slots=True)
class Outlines:
    """Candidates for what was pointed at, in a part of an image.

    Attributes
    ----------
    window : Window
        The part; nothing outside belongs to any of them.
    masks : (N, h, w) bool array
        Under the window, the best first.
    scores : tuple of N float
        How good each is held to be, in [0, 1].
    """

    window: Window
    masks: NDArray[np.bool_]
    scores: tuple[float, ...]

    def whole(self, grid: Grid) -> NDArray[np.bool_]:
        """Return masks (N, H, W) of the whole image."""
        masks = np.zeros((len(self.masks), *grid.shape), dtype=bool)
        rows, cols = self.window.slices
        masks[:, rows, cols] = self.masks
        return masks


def extent_of(prompt: Prompt, grid: Grid) -> Extent:
    """Return the part of an image that a prompt speaks of; all of it for words alone.

    Raises
    ------
    PromptError
        If nothing of a point, a line or a box lies in the image.
    """
    require_inside(prompt, grid.shape)
    corners = [(point.row, point.col) for point in prompt.points]
    corners += [place for line in prompt.lines for place in line.places]
    corners += [(box.top, box.left) for box in prompt.boxes]
    corners += [(box.bottom, box.right) for box in prompt.boxes]
    # Of lines and boxes, what lies outside says nothing.
    corners = [(min(max(r, 0), grid.height), min(max(c, 0), grid.width)) for r, c in corners]
    if prompt.start is not None and prompt.start.any():
        rows, cols = (torch.nonzero(prompt.start.any(1 - axis)) for axis in (0, 1))
        corners += [(float(rows[0]), float(cols[0])), (float(rows[-1]) + 1, float(cols[-1]) + 1)]
    if not corners:
        return Extent(0, 0, grid.height, grid.width)
    rows_, cols_ = zip(*corners, strict=True)
    return Extent(min(rows_), min(cols_), max(rows_), max(cols_))


def view_of(grid: Grid, extent: Extent) -> View:
    """Choose what is looked at for a prompt.

    That is the whole image if it is small; else a window of `SIDE` pixels with the prompt well
    inside; a larger one for a prompt that spans more; and if it spans very much, a copy reduced to
    a half, a quarter …
    """
    spanned, factor = max(extent.bottom - extent.top, extent.right - extent.left), 1
    while min(spanned / factor + 2 * _MARGIN, max(grid.shape) / factor) > _LARGEST:
        factor *= 2
    shape = (-(-grid.height // factor), -(-grid.width // factor))
    side = max(SIDE, ceil((spanned / factor + 2 * _MARGIN) / _STEP) * _STEP)
    row, height = _span((extent.top + extent.bottom) / 2 / factor, side, shape[0])
    col, width = _span((extent.left + extent.right) / 2 / factor, side, shape[1])
    return View(grid, shape, Window(row, col, height, width))


def _span(centre: float, side: int, length: int) -> tuple[int, int]:
    """Return where a window around a place begins, and how long it is."""
    if length <= max(side, _LARGEST):
        return 0, length
    last = (length - side) // WINDOW_STEP * WINDOW_STEP
    start = min(max(round((centre - side / 2) / _STEP) * _STEP, 0), last)
    return start, length - last if start == last else side
