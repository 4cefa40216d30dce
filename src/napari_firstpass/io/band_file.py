"""One-band GeoTIFFs that are filled window by window, checked, and appear whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from napari_firstpass.io.band_tiff import (
    check_steps,
    compress_steps,
    overview_steps,
    reorder_steps,
)
from napari_firstpass.io.files import whole_file, writing
from napari_firstpass.io.gdal import crs_of
from napari_firstpass.io.scratch import Scratch
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.io.band_tiff import BandStyle
    from napari_firstpass.progress import Steps


class BandFile:
    """A one-band GeoTIFF in the making; a context manager.

    Windows go to a `Scratch` first. On leaving the block (or in `finish`, for progress) the file is
    compressed in one pass, reopened, compared with what was meant, and moved into place. An error
    inside the block, or a generator that is closed, leaves nothing behind.

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid
        Size and place.
    style : BandStyle
        The rest.
    overwrite, forbid
        See `napari_firstpass.io.files.whole_file`.
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        style: BandStyle,
        *,
        overwrite: bool = False,
        forbid: Iterable[Path] = (),
    ) -> None:
        self.path = path
        self.grid = grid
        self.style = style
        self._whole = whole_file(path, overwrite=overwrite, forbid=forbid)
        self._stack = ExitStack()
        self._finished = False

    def __enter__(self) -> Self:
        crs_of(self.grid.crs)  # an unknown one is said now, not after an hour of computing
        with ExitStack() as stack:
            self._partial = stack.enter_context(self._whole)
            self.scratch = Scratch(self.path, self.grid, self.style.dtype)
            stack.callback(self.scratch.close)
            # Last in, first out: an error while finishing still reaches `whole_file`.
            stack.push(self._finish_on_success)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Store values (h, w) under a window; see `Scratch.write`."""
        self.scratch.write(window, values)

    def finish(self, beside: Callable[[Path], None] | None = None) -> Steps[None]:
        """Write and check the file under its hidden name; leaving the block puts it into place.

        Parameters
        ----------
        beside : callable or None
            Called with the hidden file when it is complete, to write a sidecar.

        Raises
        ------
        OutputError
            If the disk is full, or the file does not read back as it was meant.
        """
        yield from compress_steps(self._partial, self.path, self.scratch, self.style)
        yield from overview_steps(self._partial, self.path, self.scratch, self.style)
        yield from reorder_steps(self._partial, self.path, self.scratch, self.style)
        if beside is not None:
            with writing(self.path):
                beside(self._partial)
        yield from check_steps(self._partial, self.path, self.scratch, self.style)
        self._finished = True

    def _finish_on_success(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None and not self._finished:
            run(self.finish())
