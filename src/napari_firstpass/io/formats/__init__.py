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
            "the mask as a GeoTIFF with names and colours, and a style for QGIS",
        ),
        "cog": Entry(
            "napari_firstpass.io.formats.geotiff:CogExporter",
            "the same as a Cloud Optimised GeoTIFF",
        ),
        "chips": Entry(
            "napari_firstpass.io.formats.chips:ChipsExporter",
            "pairs of image and mask for training, split into train, val and test",
        ),
        "coco": Entry(
            "napari_firstpass.io.formats.coco:CocoExporter",
            "each region as an instance, for pycocotools and what uses it",
        ),
        "coco-panoptic": Entry(
            "napari_firstpass.io.formats.coco_panoptic:CocoPanopticExporter",
            "segments as COCO's panoptic PNG",
        ),
        "yolo-seg": Entry(
            "napari_firstpass.io.formats.yolo:YoloExporter",
            "chips, and their regions as polygons for YOLO",
        ),
        "geopackage": Entry(
            "napari_firstpass.io.formats.geopackage:GeopackageExporter",
            "each region as a polygon with its class, in the CRS of the image, styled for QGIS",
        ),
        "stac": Entry(
            "napari_firstpass.io.formats.stac:StacExporter",
            "the mask as a GeoTIFF with a STAC item that describes it",
        ),
        "geojson": Entry(
            "napari_firstpass.io.formats.geojson:GeojsonExporter",
            "the same in longitude and latitude",
        ),
    },
)
