"""Regions as GeoJSON, in longitude and latitude as RFC 7946 wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.exported_regions import parent_of, require_codes
from napari_firstpass.io.formats.polygons import polygons_of, square_metres_of_pixel
from napari_firstpass.io.lon_lat import decimals_of, lon_lat, outline
from napari_firstpass.io.sidecar import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview, Note
    from napari_firstpass.io.formats.polygons import Polygons
    from napari_firstpass.progress import Steps

_NAME = "geojson"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeojsonExporter:
    """One feature for each region."""

    smooth: bool = field(
        default=False, metadata={"help": "outlines without the stairs of pixels, still shared"}
    )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse images without a place on Earth, and those across the 180th meridian."""
        require_codes(job, _NAME)
        outline(job.grid, _NAME)
        return ()

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``NAME.geojson``, one feature a line."""
        path = folder / f"{job.name}.geojson"
        square_metres, decimals = square_metres_of_pixel(job.grid), decimals_of(job.grid)
        with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
            file.write('{"type": "FeatureCollection", "features": [')
            separator = "\n"
            for batch in polygons_of(job, smooth=self.smooth):
                placed = replace(batch, xy=np.round(lon_lat(job.grid, batch.xy, _NAME), decimals))
                for feature in _features(placed, job.image_name, square_metres):
                    file.write(separator + json.dumps(feature, ensure_ascii=False))
                    separator = ",\n"
                yield batch.progress
            file.write("\n]}\n")


def _features(
    batch: Polygons, source: str, square_metres: float | None
) -> Iterator[dict[str, Any]]:
    for index, entry in enumerate(batch.classes):
        pixels = int(batch.pixels[index])
        parent, sure = parent_of(entry), batch.confidence
        told = {
            "code": entry.code,
            "name": plain_text(entry.name),
            "parent": None if parent is None else plain_text(parent),
            "pixels": pixels,
            "area_m2": None if square_metres is None else round(pixels * square_metres, 4),
            "confidence": None if sure is None else float(sure[index]),
            "source": plain_text(source),
            "fill": entry.color,
        }
        rings = [ring.tolist() for ring in batch.rings_of(index)]
        yield {
            "type": "Feature",
            "properties": told,
            "geometry": {"type": "Polygon", "coordinates": rings},
        }
