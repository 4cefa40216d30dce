"""What a writer of a format gets, and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.exporting.preview import ExportPreview, Note
    from napari_firstpass.exporting.rules import Coding, ExportRules
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.raster import Raster, RasterSource
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomy import Taxonomy

REASONS = ("", "no data", "unlabelled", "no code", "not reviewed", "not sure")
"""Why a pixel is ignored: the first that holds, in this order."""

KEPT = 0
"""Place in `REASONS` of pixels that are not ignored."""

STRIP = 512
"""Rows to read at once when all of a grid is read; a multiple of what files are stored in."""


@dataclass(frozen=True, slots=True)
class ExportJob:
    """Labels that are to be written, with their image; read window by window.

    Attributes
    ----------
    name : str
        What files are called: the image's name without its ending.
    image : RasterSource
        The image; zero where it has no data.
    image_name : str
        The image's name.
    image_sha256 : str or None
        Hash of its file; None if it is none.
    labels : callable
        Returns ids (h, w), uint8 or uint16, under a window, as they are before the rules.
    confidence : callable or None
        Returns how sure they are, (h, w) uint8, under a window. None, or to return None, is for
        what nobody knows.
    reviewed : callable or None
        Returns where somebody has looked at them, (h, w) bool; None where nobody knows.
    taxonomy : Taxonomy
        The classes before the rules.
    provenance : Provenance
        How the labels came about.
    rules : ExportRules
        The choices.
    coding : Coding
        What these lead to: the classes that are written.
    lacks_data : bool
        Whether the image may have pixels without data. They are ignored.
    """

    name: str
    image: RasterSource
    image_name: str
    image_sha256: str | None
    labels: Callable[[Window], Labels]
    confidence: Callable[[Window], NDArray[np.uint8] | None] | None
    reviewed: Callable[[Window], NDArray[np.bool_]] | None
    taxonomy: Taxonomy
    provenance: Provenance
    rules: ExportRules
    coding: Coding
    lacks_data: bool = True

    @property
    def grid(self) -> Grid:
        """Size and place of image and labels."""
        return self.image.grid

    @property
    def is_selective(self) -> bool:
        """Whether more than the label of a pixel decides if it is ignored."""
        return self.lacks_data or self.rules.min_confidence > 0 or self.rules.reviewed_only

    def codes(self, window: Window, raster: Raster | None = None) -> Labels:
        """Return what is written under a window: (h, w), of the coding's type.

        ``raster`` is the image under the window, for those who have read it already.
        """
        labels = self.labels(window)
        codes = self.coding.of(labels)
        if self.is_selective:
            codes[self.reasons(labels, window, raster) != KEPT] = self.coding.ignore
        return codes

    def reasons(
        self, labels: Labels, window: Window, raster: Raster | None = None
    ) -> NDArray[np.uint8]:
        """Return why pixels under a window are ignored: (h, w), `KEPT` or a place in `REASONS`.

        ``labels`` are those under the window, and ``raster`` its image if it was read already.
        """
        found = np.zeros(labels.shape, np.uint8)
        for number, where in reversed(list(self._left_out(labels, window, raster))):
            found[where] = number
        return found

    def _left_out(
        self, labels: Labels, window: Window, raster: Raster | None
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Return places in `REASONS`, and where each holds, in their order."""
        if self.lacks_data:
            yield 1, ~(self.image.read(window) if raster is None else raster).valid
        has_class = labels != UNLABELLED
        if not self.coding.keep_unlabelled:
            yield 2, ~has_class
        if self.coding.dropped:
            yield 3, np.isin(labels, self.coding.dropped)
        if self.rules.reviewed_only and self.reviewed is not None:
            yield 4, ~self.reviewed(window)
        sure = self.confidence(window) if self.rules.min_confidence and self.confidence else None
        if sure is not None:
            yield 5, has_class & (sure < self.rules.min_confidence)


class Exporter(Protocol):
    """A format. Implementations are frozen dataclasses; their fields are the format's options.

    Each field has a default, of type ``bool``, ``int``, ``float`` or ``str``, and says what it is
    in ``metadata["help"]``.
    """

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Return what to know before writing; nothing is written yet.

        Raises
        ------
        FirstPassError
            If the labels cannot be written in this format; says which format.
        """
        ...

    def write(self, job: ExportJob, preview: ExportPreview, folder: Path) -> Steps[None]:
        """Write all files into a folder, which others see when it is complete.

        Names of files must be the same for the same job. ``export.json`` is written afterwards.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        ...


@runtime_checkable
class ResumableExporter(Exporter, Protocol):
    """One whose runs, ended early, leave what was finished for the next one to go on from.

    `write` then finds files in the folder that an earlier run for the same labels and options has
    written; each must have been moved there when it was complete.
    """

    def finished(self, job: ExportJob, names: Collection[str]) -> str:
        """Return what is finished if these files are: ``3 of at most 10 chips``, or nothing."""
        ...


def is_resumable(kind: ExporterFactory) -> bool:
    """Tell whether exports of a kind go on from what an earlier run has finished."""
    return hasattr(kind, "finished")


class ExporterFactory(Protocol):
    """Makes an exporter of its options; see `options.configured`."""

    def __call__(self, **options: bool | float | str) -> Exporter:
        """Return an exporter; an `OptionError` where an option is out of range."""
        ...
