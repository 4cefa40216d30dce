"""What ``firstpass prompt`` reads of points, lines, boxes and words."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from napari_firstpass.errors import FirstPassError, OptionError
from napari_firstpass.prompts import Box, Line, Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_firstpass.grid import Grid

T = TypeVar("T")

_SIGNS = {"+": True, "-": False}


@dataclass(frozen=True, slots=True)
class Places:
    """Turns pairs of numbers into positions in an image.

    Attributes
    ----------
    grid : Grid
        The image.
    world : bool
        Whether pairs are x and y in its CRS; else they are row and column.

    Raises
    ------
    OptionError
        If they are x and y, and the image has no place in the world.
    """

    grid: Grid
    world: bool

    def __post_init__(self) -> None:
        if self.world and not self.grid.is_georeferenced:
            raise OptionError(
                expected="an image with a georeference for --world",
                found="none",
                remedy="leave out --world and give rows and columns",
            )

    @property
    def axes(self) -> tuple[str, str]:
        """What the two numbers are called."""
        return ("x", "y") if self.world else ("r", "c")

    def place(self, first: float, second: float) -> tuple[float, float]:
        """Return row and column."""
        if not self.world:
            return first, second
        pixel = self.grid.pixel_of(first, second)
        return pixel.row, pixel.col

    def points(self, text: str) -> tuple[Point, ...]:
        """Read ``"r,c,+;r,c,-"``: rows, columns, and whether they belong to what is looked for."""
        first, second = self.axes
        form = f"{first},{second}  {first},{second},+  or {first},{second},- separated by ;"
        return tuple(_read(text, "--points", form, self._point))

    def lines(self, text: str) -> tuple[Line, ...]:
        """Read ``"r,c r,c r,c -;r,c r,c"``: corners, and a sign or none."""
        first, second = self.axes
        form = f"{first},{second} {first},{second} with + or - after it or none, separated by ;"
        return tuple(_read(text, "--lines", form, self._line))

    def boxes(self, text: str) -> tuple[Box, ...]:
        """Read ``"r0,c0,r1,c1"``: a corner and the opposite one."""
        first, second = self.axes
        form = f"{first}0,{second}0,{first}1,{second}1 separated by ;"
        return tuple(_read(text, "--boxes", form, self._box))

    def _point(self, text: str) -> Point:
        parts = [part.strip() for part in text.split(",")]
        positive = _SIGNS[parts.pop()] if len(parts) == 3 else True
        return Point(*self.place(*_numbers(parts, 2)), positive)

    def _line(self, text: str) -> Line:
        parts = text.split()
        positive = _SIGNS[parts.pop()] if parts[-1] in _SIGNS else True
        corners = tuple(self.place(*_numbers(part.split(","), 2)) for part in parts)
        return Line(corners, positive)

    def _box(self, text: str) -> Box:
        x0, y0, x1, y1 = _numbers(text.split(","), 4)
        # In the world, and in a rotated image, a corner may be any of the four.
        corners = [self.place(x, y) for x in (x0, x1) for y in (y0, y1)]
        rows, cols = zip(*corners, strict=True)
        return Box(min(rows), min(cols), max(rows), max(cols))


def names_in(text: str) -> tuple[tuple[str, ...], ...]:
    """Read ``"roof, house; road"``: things, each with names that mean the same.

    Raises
    ------
    OptionError
        If a thing has no name.
    """
    things = [[name.strip() for name in thing.split(",")] for thing in text.split(";")]
    named = tuple(tuple(name for name in thing if name) for thing in things)
    if all(named):
        return named
    raise OptionError(
        expected='words after --text, such as "roof; road"',
        found=repr(text),
        remedy="say what to look for",
    )


def _read(text: str, option: str, form: str, read: Callable[[str], T]) -> list[T]:
    found = []
    for part in text.split(";"):
        try:
            found.append(read(part))
        except FirstPassError:  # it is a ValueError too, and says more
            raise
        except (ValueError, KeyError, IndexError) as error:
            raise OptionError(
                expected=f"{option} in the form {form}",
                found=repr(part.strip()),
                remedy="write numbers with a point for decimals",
            ) from error
    return found


def _numbers(parts: list[str], count: int) -> list[float]:
    """Return so many finite numbers."""
    numbers = [float(part) for part in parts]
    if len(numbers) != count or not all(map(isfinite, numbers)):
        raise ValueError(parts)
    return numbers
