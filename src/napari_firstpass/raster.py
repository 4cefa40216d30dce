"""Images with a grid: as a value, and as a source that is read by windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_firstpass.errors import GridMismatchError, ImageContentError
from napari_firstpass.grid import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid


@dataclass(frozen=True, slots=True)
class Raster:
    """An image in memory.

    Attributes
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        Raw values as the file holds them; not NaN where valid.
    valid : (H, W) bool array
        False where there is no data.
    grid : Grid
        Size and place.
    names : tuple of C str
        Band names.
    roles : tuple of C str or None
        What each band shows: red, green, blue, nir or None.
    """

    bands: NDArray[Any]
    valid: NDArray[np.bool_]
    grid: Grid
    names: tuple[str, ...]
    roles: tuple[Role | None, ...]

    def __post_init__(self) -> None:
        shape = (len(self.names), *self.grid.shape)
        if self.bands.shape != shape or self.valid.shape != self.grid.shape:
            raise ImageContentError(
                expected=f"bands of shape {shape} and valid of shape {self.grid.shape}",
                found=f"{self.bands.shape} and {self.valid.shape}",
                remedy="pass arrays, names and grid that agree",
            )
        if len(self.roles) != len(self.names):
            raise ImageContentError(
                expected=f"{len(self.names)} band roles",
                found=str(len(self.roles)),
                remedy="give each band one role or None",
            )

    @classmethod
    def from_array(
        cls,
        bands: NDArray[Any],
        grid: Grid,
        *,
        roles: tuple[Role | None, ...] | None = None,
        valid: NDArray[np.bool_] | None = None,
    ) -> Raster:
        """Wrap a (C, H, W) array; pixels that are not finite in any band count as no data."""
        roles = roles if roles is not None else (None,) * len(bands)
        names = tuple(role or f"band {i}" for i, role in enumerate(roles, start=1))
        if bands.dtype.kind == "f":
            finite = np.isfinite(bands).all(axis=0)
            valid = finite if valid is None else valid & finite
        if valid is None:
            valid = np.ones(grid.shape, dtype=bool)
        return cls(bands, valid, grid, names, roles)

    def crop(self, window: Window) -> Raster:
        """Return the part of this raster under a window, without copying pixels."""
        rows, cols = window.slices
        return replace(
            self,
            bands=self.bands[:, rows, cols],
            valid=self.valid[rows, cols],
            grid=self.grid.crop(window),
        )


class RasterSource(Protocol):
    """Something that hands out windows of one image: an open file, or an array in memory."""

    @property
    def grid(self) -> Grid:
        """Size and place of the whole image."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands that `read` returns."""
        ...

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """Roles of the bands that `read` returns."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw values."""
        ...

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window, which must lie inside the grid."""
        ...


@dataclass(frozen=True, slots=True)
class ArraySource:
    """A `RasterSource` over a raster in memory."""

    raster: Raster

    @property
    def grid(self) -> Grid:
        """Size and place of the whole image."""
        return self.raster.grid

    @property
    def names(self) -> tuple[str, ...]:
        """Band names."""
        return self.raster.names

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """Band roles."""
        return self.raster.roles

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw values."""
        return self.raster.bands.dtype

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window, without copying them."""
        return self.raster.crop(window)


@dataclass(frozen=True, slots=True)
class _BandsOf:
    """The bands of another `RasterSource`."""

    whole: RasterSource

    @property
    def names(self) -> tuple[str, ...]:
        """Band names."""
        return self.whole.names

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """Band roles."""
        return self.whole.roles

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw values."""
        return self.whole.dtype


@dataclass(frozen=True, slots=True)
class PartSource(_BandsOf):
    """A `RasterSource` over a window of another one."""

    window: Window

    @property
    def grid(self) -> Grid:
        """Size and place of the window."""
        return self.whole.grid.crop(self.window)

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window, counted from the corner of this part."""
        row, col = window.row + self.window.row, window.col + self.window.col
        return self.whole.read(replace(window, row=row, col=col))


@dataclass(frozen=True, slots=True)
class StackedSource(_BandsOf):
    """A `RasterSource` over windows of another one, of one width, one below the other."""

    windows: tuple[Window, ...]

    @property
    def grid(self) -> Grid:
        """Size of all of them; the place is that of the first."""
        first = self.whole.grid.crop(self.windows[0])
        return replace(first, height=sum(window.height for window in self.windows))

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window, which may meet several of them."""
        parts, top = [], 0
        for own in self.windows:
            begin, end = max(window.row, top), min(window.bottom, top + own.height)
            if begin < end:
                row, col = own.row + begin - top, own.col + window.col
                parts.append(self.whole.read(Window(row, col, end - begin, window.width)))
            top += own.height
        bands = np.concatenate([part.bands for part in parts], 1)
        valid = np.concatenate([part.valid for part in parts])
        return replace(parts[0], bands=bands, valid=valid, grid=self.grid.crop(window))


def raster_of_labels(
    bands: NDArray[Any],
    grid: Grid,
    *,
    roles: tuple[Role | None, ...] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> Raster:
    """Return the image that labels on a grid belong to; see `Raster.from_array`.

    Parameters
    ----------
    bands : (C, H, W) array of an integer or floating dtype
        The image; (H, W) counts as one band.
    grid : Grid
        That of the labels.
    roles, valid
        See `Raster.from_array`.

    Raises
    ------
    GridMismatchError
        If the image has another size.
    """
    stacked = bands[None] if bands.ndim == 2 else bands
    if stacked.ndim != 3 or stacked.shape[1:] != grid.shape:
        raise GridMismatchError(
            expected=f"bands of shape (C, {grid.height}, {grid.width})",
            found=f"{bands.shape}",
            remedy="pass the image that the labels belong to",
        )
    return Raster.from_array(stacked, grid, roles=roles, valid=valid)
