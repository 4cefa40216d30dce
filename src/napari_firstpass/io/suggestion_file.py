"""A label file of regions that were found inside classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from napari_firstpass.grid import Window
from napari_firstpass.io.band_tiff import STRIP
from napari_firstpass.io.files import check_output
from napari_firstpass.io.label_file import LabelFile, label_paths
from napari_firstpass.io.scratch import Scratch
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.suggestions import Suggestions, key_dtype

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.taxonomy import Taxonomy


class SuggestionFile:
    """A file of suggestions in the making: a `KeySink`, and a context manager.

    Keys go to a `Scratch`; `finish` makes the file of them, if there are any.

    Parameters
    ----------
    path : path
        The file, ``.tif`` or ``.tiff``.
    grid : Grid
        Size and place of the labels.
    classes : Taxonomy
        Their classes.
    overwrite : bool
        Whether a file at the path may be replaced.
    forbid : iterable of Path
        Files that must not be replaced even then.

    Raises
    ------
    OutputError
        If the path is unfit, or a file is there that may not be replaced.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        grid: Grid,
        classes: Taxonomy,
        overwrite: bool = False,
        forbid: Iterable[Path] = (),
    ) -> None:
        self.path, _ = label_paths(path, None)
        self._grid, self._classes = grid, classes
        self._overwrite, self._forbid = overwrite, tuple(forbid)
        check_output(self.path, overwrite=overwrite, forbid=self._forbid)

    def __enter__(self) -> Self:
        self._scratch = Scratch(self.path, self._grid, key_dtype(self._classes.max_id))
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.close()

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Store keys (h, w) under a window."""
        self._scratch.write(window, values)

    def finish(self, provenance: Provenance) -> Steps[int]:
        """Write the file, unless there is nothing to suggest; return how many regions there are."""
        yield Progress(0, 100, "writing suggestions")
        found = Suggestions.of((rows for _, rows in self._scratch.strips(STRIP)), self._classes)
        if not len(found.taxonomy):
            return 0
        with LabelFile(
            self.path,
            grid=self._grid,
            taxonomy=found.taxonomy,
            provenance=provenance,
            overwrite=self._overwrite,
            forbid=self._forbid,
        ) as file:
            for top, rows in self._scratch.strips(STRIP):
                file.write(Window(top, 0, *rows.shape), found.labels(rows))
                yield Progress(top, 2 * self._grid.height, "writing suggestions")
            yield from relay(file.finish(), Span(50, 100, 100), "writing suggestions")
        return len(found.taxonomy)
