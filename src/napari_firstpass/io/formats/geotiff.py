"""The mask as a GeoTIFF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.job import STRIP
from napari_firstpass.grid import Window
from napari_firstpass.io.band_file import BandFile
from napari_firstpass.io.band_tiff import BandStyle
from napari_firstpass.io.label_tags import provenance_tags
from napari_firstpass.progress import Progress, Span, relay

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview, Note
    from napari_firstpass.progress import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class GeotiffExporter:
    """One band of codes, with a colour table."""

    keeps_unfinished: ClassVar[bool] = False

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse colours."""
        if job.coding.as_colors:
            raise OptionError(
                expected="codes for geotiff",
                found=f"the preset {job.rules.preset}, which writes colours",
                remedy="choose chips, or another preset",
            )
        return ()

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``NAME.tif``."""
        style = BandStyle(
            dtype=job.coding.dtype,
            description="class",
            nodata=job.coding.ignore,
            colors={entry.code: (*entry.rgb, 255) for entry in job.coding.classes},
            tags=provenance_tags(job.provenance),
        )
        with BandFile(folder / f"{job.name}.tif", job.grid, style) as file:
            for top in range(0, job.grid.height, STRIP):
                yield Progress(top, 2 * job.grid.height, "writing")
                window = Window(top, 0, min(STRIP, job.grid.height - top), job.grid.width)
                file.write(window, job.codes(window))
            yield from relay(file.finish(), Span(50, 100, 100))
