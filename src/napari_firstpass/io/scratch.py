"""An array in a nameless file: it holds what is not finished yet, and vanishes by itself."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import GridMismatchError, OutputError
from napari_firstpass.io.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid, Window


class Scratch:
    """A (H, W) array on disk, filled window by window in any order; zero where nothing was written.

    GDAL itself is no good for that: a compressed block that is filled in several steps is stored
    several times, and the file depends on the order. This file has no name, so that even a killed
    process leaves nothing behind.

    Parameters
    ----------
    target : Path
        The file this is for; the scratch lies in the same folder.
    grid : Grid
        Its size.
    dtype : dtype
        Its type.

    Raises
    ------
    OutputError
        If the folder may not be written, or its disk has no room for the array.
    """

    def __init__(self, target: Path, grid: Grid, dtype: np.dtype[Any]) -> None:
        self.grid = grid
        self.dtype = dtype
        self._target = target
        _check_room(target, grid.height * grid.width * dtype.itemsize)
        with writing(target), ExitStack() as stack:
            self._file = stack.enter_context(tempfile.TemporaryFile(dir=target.parent))
            self._file.truncate(grid.height * grid.width * dtype.itemsize)
            self._stack = stack.pop_all()

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Store ``values`` (h, w) under a window.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid, or ``values`` have another shape.
        OutputError
            If the disk is full.
        """
        if values.shape != self.grid.crop(window).shape:
            raise GridMismatchError(
                expected=f"values of {window.height} x {window.width} pixels",
                found=f"shape {values.shape}",
                remedy="write exactly what the window covers",
            )
        rows = np.ascontiguousarray(values, dtype=self.dtype)
        with writing(self._target):
            for row, line in enumerate(rows, start=window.row):
                self._file.seek((row * self.grid.width + window.col) * self.dtype.itemsize)
                self._file.write(line.tobytes())
            self._file.flush()

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return whole rows ``top`` to ``bottom`` (excluded): shape (bottom - top, W)."""
        width = self.grid.width
        self._file.seek(top * width * self.dtype.itemsize)
        data = self._file.read((bottom - top) * width * self.dtype.itemsize)
        return np.frombuffer(data, dtype=self.dtype).reshape(bottom - top, width)

    def columns(self, left: int, right: int) -> NDArray[Any]:
        """Return whole columns ``left`` to ``right`` (excluded): shape (H, right - left)."""
        found = np.empty((self.grid.height, right - left), self.dtype)
        for row, line in enumerate(found):
            self._file.seek((row * self.grid.width + left) * self.dtype.itemsize)
            line[:] = np.frombuffer(self._file.read(line.nbytes), self.dtype)
        return found

    def strips(self, height: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Return (first row, rows) for consecutive strips of ``height`` rows, top to bottom."""
        for top in range(0, self.grid.height, height):
            yield top, self.rows(top, min(top + height, self.grid.height))

    def close(self) -> None:
        """Give the disk space back."""
        # On a full disk closing tries, and fails, to write once more what nobody needs any more.
        with suppress(OSError):
            self._stack.close()


def _check_room(target: Path, needed: int) -> None:
    with writing(target):
        usage = shutil.disk_usage(target.parent)
    # Some network disks do not tell their size; then the write itself has to find out.
    if usage.total and usage.free < needed:
        raise OutputError(
            expected=f"{needed / 1e6:.1f} MB free for {target}",
            found=f"{usage.free / 1e6:.1f} MB",
            remedy="free some space or choose another disk",
        )
