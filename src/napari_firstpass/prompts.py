"""What a user points at, and what is answered."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import GridMismatchError, PromptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Point:
    """A place that belongs to what is looked for, or does not.

    Attributes
    ----------
    row, col : float
        Where: pixel (r, c) covers [r, r + 1) × [c, c + 1).
    positive : bool
        Whether it belongs to it.
    """

    row: float
    col: float
    positive: bool = True

    def __post_init__(self) -> None:
        _require_finite("a point", (self.row, self.col))


@dataclass(frozen=True, slots=True)
class Line:
    """A stroke over what is looked for, or over what is not.

    Attributes
    ----------
    places : tuple of (float, float)
        Rows and columns of its corners, at least one.
    positive : bool
        Whether what lies under it belongs to what is looked for.
    """

    places: tuple[tuple[float, float], ...]
    positive: bool = True

    def __post_init__(self) -> None:
        _require_finite("a line", [value for place in self.places for value in place])
        if not self.places:
            raise PromptError(
                expected="a line with at least one corner",
                found="none",
                remedy="draw it again",
            )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around what is looked for; nothing outside belongs to it.

    Attributes
    ----------
    top, left, bottom, right : float
        Its sides; bottom and right lie outside, as those of a slice.
    """

    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        _require_finite("a box", (self.top, self.left, self.bottom, self.right))
        if self.bottom <= self.top or self.right <= self.left:
            raise PromptError(
                expected="a box with some height and width",
                found=f"rows {self.top:g} to {self.bottom:g}, columns {self.left:g} to "
                f"{self.right:g}",
                remedy="draw it from one corner to the opposite one",
            )


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that was said of one thing.

    Attributes
    ----------
    points, lines, boxes : tuple
        In the order in which they were given. Of several boxes each holds a part of the thing.
    words : tuple of str
        What it is called; several names are as good as one another.
    start : (H, W) bool tensor or None
        What is already known of it, such as a mask that is to be mended.
    """

    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    boxes: tuple[Box, ...] = ()
    words: tuple[str, ...] = ()
    start: Tensor | None = None

    def __post_init__(self) -> None:
        said = any(word.strip() for word in self.words)
        pointed = any(mark.positive for mark in self.marks)
        if not (said or pointed or self.boxes or self.start is not None):
            negative = "only what does not belong to it" if self.marks else "nothing"
            raise PromptError(
                expected="a point, a line, a box or a word for what is looked for",
                found=negative,
                remedy="click on the thing itself first",
            )

    @property
    def marks(self) -> tuple[Point | Line, ...]:
        """Points and lines: what can belong to the thing, or not."""
        return (*self.points, *self.lines)

    def record(self) -> dict[str, Any]:
        """Return it as plain values; of a mask to start from, only whether there is one."""
        return {
            "points": [asdict(point) for point in self.points],
            "lines": [asdict(line) for line in self.lines],
            "boxes": [asdict(box) for box in self.boxes],
            "words": list(self.words),
            "start": self.start is not None,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Masks for a prompt.

    Attributes
    ----------
    masks : (N, H, W) bool tensor
        Candidates, the best first; at least one. False without data.
    scores : (N,) float tensor
        How good each is held to be, in [0, 1].
    """

    masks: Tensor
    scores: Tensor

    def __post_init__(self) -> None:
        if self.masks.ndim != 3 or self.scores.shape != self.masks.shape[:1] or not len(self.masks):
            raise GridMismatchError(
                expected="masks of shape (N, H, W) with one score each",
                found=f"{tuple(self.masks.shape)} and {tuple(self.scores.shape)}",
                remedy="return at least one candidate",
            )


@dataclass(frozen=True, slots=True)
class Named:
    """Which of several names the pixels of an image have.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Numbers of names, from 1; 0 where none fits, and without data.
    confidence : (H, W) float tensor
        Lead over the next name, in [0, 1]; 0 where the label is 0.
    """

    labels: Tensor
    confidence: Tensor

    def __post_init__(self) -> None:
        if self.labels.ndim != 2 or self.labels.shape != self.confidence.shape:
            raise GridMismatchError(
                expected="labels and confidence of one shape (H, W)",
                found=f"{tuple(self.labels.shape)} and {tuple(self.confidence.shape)}",
                remedy="return both for the image that was prepared",
            )


def require_names(names: Sequence[str]) -> None:
    """Check that there are names, none of them empty and none twice.

    Raises
    ------
    PromptError
        If that is not so.
    """
    plain = [" ".join(name.split()).casefold() for name in names]
    repeated = sorted({name for name in plain if plain.count(name) > 1})
    if plain and all(plain) and not repeated:
        return
    found = f"{repeated[0]!r} more than once" if repeated else "an empty one" if plain else "none"
    raise PromptError(
        expected="names of what to look for, each once",
        found=found,
        remedy='give some, such as "roof; road"',
    )


def _require_finite(what: str, values: Sequence[float]) -> None:
    if not all(map(math.isfinite, values)):
        raise PromptError(
            expected=f"{what} with finite rows and columns",
            found=", ".join(f"{value:g}" for value in values),
            remedy="give places in the image",
        )
