"""Labels as other tools write them, in colours or in their own numbers; read by windows."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from napari_firstpass.errors import ImageReadError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.gdal import check_readable, crs_text, reading
from napari_firstpass.progress import Progress
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import id_counts
from napari_firstpass.taxonomies.color_codes import ColorCodes
from napari_firstpass.taxonomies.number_codes import NumberCodes
from napari_firstpass.taxonomies.unknown import Unknown
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from types import TracebackType

    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomy import Taxonomy

_ROWS_AT_ONCE = 512


class ForeignLabels:
    """An open file of labels whose classes are told by a taxonomy; a context manager.

    Three bands of colours, or four of which the last is transparency, mean the classes with these
    colours; one band of whole numbers means those with these ids, or with these export codes.
    The file's nodata value says nothing.

    Parameters
    ----------
    path : path
        Any raster that GDAL reads.
    taxonomy : Taxonomy
        The classes.
    by_code : bool
        Whether numbers are export codes.
    ignored : tuple of int
        Numbers that say nothing.

    Attributes
    ----------
    path : Path
        As given.
    grid : Grid
        Size and place.
    taxonomy : Taxonomy
        As given.
    provenance : Provenance
        Names the file.
    counts : dict of int to int
        Pixels of each id that occurs, after `look_steps`.
    unknown : Unknown
        What belongs to no class, after `look_steps`; unlabelled in what `read` returns.

    Raises
    ------
    ImageReadError
        On entering the block, if the file cannot be read, or holds neither.
    TaxonomyError
        On entering the block, if two classes share a colour or a number.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        taxonomy: Taxonomy,
        *,
        by_code: bool = False,
        ignored: tuple[int, ...] = (),
    ) -> None:
        self.path, self.taxonomy = Path(path), taxonomy
        self.provenance = Provenance(source=self.path.name)
        self.counts: dict[int, int] = {}
        self.unknown = Unknown()
        self._by_code, self._ignored = by_code, ignored
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        name = os.fspath(self.path)
        check_readable(name)
        with reading(name), ExitStack() as stack:
            self._dataset = dataset = stack.enter_context(rasterio.open(name))
            self.grid = Grid(
                dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs)
            )
            self._codes = self._codes_for(dataset.count, np.dtype(dataset.dtypes[0]))
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
        return tuple(Path(name) for name in self._dataset.files)

    def look_steps(self) -> Steps[None]:
        """Read the file once, for the ids that occur and for what is unknown.

        Raises
        ------
        ImageReadError
            If the file is damaged.
        """
        found: dict[int, int] = {}
        unknown = Unknown()
        for top in range(0, self.grid.height, _ROWS_AT_ONCE):
            yield Progress(top, self.grid.height, "reading the labels")
            height = min(_ROWS_AT_ONCE, self.grid.height - top)
            labels = self._labels(Window(top, 0, height, self.grid.width), unknown)
            for key, count in enumerate(id_counts(labels).tolist()):
                if count:
                    found[key] = found.get(key, 0) + count
        self.counts, self.unknown = dict(sorted(found.items())), unknown

    def require_known(self) -> None:
        """Refuse what belongs to no class.

        Raises
        ------
        TaxonomyError
            If there were colours or numbers without a class; tells which, and how many pixels.
        """
        if self.unknown.pixels:
            raise self._codes.refusal(self.unknown, self.path.name)

    def read(self, window: Window) -> Labels:
        """Return the labels (h, w) under a window.

        Raises
        ------
        ImageReadError
            If the file is damaged there.
        """
        return self._labels(window, Unknown())

    def _labels(self, window: Window, unknown: Unknown) -> Labels:
        area = GdalWindow(window.col, window.row, window.width, window.height)
        indexes = list(range(1, self._codes.bands + 1))
        with reading(os.fspath(self.path)):
            bands = self._dataset.read(indexes, window=area)
        return self._codes.labels_of(bands, unknown)

    def _codes_for(self, count: int, dtype: np.dtype[np.generic]) -> ColorCodes | NumberCodes:
        if count in (3, 4) and dtype == np.uint8:
            return ColorCodes(self.taxonomy)
        if count == 1 and dtype.kind in "iu":
            nodata = self._dataset.nodata
            # GDAL also gives numbers that no pixel can hold.
            empty = () if nodata in (None, UNLABELLED) or nodata % 1 else (int(nodata),)
            return NumberCodes(self.taxonomy, self._by_code, (*self._ignored, *empty))
        raise ImageReadError(
            expected="labels: one band of whole numbers, or three of 8-bit colours",
            found=f"{count} of type {dtype} in {self.path}",
            remedy="convert it first",
        )
