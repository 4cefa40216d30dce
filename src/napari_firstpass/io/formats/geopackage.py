"""Regions as a GeoPackage, with the style that QGIS shows them in."""

from __future__ import annotations

import sqlite3
import struct
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.io.files import writing
from napari_firstpass.io.formats.exported_regions import parent_of, require_codes
from napari_firstpass.io.formats.polygons import polygons_of, square_metres_of_pixel
from napari_firstpass.io.formats.vector_style import polygon_style
from napari_firstpass.io.gdal import crs_of, gdal, not_written
from napari_firstpass.io.ogr import ogr_package
from napari_firstpass.io.sidecar import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview, Note
    from napari_firstpass.io.formats.polygons import Polygons
    from napari_firstpass.progress import Steps

LAYER = "regions"
"""The one layer in the file."""

_NO_TIME = "1970-01-01T00:00:00.000Z"
"""The same labels give the same bytes; a file system keeps the time anyway."""

_VERSION = "1.3"  # what GDAL before 3.7 reads without a warning

_POLYGON = 3
_LITTLE_ENDIAN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GeopackageExporter:
    """One polygon for each region."""

    smooth: bool = field(
        default=False, metadata={"help": "outlines without the stairs of pixels, still shared"}
    )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse a CRS that nobody knows, and to write without the package that does it."""
        require_codes(job, "geopackage")
        crs_of(job.grid.crs)
        _package()
        return ()

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write ``NAME.gpkg``."""
        path = folder / f"{job.name}.gpkg"
        table = _Table(path, job)
        with writing(path):
            for batch in polygons_of(job, smooth=self.smooth):
                table.append(batch)
                yield batch.progress
            _put_style(path, polygon_style(job.coding.classes, "code"))


class _Table:
    """The layer of a file in the making."""

    def __init__(self, path: Path, job: ExportJob) -> None:
        self._path = path
        self._source = plain_text(job.image_name)
        self._square_metres = square_metres_of_pixel(job.grid)
        self._has_confidence = job.confidence is not None
        with gdal():
            crs = crs_of(job.grid.crs)
            self._crs = None if crs is None else crs.to_wkt()

    def append(self, batch: Polygons) -> None:
        """Add regions, also if there are none: the layer is there then."""
        columns = self._columns(batch)
        polygons = np.empty(len(batch), dtype=object)
        polygons[:] = [_binary(batch.rings_of(index)) for index in range(len(batch))]
        with _writing(self._path) as pyogrio:
            pyogrio.raw.write(
                str(self._path),
                polygons,
                list(columns.values()),
                list(columns),
                layer=LAYER,
                driver="GPKG",
                geometry_type="Polygon",
                crs=self._crs,
                append=self._path.exists(),
                dataset_options={"VERSION": _VERSION},
            )

    def _columns(self, batch: Polygons) -> dict[str, NDArray[Any]]:
        classes = batch.classes
        columns = {
            "code": np.array([entry.code for entry in classes], np.int32),
            "name": _texts(plain_text(entry.name) for entry in classes),
            "parent": _texts(parent_of(entry) for entry in classes),
            "pixels": batch.pixels,
        }
        if self._square_metres is not None:
            columns["area_m2"] = batch.pixels * self._square_metres
        if self._has_confidence:
            unknown = np.full(len(batch), np.nan)
            columns["confidence"] = unknown if batch.confidence is None else batch.confidence
        return {**columns, "source": _texts(self._source for _ in classes)}


def _texts(texts: Iterator[str | None]) -> NDArray[Any]:
    return np.array([None if text is None else plain_text(text) for text in texts], dtype=object)


def _binary(rings: list[NDArray[np.float64]]) -> bytes:
    """Return a polygon as well-known binary."""
    parts = [struct.pack("<BII", _LITTLE_ENDIAN, _POLYGON, len(rings))]
    for ring in rings:
        parts += (struct.pack("<I", len(ring)), ring.astype("<f8").tobytes())
    return b"".join(parts)


@contextmanager
def _writing(path: Path) -> Iterator[ModuleType]:
    """Let GDAL write without the time of day, turning its errors into `OutputError`."""
    pyogrio = _package()
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _NO_TIME})
    try:
        with warnings.catch_warnings():
            # It warns that a layer has no CRS; we say so before anything is written.
            warnings.simplefilter("ignore", UserWarning)
            yield pyogrio
    except pyogrio.errors.DataSourceError as error:
        raise not_written(path, next(iter(str(error).splitlines()), "an error")) from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _package() -> ModuleType:
    return ogr_package("geopackage", "choose geojson")


def _put_style(path: Path, style: str) -> None:
    """Keep the style in the table where QGIS looks for it."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,"
            " f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),"
            " f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,"
            " useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),"
            " update_time DATETIME)"
        )
        geometry = file.execute("SELECT column_name FROM gpkg_geometry_columns").fetchone()[0]
        file.execute(
            "INSERT INTO layer_styles VALUES (1, '', '', ?, ?, ?, ?, '', 1, '', '', NULL, ?)",
            (LAYER, geometry, LAYER, style, _NO_TIME),
        )
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change)"
            " VALUES ('layer_styles', 'attributes', 'layer_styles', ?)",
            (_NO_TIME,),
        )
