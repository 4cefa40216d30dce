"""The mask as a GeoTIFF, plain or optimised for reading parts of it over a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window as GdalWindow

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.job import STRIP
from napari_firstpass.exporting.preview import Note, told_of_depth
from napari_firstpass.grid import Window
from napari_firstpass.io.band_file import BandFile
from napari_firstpass.io.band_tiff import BandStyle, unlike
from napari_firstpass.io.export_tags import export_tags
from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.raster_style import mask_style, style_path
from napari_firstpass.io.gdal import crs_of, gdal_writing
from napari_firstpass.io.label_tags import provenance_tags
from napari_firstpass.io.sidecar import plain_text, write_class_names
from napari_firstpass.progress import Progress, Span, relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview
    from napari_firstpass.progress import Steps
    from napari_firstpass.segmentation import Labels

COMPRESSIONS = ("deflate", "zstd", "lzw")

_BLOCK = 256
"""Side of the blocks of coloured masks, which have no overviews."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeotiffExporter:
    """One band of codes with names and colours, or three bands of colours."""

    is_cloud_optimised: ClassVar[bool] = False

    compress: str = field(
        default="deflate", metadata={"help": f"how pixels are packed: {', '.join(COMPRESSIONS)}"}
    )

    def __post_init__(self) -> None:
        if self.compress not in COMPRESSIONS:
            raise OptionError(
                expected=f"compress out of {', '.join(COMPRESSIONS)}",
                found=repr(self.compress),
                remedy="choose one of them",
            )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse a CRS that nobody knows; tell if there is none."""
        crs_of(job.grid.crs)
        notes = told_of_depth(job.coding)
        if job.grid.crs is None and job.grid.is_georeferenced:
            return (*notes, Note("the image has no CRS, and so the mask has none either"))
        return notes

    def write(self, job: ExportJob, preview: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``NAME.tif``, and for codes ``NAME.tif.aux.xml`` and ``NAME.qml`` beside it."""
        path = folder / f"{job.name}.tif"
        if job.coding.as_colors:
            yield from _colored_steps(path, job, self.compress)
            return
        classes = job.coding.classes
        named = {entry.code: (entry.name, entry.rgb) for entry in classes}
        with BandFile(path, job.grid, self._style(job)) as file:
            for window, codes in _strips(job):
                yield Progress(window.row, 2 * job.grid.height, "writing")
                file.write(window, codes)
            finishing = file.finish(lambda p: write_class_names(p, named, preview.after))
            yield from relay(finishing, Span(50, 100, 100))
        with writing(path):
            shown = {entry.code: (entry.name, entry.color) for entry in classes}
            style_path(path).write_bytes(mask_style(shown))

    def _style(self, job: ExportJob) -> BandStyle:
        classes = job.coding.classes
        return BandStyle(
            dtype=job.coding.dtype,
            description="class",
            overviews=Resampling.mode,
            nodata=job.coding.ignore,
            colors={entry.code: (*entry.rgb, 255) for entry in classes},
            tags=export_tags(job),
            band_tags={f"CLASS_{entry.code}": plain_text(entry.name) for entry in classes},
            compress=self.compress,
            is_cloud_optimised=self.is_cloud_optimised,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CogExporter(GeotiffExporter):
    """The same as a Cloud Optimised GeoTIFF."""

    is_cloud_optimised: ClassVar[bool] = True

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse colours, which have no overviews by majority."""
        if job.coding.as_colors:
            raise OptionError(
                expected="codes for cog",
                found=f"the preset {job.rules.preset}, which writes colours",
                remedy="choose geotiff, or another preset",
            )
        return GeotiffExporter.check(self, job)


def _strips(job: ExportJob) -> Iterator[tuple[Window, Labels]]:
    for top in range(0, job.grid.height, STRIP):
        window = Window(top, 0, min(STRIP, job.grid.height - top), job.grid.width)
        yield window, job.codes(window)


def _colored_steps(path: Path, job: ExportJob, compress: str) -> Steps[None]:
    """Write three bands; what is ignored is black, and no value stands for no data."""
    profile = {
        "driver": "GTiff", "height": job.grid.height, "width": job.grid.width, "count": 3,
        "dtype": "uint8", "crs": crs_of(job.grid.crs), "transform": job.grid.transform,
        "tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": compress,
        "photometric": "RGB", "interleave": "pixel", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with gdal_writing(path):
        dataset = rasterio.open(path, "w", **profile)
    try:
        with gdal_writing(path):
            dataset.update_tags(**provenance_tags(job.provenance))
        for window, codes in _strips(job):
            yield Progress(window.row, 2 * job.grid.height, "writing")
            area = GdalWindow(0, window.row, window.width, window.height)
            with gdal_writing(path):
                dataset.write(job.coding.colors_of(codes), window=area)
    finally:
        with gdal_writing(path):
            dataset.close()
    yield from relay(_compared_steps(path, job), Span(50, 100, 100))


def _compared_steps(path: Path, job: ExportJob) -> Steps[None]:
    """Read the file back; rasterio does not report every failed write."""
    with gdal_writing(path):
        dataset = rasterio.open(path)
    try:
        for window, codes in _strips(job):
            yield Progress(window.row, job.grid.height, "checking")
            area = GdalWindow(0, window.row, window.width, window.height)
            with gdal_writing(path):
                found: NDArray[np.uint8] = dataset.read(window=area)
            if not np.array_equal(found, job.coding.colors_of(codes)):
                raise unlike(path, f"rows {window.row} and on as computed", "other values")
    finally:
        dataset.close()
