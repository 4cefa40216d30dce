"""What was pointed at, as a Segment Anything model takes it: places, a box, and a start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from napari_firstpass.prompt_places import box_window, marked_pixels, wordless_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.prompts import Box, Line, Prompt
    from napari_firstpass.sam_models.frame import Frame

_MOST_ON_A_LINE = 8
"""Places that stand for a line: these models were trained on a dozen clicks or fewer."""
_PIECES = 16
"""A line is told by one place for each piece as long as this part of the image's longer side."""

_POSITIVE, _NEGATIVE, _NONE = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Questions to a model, in its own pixels.

    Attributes
    ----------
    places : (B, P, 2) float32 tensor
        x and y, for each of B questions.
    labels : (B, P) int64 tensor
        1 on the thing, 0 beside it, −1 for a place that means nothing.
    boxes : (B, 4) float32 tensor or None
        Left, top, right and bottom.
    start : (h, w) float32 tensor or None
        Logits of a mask that is known, the same for all questions.
    """

    places: Tensor
    labels: Tensor
    boxes: Tensor | None = None
    start: Tensor | None = None

    @property
    def has_places(self) -> bool:
        """Whether there is any place."""
        return self.places.shape[1] > 0


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a prompt: everything, or what was said of one of several boxes.

    Attributes
    ----------
    marks : Marks
        It, as the model takes it; B is 1.
    rows, cols : slice
        Pixels of the image that may belong to the answer.
    """

    marks: Marks
    rows: slice
    cols: slice


@dataclass(frozen=True, slots=True)
class _Place:
    row: float
    col: float
    positive: bool


def questions_of(
    prompt: Prompt, frame: Frame, valid: Tensor, start_side: int
) -> tuple[Question, ...]:
    """Return what to ask a model: once, or once for each of several boxes.

    Of several boxes, each is asked with the places inside it, and with all that do not belong.

    Parameters
    ----------
    prompt : Prompt
        What was pointed at.
    frame : Frame
        The image inside the model's picture.
    valid : (H, W) bool tensor
        Where there is data.
    start_side : int
        Side of the mask that the model takes as a start.

    Raises
    ------
    PromptError, GridMismatchError
        As `wordless_places`.
    """
    data = valid.numpy()
    marked = wordless_places(prompt, data)
    places = [_Place(point.row, point.col, point.positive) for point in prompt.points]
    places += [place for line in prompt.lines for place in _along(line, frame, data)]
    start = None
    if marked.start is not None:
        start = frame.start(torch.from_numpy(marked.start), start_side)
    if not prompt.boxes:
        return (_question(places, None, start, frame),)
    if len(prompt.boxes) == 1:
        return (_question(places, prompt.boxes[0], start, frame),)
    return tuple(
        _question([one for one in places if _counts_in(one, box)], box, start, frame)
        for box in prompt.boxes
    )


def _along(line: Line, frame: Frame, valid: NDArray[np.bool_]) -> list[_Place]:
    """Return places on a line, in even distances; those outside or without data are left out."""
    under = marked_pixels(line, valid)
    height, width = valid.shape
    usable = [
        (row, col)
        for row, col in _spread(line, frame)
        if 0 <= row < height and 0 <= col < width and valid[int(row), int(col)]
    ]
    if not usable:  # data lies only between these places
        row, col = under[len(under) // 2].tolist()
        usable = [(row + 0.5, col + 0.5)]
    return [_Place(row, col, line.positive) for row, col in usable]


def _spread(line: Line, frame: Frame) -> list[tuple[float, float]]:
    """Return the middles of equal pieces of a line."""
    corners = line.places
    lengths = [math.dist(a, b) for a, b in pairwise(corners)]
    total = sum(lengths)
    if not total:
        return [corners[0]]
    piece = max(frame.height, frame.width) / _PIECES
    count = min(math.ceil(total / piece), _MOST_ON_A_LINE)
    return [_at(corners, lengths, (i + 0.5) / count * total) for i in range(count)]


def _at(
    corners: Sequence[tuple[float, float]], lengths: Sequence[float], way: float
) -> tuple[float, float]:
    """Return the place on a line after a part of its way."""
    number = 0
    while number < len(lengths) - 1 and way > lengths[number]:
        way -= lengths[number]
        number += 1
    share = min(way / lengths[number], 1.0) if lengths[number] else 0.0
    (row, col), (to_row, to_col) = corners[number : number + 2]
    return row + (to_row - row) * share, col + (to_col - col) * share


def _counts_in(place: _Place, box: Box) -> bool:
    inside = box.top <= place.row < box.bottom and box.left <= place.col < box.right
    return inside or not place.positive


def _question(
    places: Sequence[_Place], box: Box | None, start: Tensor | None, frame: Frame
) -> Question:
    if box is None:
        rows, cols, boxes = slice(0, frame.height), slice(0, frame.width), None
    else:
        rows, cols = box_window(box, (frame.height, frame.width))
        boxes = _box_of(box, frame)
    return Question(Marks(*_told(places, frame, box), boxes, start), rows, cols)


def _told(places: Sequence[_Place], frame: Frame, box: Box | None) -> tuple[Tensor, Tensor]:
    """Return places and labels; one that means nothing where nothing else is said."""
    if not places and box is None:
        return torch.zeros(1, 1, 2), torch.full((1, 1), _NONE)
    positions = torch.tensor([(one.row, one.col) for one in places]).reshape(-1, 2)
    labels = [_POSITIVE if one.positive else _NEGATIVE for one in places]
    return frame.places(positions.float())[None], torch.tensor(labels, dtype=torch.int64)[None]


def _box_of(box: Box, frame: Frame) -> Tensor:
    """Return a box, cut off at the sides of the image, as the model takes it."""
    limits = torch.tensor([frame.height, frame.width])
    corners = torch.tensor([(box.top, box.left), (box.bottom, box.right)])
    inside = torch.minimum(corners.clamp(min=0), limits)
    return frame.places(inside.float()).reshape(1, 4)
