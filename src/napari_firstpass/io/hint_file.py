"""Reading label files and drawn shapes as hints: window by window, and only what they say."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from napari_firstpass.grid import Grid
from napari_firstpass.hints import MapHints, NamedHints, selected
from napari_firstpass.io.export_tags import codes_in
from napari_firstpass.io.gdal import check_readable, crs_text, reading
from napari_firstpass.io.label_reader import hex_colors, narrowed, require_labels, taxonomy_of
from napari_firstpass.io.label_tags import taxonomy_in
from napari_firstpass.io.shape_file import holds_shapes
from napari_firstpass.io.shape_hints import shape_hints
from napari_firstpass.io.sidecar import read_class_names
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import TracebackType

    from rasterio.io import DatasetReader

    from napari_firstpass.grid import Window
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomy import LabelClass


class HintFile:
    """An open label file: a `HintSource`, and a context manager that closes it.

    Pixels without data say nothing, and so does 0.

    Names and colours are found as `label_reader.read_segmentation` finds them.

    Attributes
    ----------
    path : str
        As given.
    grid : Grid
        Size and place of the whole image.
    """

    def __init__(self, path: str, dataset: DatasetReader) -> None:
        require_labels(dataset)
        self.path = path
        self.grid = Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))
        self._dataset = dataset
        self._colors = hex_colors(dataset)
        self._codes = codes_in(dataset.tags())
        if self._codes is not None:
            self._taxonomy = self._codes.taxonomy
            return
        names = read_class_names(Path(path))
        self._taxonomy = taxonomy_in(dataset.tags()) or taxonomy_of(names, self._colors)

    def read(self, window: Window) -> Labels:
        """Return the ids under a window (h, w).

        Raises
        ------
        ImageReadError
            If the file is damaged there.
        TaxonomyError
            If an id lies outside [0, 65535], or the file is an export in which nobody knows a code.
        """
        area = GdalWindow(window.col, window.row, window.width, window.height)
        with reading(self.path):
            values = self._dataset.read(1, window=area)
        if self._codes is not None:
            return self._codes.known_labels_of(values[None], self.path)
        if self._dataset.nodata is not None:
            values = np.where(values == self._dataset.nodata, UNLABELLED, values)
        return narrowed(values, self.path)

    def classes_of(self, ids: Collection[int]) -> tuple[LabelClass, ...]:
        """Return the classes with these ids; see `HintSource`."""
        return selected(self._taxonomy, ids, self._colors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dataset.close()


def open_hints(path: str | os.PathLike[str]) -> HintFile:
    """Open a label file of one band of ids, such as we write, or another one.

    Raises
    ------
    ImageReadError
        If the file cannot be read, or has several bands or fractions.
    """
    name = os.fspath(path)
    check_readable(name)
    with reading(name):
        dataset = rasterio.open(name)
        try:
            return HintFile(name, dataset)
        except BaseException:
            dataset.close()
            raise


def hint_files(
    paths: Iterable[str | os.PathLike[str]], attribute: str | None = None
) -> tuple[NamedHints | MapHints, ...]:
    """Return label files, and then files of shapes, as hints under their own names.

    Label files are not opened yet; shapes are read (`shape_hints.shape_hints`), and ``attribute``
    tells the class of each.
    """
    given = list(paths)
    labels = (path for path in given if not holds_shapes(path))
    named = tuple(NamedHints(Path(path).name, partial(open_hints, path)) for path in labels)
    return (*named, *shape_hints(filter(holds_shapes, given), attribute))
