"""Label files of any size, read by windows, with the confidence that was written beside them."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.export_tags import codes_in
from napari_firstpass.io.gdal import check_readable, crs_text, reading
from napari_firstpass.io.label_images import on_same_grid
from napari_firstpass.io.label_reader import (
    completed,
    hex_colors,
    narrowed,
    require_labels,
    taxonomy_of,
)
from napari_firstpass.io.label_tags import PROVENANCE_TAG, provenance_in, taxonomy_in
from napari_firstpass.io.sidecar import read_class_names
from napari_firstpass.pairing import EXTRAS
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import id_counts
from napari_firstpass.taxonomies.unknown import Unknown
from napari_firstpass.taxonomy import UNLABELLED, Taxonomy

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomies.number_codes import NumberCodes

_ROWS_AT_ONCE = 512


class LabelSource:
    """An open label file; a context manager. What it tells of itself is known after `look_steps`.

    Ids, names and colours are those of `label_reader.read_segmentation`.

    Parameters
    ----------
    path : path
        A file of one integer band with ids in [0, 65535].

    Attributes
    ----------
    path : Path
        As given.
    grid : Grid
        Size and place.
    taxonomy : Taxonomy
        The classes.
    provenance : Provenance
        How the labels came about.
    counts : dict of int to int
        Pixels of each id that occurs.
    confidence_path : Path or None
        The confidence file that belongs to the labels: ``NAME_confidence.tif`` beside them, if it
        lies on the same grid and has the same provenance.

    Raises
    ------
    ImageReadError
        On entering the block, if the file cannot be read, has several bands or fractions.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.taxonomy, self.provenance = Taxonomy(()), Provenance()
        self.counts: dict[int, int] = {}
        self.confidence_path: Path | None = None
        self._confidence: DatasetReader | None = None
        self._empty: int | None = None
        self._codes: NumberCodes | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        check_readable(os.fspath(self.path))
        with reading(os.fspath(self.path)), ExitStack() as stack:
            self._dataset = dataset = stack.enter_context(rasterio.open(self.path))
            require_labels(dataset)
            self.grid = _grid_of(dataset)
            self._codes = codes_in(dataset.tags())
            place = self.path.with_name(f"{self.path.stem}{EXTRAS[0]}.tif")
            if place.is_file():
                beside = stack.enter_context(rasterio.open(place))
                if _belongs(beside, dataset):
                    self.confidence_path, self._confidence = place, beside
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read: they must not be overwritten."""
        parts = [Path(name) for name in self._dataset.files]
        return (*parts, *([] if self.confidence_path is None else [self.confidence_path]))

    @property
    def is_export(self) -> bool:
        """Whether an export has written it: it may hold codes in place of ids."""
        return self._codes is not None

    def look_steps(self) -> Steps[None]:
        """Read the file once, for the ids that occur and what their classes are.

        Raises
        ------
        ImageReadError
            If the file is damaged.
        TaxonomyError
            If an id lies outside [0, 65535].
        """
        found: Counter[int] = Counter()
        unknown = Unknown()
        for top in range(0, self.grid.height, _ROWS_AT_ONCE):
            yield Progress(top, self.grid.height, "reading the labels")
            height = min(_ROWS_AT_ONCE, self.grid.height - top)
            values = self._values(Window(top, 0, height, self.grid.width), unknown)
            found.update(_counted(values))
        if self._codes is not None:
            self._tell_export(self._codes, unknown, found)
            return
        names = read_class_names(self.path)
        with reading(os.fspath(self.path)):
            colors, tags, nodata = hex_colors(self._dataset), self._dataset.tags(), self._nodata()
        if nodata != UNLABELLED and nodata in found:
            if UNLABELLED in found:  # both are used: they are not thrown together
                names = {nodata: "no data", **names}
            else:
                self._empty = nodata
                found[UNLABELLED] = found.pop(nodata)
        narrowed(np.array([min(found), max(found)]), os.fspath(self.path))
        self.counts = dict(sorted(found.items()))
        ids = [key for key in self.counts if key != UNLABELLED]
        classes = taxonomy_in(tags) or taxonomy_of(names, colors)
        self.taxonomy = completed(classes, ids, colors)
        self.provenance = provenance_in(tags) or Provenance(source=self.path.name)

    def again(self) -> LabelSource:
        """Return the same file to be opened once more; it knows what `look_steps` found."""
        other = LabelSource(self.path)
        other.taxonomy, other.provenance = self.taxonomy, self.provenance
        other.counts, other._empty = self.counts, self._empty
        return other

    def _tell_export(self, codes: NumberCodes, unknown: Unknown, found: dict[int, int]) -> None:
        if unknown.pixels:
            raise codes.refusal(unknown, os.fspath(self.path))
        with reading(os.fspath(self.path)):
            history = provenance_in(self._dataset.tags())
        self.counts, self.taxonomy = dict(sorted(found.items())), codes.taxonomy
        self.provenance = history or Provenance(source=self.path.name)

    def read(self, window: Window) -> Labels:
        """Return the labels (h, w) under a window.

        Raises
        ------
        ImageReadError
            If the file is damaged there.
        """
        values = self._values(window, Unknown())
        if self._empty is not None:
            values = np.where(values == self._empty, values.dtype.type(UNLABELLED), values)
        return narrowed(values, os.fspath(self.path))

    def read_confidence(self, window: Window) -> NDArray[np.uint8] | None:
        """Return the confidence (h, w) under a window, None if there is no file of it."""
        if self._confidence is None:
            return None
        with reading(os.fspath(self.confidence_path or "")):
            found: NDArray[np.uint8] = self._confidence.read(1, window=_area(window))
        return found

    def _values(self, window: Window, unknown: Unknown) -> NDArray[Any]:
        """Return what is stored, or the ids where it is codes of an export."""
        with reading(os.fspath(self.path)):
            values: NDArray[Any] = self._dataset.read(1, window=_area(window))
        return values if self._codes is None else self._codes.labels_of(values[None], unknown)

    def _nodata(self) -> int:
        """Return the value that stands for no data; 0 if there is none but that."""
        value = self._dataset.nodata
        return UNLABELLED if value is None or not float(value).is_integer() else int(value)


def _counted(values: NDArray[Any]) -> dict[int, int]:
    if values.dtype in (np.uint8, np.uint16):  # without sorting, in a tenth of the time
        return {key: int(count) for key, count in enumerate(id_counts(values)) if count}
    keys, counts = np.unique(values, return_counts=True)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def _belongs(beside: DatasetReader, labels: DatasetReader) -> bool:
    """Tell whether a file is the confidence of labels: made in the same way for the same pixels."""
    record = labels.tags().get(PROVENANCE_TAG)
    return (
        beside.count == 1
        and beside.dtypes[0] == "uint8"
        and record is not None
        and beside.tags().get(PROVENANCE_TAG) == record
        and on_same_grid(_grid_of(labels), _grid_of(beside))
    )


def _grid_of(dataset: DatasetReader) -> Grid:
    return Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))


def _area(window: Window) -> GdalWindow:
    return GdalWindow(window.col, window.row, window.width, window.height)
