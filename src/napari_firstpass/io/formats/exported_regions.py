"""The regions of labels that are exported, as formats of polygons and instances need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import OptionError
from napari_firstpass.outlines.regions import regions_by_strips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.rules import WrittenClass
    from napari_firstpass.grid import Window
    from napari_firstpass.outlines.regions import Regions
    from napari_firstpass.segmentation import Labels


def regions_of(job: ExportJob) -> Iterator[Regions]:
    """Yield the regions of all classes that are written, strip by strip.

    Their values are places in the list of classes, from 1; what is ignored or unlabelled has none.
    """
    height, width = job.grid.shape
    return regions_by_strips(height, width, lambda w: places_of(job, w), job.confidence)


def places_of(job: ExportJob, window: Window) -> Labels:
    """Return the place in the list of classes, from 1, of each pixel (h, w); 0 for none."""
    codes = job.codes(window)
    found: Labels = place_table(job, codes.dtype)[codes]
    return found


def place_table(job: ExportJob, dtype: np.dtype[Any]) -> NDArray[np.uint16]:
    """Return the place in the list of classes, from 1, of each code of a type; 0 for none."""
    table = np.zeros(int(np.iinfo(dtype).max) + 1, np.uint16)
    for place, entry in enumerate(job.coding.classes, start=1):
        table[entry.code] = place
    return table


def parent_of(entry: WrittenClass) -> str | None:
    """Return the name of the class right above one, None at the top."""
    return entry.parents[-1] if entry.parents else None


def require_codes(job: ExportJob, format_name: str) -> None:
    """Refuse colours, which only masks can have.

    Raises
    ------
    OptionError
        If the rules ask for them.
    """
    if job.coding.as_colors:
        raise OptionError(
            expected=f"classes for {format_name}",
            found=f"the preset {job.rules.preset}, which writes colours",
            remedy="choose chips, or another preset",
        )
