"""Labels as COCO's panoptic segments: a picture of numbers, and what each is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.windows import Window as GdalWindow
from scipy.ndimage import find_objects

from napari_firstpass.errors import OptionError, TaxonomyError
from napari_firstpass.exporting.job import STRIP
from napari_firstpass.grid import Window
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.coco import IMAGE, category, described, told_of_zero
from napari_firstpass.io.formats.exported_regions import places_of, require_codes
from napari_firstpass.io.gdal import gdal_writing
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.outlines.regions import labelled
from napari_firstpass.outlines.segments import Joining
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview, Note
    from napari_firstpass.exporting.rules import WrittenClass
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import Labels

_SEGMENTS_MAX = 2**24 - 1
"""What three bytes of a pixel hold."""

_FOLDER = "panoptic"


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoPanopticExporter:
    """Each region of a thing is a segment, and all of a class that is none."""

    things: str = field(
        default="",
        metadata={
            "help": "classes whose regions are counted one by one: names or codes, with commas"
        },
    )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse things that are no class."""
        require_codes(job, "coco-panoptic")
        names = [entry.name for entry in job.coding.classes]
        known = {key for entry in job.coding.classes for key in _keys(entry)}
        unknown = [name for name in self._names if name not in known]
        if unknown:
            raise OptionError(
                expected=f"things out of {', '.join(names)}",
                found=", ".join(map(repr, sorted(unknown))),
                remedy="correct the names",
            )
        return told_of_zero(job)

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``panoptic.json`` and ``panoptic/NAME.png``."""
        (folder / _FOLDER).mkdir()
        counted = [bool(_keys(entry) & self._names) for entry in job.coding.classes]
        is_thing = np.array([False, *counted])
        joining = Joining()
        for window in _strips(job):
            yield Progress(window.row, 4 * job.grid.height, "counting regions")
            places = places_of(job, window)
            joining.add(np.where(is_thing[places], places, 0))
        segments = _Segments(is_thing, joining.numbers())
        path = folder / _FOLDER / f"{job.name}.png"
        with writing(path):
            yield from _picture_steps(job, segments, path)
            told = {**described(job), "categories": _categories(job, is_thing)}
            told["annotations"] = [_annotation(job, segments, path.name)]
            (folder / "panoptic.json").write_bytes(json_bytes(told, indent=None))

    @property
    def _names(self) -> set[str]:
        return {name.strip() for name in self.things.split(",") if name.strip()}


def _keys(entry: WrittenClass) -> set[str]:
    """Return how a class may be called."""
    return {entry.name.strip(), str(entry.code)}


class _Segments:
    """The segments of an image, and what was seen of each.

    Parameters
    ----------
    is_thing : (K + 1,) bool array
        By place in the list of classes, from 1: whether its regions are counted.
    regions : (N + 1,) int64 array
        The number, from 1, of each region of things in each strip; see `Joining.numbers`.
    """

    def __init__(self, is_thing: NDArray[np.bool_], regions: NDArray[np.int64]) -> None:
        self._is_thing = is_thing
        self._stuff = np.arange(len(is_thing))
        most = int(regions.max()) + len(is_thing) - 1
        if most > _SEGMENTS_MAX:
            raise TaxonomyError(
                expected=f"at most {_SEGMENTS_MAX} segments for coco-panoptic",
                found=str(most),
                remedy="name fewer things, or segment with a larger min_region",
            )
        self._things = np.where(regions > 0, regions + len(is_thing) - 1, 0)
        self._seen = 1
        self.place = np.zeros(most + 1, np.uint16)
        self.pixels = np.zeros(most + 1, np.int64)
        self.low = np.full((most + 1, 2), np.iinfo(np.int64).max)
        self.high = np.zeros((most + 1, 2), np.int64)

    def add(self, places: Labels, top: int) -> NDArray[np.int64]:
        """Note the next strip (h, W) of places in the list of classes; return its segments."""
        things = np.where(self._is_thing[places], places, 0)
        local = labelled(things)
        count = int(local.max())
        number = np.concatenate(([0], self._things[self._seen : self._seen + count], self._stuff))
        self._seen += count
        is_stuff = (places > 0) & (things == 0)
        local[is_stuff] = places[is_stuff].astype(np.int32) + (count + 1)
        segments: NDArray[np.int64] = number[local]
        self.place[segments.ravel()] = places.ravel()
        np.add.at(self.pixels, number, np.bincount(local.ravel(), minlength=len(number)))
        for index, part in enumerate(find_objects(local), start=1):
            if part is not None:
                rows, cols = part
                low, high = self.low[number[index]], self.high[number[index]]
                low[:] = np.minimum(low, (rows.start + top, cols.start))
                high[:] = np.maximum(high, (rows.stop + top, cols.stop))
        return segments


def _strips(job: ExportJob) -> Iterator[Window]:
    height, width = job.grid.shape
    return (Window(top, 0, min(STRIP, height - top), width) for top in range(0, height, STRIP))


def _picture_steps(job: ExportJob, segments: _Segments, path: Path) -> Steps[None]:
    """Write the numbers of segments as red + 256 green + 65536 blue; 0 is nothing."""
    height, width = job.grid.shape
    # PNG cannot be written by strips: they are collected first.
    scratch = path.with_suffix(".tif")
    kind = {"driver": "GTiff", "dtype": "uint8", "count": 3, "BIGTIFF": "IF_SAFER"}
    try:
        with gdal_writing(path):
            dataset = rasterio.open(scratch, "w", height=height, width=width, **kind)
        with closing(dataset):
            for window in _strips(job):
                yield Progress(height + 2 * window.row, 4 * height, "writing segments")
                numbers = segments.add(places_of(job, window), window.row)
                colors = np.stack([numbers >> shift & 255 for shift in (0, 8, 16)])
                with gdal_writing(path):
                    dataset.write(colors.astype(np.uint8), window=_area(window))
        yield Progress(3, 4, "writing segments")
        with gdal_writing(path):
            rasterio.shutil.copy(scratch, path, driver="PNG")
    finally:
        scratch.unlink(missing_ok=True)


def _area(window: Window) -> GdalWindow:
    return GdalWindow(window.col, window.row, window.width, window.height)


def _categories(job: ExportJob, is_thing: NDArray[np.bool_]) -> list[dict[str, Any]]:
    told = zip(job.coding.classes, is_thing[1:], strict=True)
    return [{**category(entry), "isthing": int(thing)} for entry, thing in told]


def _annotation(job: ExportJob, segments: _Segments, file_name: str) -> dict[str, Any]:
    boxes = np.concatenate([segments.low, segments.high - segments.low], axis=1)[:, [1, 0, 3, 2]]
    found = [
        {
            "id": int(number),
            "category_id": job.coding.classes[segments.place[number] - 1].code,
            "area": int(segments.pixels[number]),
            "bbox": boxes[number].tolist(),
            "iscrowd": 0,
        }
        for number in np.flatnonzero(segments.pixels)
        if number
    ]
    return {"image_id": IMAGE, "file_name": file_name, "segments_info": found}
