"""Formats in which labels are exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from napari_firstpass.exporting.job import ExporterFactory

EXPORTERS: Registry[ExporterFactory] = Registry(
    "format",
    "napari_firstpass.exporters",
    {
        "geotiff": Entry(
            "napari_firstpass.io.formats.geotiff:GeotiffExporter",
            "the mask as a GeoTIFF with names and colours",
        ),
    },
)
