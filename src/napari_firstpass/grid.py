"""Rectangles of pixels and their place on Earth."""

from __future__ import annotations

from dataclasses import dataclass, replace

from affine import Affine

from napari_firstpass.errors import GridMismatchError

IDENTITY = Affine.identity()


@dataclass(frozen=True, slots=True)
class Pixel:
    """A position in an image, counted from the top-left corner of the top-left pixel."""

    row: float
    col: float


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels inside a larger image.

    ``row`` and ``col`` are the top-left pixel; they may not be negative.
    """

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.row < 0 or self.col < 0 or self.height < 1 or self.width < 1:
            raise GridMismatchError(
                expected="a window of at least one pixel inside the image",
                found=repr(self),
                remedy="check its corner and size",
            )

    @property
    def bottom(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, for indexing (H, W) arrays."""
        return slice(self.row, self.bottom), slice(self.col, self.right)

    def grown(self, margin: int, *, height: int, width: int) -> Window:
        """Grow by ``margin`` pixels on every side, clipped to an image of height x width."""
        top, left = max(self.row - margin, 0), max(self.col - margin, 0)
        bottom, right = min(self.bottom + margin, height), min(self.right + margin, width)
        return Window(top, left, bottom - top, right - left)

    def relative_to(self, outer: Window) -> Window:
        """Return the same pixels, counted from the corner of ``outer``."""
        return replace(self, row=self.row - outer.row, col=self.col - outer.col)


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangle of pixels and its place on Earth.

    Attributes
    ----------
    height, width : int
        Size in pixels, positive.
    transform : Affine
        Maps (col, row) of a pixel's top-left corner to world (x, y); invertible, may be rotated.
    crs : str or None
        Coordinate reference system as text (``"EPSG:32631"`` or WKT), None where unknown.
    """

    height: int
    width: int
    transform: Affine = IDENTITY
    crs: str | None = None

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise GridMismatchError(
                expected="a grid of at least 1 x 1 pixels",
                found=f"{self.height} x {self.width}",
                remedy="check the size of the image",
            )
        if self.transform.is_degenerate:
            raise GridMismatchError(
                expected="a transform that can be inverted",
                found=f"{tuple(self.transform)[:6]}",
                remedy="repair the georeference of the image, or remove it",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def window(self) -> Window:
        """The window that covers the whole grid."""
        return Window(0, 0, self.height, self.width)

    @property
    def is_georeferenced(self) -> bool:
        """Whether pixels have a place on Earth: a CRS or a transform other than the identity."""
        return self.crs is not None or self.transform != IDENTITY

    def crop(self, window: Window) -> Grid:
        """Return the grid of a window inside this one.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid.
        """
        if window.bottom > self.height or window.right > self.width:
            raise GridMismatchError(
                expected=f"a window inside {self.height} x {self.width} pixels",
                found=repr(window),
                remedy="clip it to the image first",
            )
        moved = self.transform @ Affine.translation(window.col, window.row)
        return replace(self, height=window.height, width=window.width, transform=moved)

    def coarsen(self, stride: int) -> Grid:
        """Return the grid whose pixels are ``stride`` times as large; ragged edges are kept."""
        return replace(
            self,
            height=-(-self.height // stride),
            width=-(-self.width // stride),
            transform=self.transform @ Affine.scale(stride),
        )

    def world_of(self, pixel: Pixel) -> tuple[float, float]:
        """Return the world position (x, y) of a pixel position."""
        x, y = self.transform @ (pixel.col, pixel.row)
        return x, y

    def pixel_of(self, x: float, y: float) -> Pixel:
        """Return the pixel position of a world position (x, y)."""
        col, row = ~self.transform @ (x, y)
        return Pixel(row=row, col=col)

    def describe(self) -> str:
        """Return ``4096 x 8192 pixels in EPSG:3857``, for messages."""
        return f"{self.height} x {self.width} pixels in {short_crs(self.crs)}"


def short_crs(crs: str | None) -> str:
    """Return a CRS text short enough for a sentence."""
    if crs is None:
        return "no CRS"
    return crs if len(crs) <= 40 else "a CRS given as WKT"
