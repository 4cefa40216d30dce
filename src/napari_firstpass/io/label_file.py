"""Label files: GeoTIFFs of class ids that carry their names, colours and history."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from rasterio.enums import Resampling

from napari_firstpass.errors import OutputError, TaxonomyError
from napari_firstpass.io.band_file import BandFile
from napari_firstpass.io.band_tiff import STRIP, BandStyle
from napari_firstpass.io.label_reader import is_label_file, read_segmentation
from napari_firstpass.io.label_tags import class_tags, label_tags, provenance_tags
from napari_firstpass.io.sidecar import write_class_names
from napari_firstpass.progress import Progress, Span, relay, run
from napari_firstpass.segmentation import id_counts, label_dtype
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.taxonomy import Taxonomy

__all__ = ["LabelFile", "is_label_file", "read_segmentation", "write_segmentation"]

_SUFFIXES = (".tif", ".tiff")


class LabelFile:
    """A label file in the making: a `LabelSink`, and a context manager.

    On leaving the block the file is complete, checked and in place, with its class names in
    ``<name>.aux.xml``; after an error inside the block, or in a generator that is closed, nothing
    is left of it. What was never written is unlabelled.

    Parameters
    ----------
    path : path
        The file, ``.tif`` or ``.tiff``.
    grid : Grid
        Size and place of the image.
    taxonomy : Taxonomy
        The classes; the file is uint8 if all ids fit, else uint16.
    provenance : Provenance
        How the labels came about.
    confidence_path : path or None
        Where the confidence goes, as a second GeoTIFF; None drops it.
    overwrite : bool
        Whether files at the two paths may be replaced.
    forbid : iterable of Path
        Files that must not be replaced even then: the inputs.

    Attributes
    ----------
    counts : dict of int to int
        Pixels of each id that occurs, once finished.

    Raises
    ------
    OutputError
        On entering the block, if a path is unfit, a folder missing, full or read-only.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        grid: Grid,
        taxonomy: Taxonomy,
        provenance: Provenance,
        confidence_path: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        forbid: Iterable[Path] = (),
    ) -> None:
        self.path, place = label_paths(path, confidence_path)
        self.taxonomy = taxonomy
        forbid = tuple(forbid)
        style = _label_style(taxonomy, provenance)
        self._labels = BandFile(self.path, grid, style, overwrite=overwrite, forbid=forbid)
        self._confidence = None
        if place is not None:
            self._confidence = BandFile(
                place, grid, _confidence_style(provenance), overwrite=overwrite, forbid=forbid
            )
        self.counts: dict[int, int] = {}
        self._stack = ExitStack()
        self._finished = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._labels)
            if self._confidence is not None:
                stack.enter_context(self._confidence)
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

    def write(
        self,
        window: Window,
        labels: NDArray[np.uint8] | NDArray[np.uint16],
        confidence: NDArray[np.uint8] | None = None,
    ) -> None:
        """Store labels and confidence, both (h, w), under a window.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid, or an array has another shape.
        TaxonomyError
            If an id is larger than any in the taxonomy; others are checked at the end.
        OutputError
            If the disk is full.
        """
        if labels.size and int(labels.max()) > self.taxonomy.max_id:
            raise _unknown_ids([int(labels.max())])
        self._labels.write(window, labels)
        if self._confidence is not None and confidence is not None:
            self._confidence.write(window, confidence)

    def columns(self, left: int, right: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return what was written to columns ``left`` to ``right`` (excluded), inside the block."""
        return self._labels.scratch.columns(left, right)

    def finish(self) -> Steps[None]:
        """Complete the files under hidden names, with progress; leaving the block moves them.

        Raises
        ------
        TaxonomyError
            If pixels hold ids without a class.
        OutputError
            If the disk is full, or a file does not read back as it was meant.
        """
        both = self._confidence is not None
        self.counts = yield from relay(self._count(), Span(0, 10, 100))
        named = {entry.id: (entry.name, entry.rgb) for entry in self.taxonomy.classes}
        labels = self._labels.finish(lambda p: write_class_names(p, named, self.counts))
        yield from relay(labels, Span(10, 55 if both else 100, 100))
        if self._confidence is not None:
            yield from relay(self._confidence.finish(), Span(55, 100, 100))
        self._finished = True

    def _count(self) -> Steps[dict[int, int]]:
        total = np.zeros(self.taxonomy.max_id + 1, dtype=np.int64)
        scratch = self._labels.scratch
        for top, rows in scratch.strips(STRIP):
            counts = id_counts(rows)
            total[: len(counts)] += counts
            yield Progress(top + len(rows), scratch.grid.height, "counting")
        found = {int(i): int(total[i]) for i in np.flatnonzero(total)}
        surplus = sorted(set(found) - set(self.taxonomy.ids) - {UNLABELLED})
        if surplus:
            raise _unknown_ids(surplus)
        return found

    def _finish_on_success(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None and not self._finished:
            run(self.finish())


def write_segmentation(
    path: str | os.PathLike[str],
    segmentation: Segmentation,
    *,
    overwrite: bool = False,
    forbid: Iterable[Path] = (),
) -> Path:
    """Write a segmentation, without its confidence, as a label file; see `LabelFile`."""
    with LabelFile(
        path,
        grid=segmentation.grid,
        taxonomy=segmentation.taxonomy,
        provenance=segmentation.provenance,
        overwrite=overwrite,
        forbid=forbid,
    ) as file:
        file.write(segmentation.grid.window, segmentation.labels)
    return file.path


def _label_style(taxonomy: Taxonomy, provenance: Provenance) -> BandStyle:
    return BandStyle(
        dtype=label_dtype(taxonomy.max_id),
        description="class",
        overviews=Resampling.mode,
        nodata=UNLABELLED,
        colors={entry.id: (*entry.rgb, 255) for entry in taxonomy.classes},
        tags=label_tags(taxonomy, provenance),
        band_tags=class_tags(taxonomy),
    )


def _confidence_style(provenance: Provenance) -> BandStyle:
    return BandStyle(
        dtype=np.dtype(np.uint8),
        description="confidence",
        tags=provenance_tags(provenance),
    )


def label_paths(
    labels: str | os.PathLike[str], confidence: str | os.PathLike[str] | None
) -> tuple[Path, Path | None]:
    """Return where label and confidence files go.

    Raises
    ------
    OutputError
        If one is not called as a GeoTIFF is, or both are the same.
    """
    path = _geotiff_path(labels)
    if confidence is None:
        return path, None
    place = _geotiff_path(confidence)
    _check_apart(place, path)
    return path, place


def _geotiff_path(path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    if place.suffix.lower() not in _SUFFIXES:
        raise OutputError(
            expected="an output that ends in .tif or .tiff",
            found=str(place),
            remedy="change the ending",
        )
    return place


def _check_apart(confidence: Path, labels: Path) -> None:
    if confidence.resolve() == labels.resolve():
        raise OutputError(
            expected="two outputs",
            found=f"{labels} for both labels and confidence",
            remedy="choose another name for one of them",
        )


def _unknown_ids(ids: list[int]) -> TaxonomyError:
    return TaxonomyError(
        expected="labels that are all in the taxonomy",
        found=f"ids {', '.join(map(str, ids[:8]))} without a class",
        remedy="add the classes or relabel the pixels",
    )
