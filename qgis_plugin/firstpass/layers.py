"""Layers of QGIS as files, and files as layers with their style."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from osgeo import gdal
from qgis.core import (
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsProviderRegistry,
)

from firstpass.area import Bounds, area_under
from firstpass.errors import ToolError

if TYPE_CHECKING:
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsRasterLayer,
        QgsRectangle,
    )

VIRTUAL = "/vsi"
"""How paths begin that only GDAL understands."""


def path_of(layer: QgsRasterLayer) -> str:
    """Return the file of a layer.

    Raises
    ------
    ToolError
        If it lies in none: pictures of a server, or what another plugin holds in memory.
    """
    kind = layer.dataProvider().name() if layer.isValid() else "a source that cannot be opened"
    if kind != "gdal":
        raise ToolError(
            f"expected a layer from a file, found {layer.name()} from {kind}; save it as a GeoTIFF "
            "first: Export, Save As"
        )
    told = QgsProviderRegistry.instance().decodeUri("gdal", layer.source())
    path = str(told.get("path") or layer.source())
    if told.get("vsiPrefix"):
        return layer.source()
    if told.get("layerName") or not (path.startswith(VIRTUAL) or Path(path).is_file()):
        raise ToolError(
            f"expected a layer that is a file of its own, found {layer.name()} at "
            f"{layer.source()}; save it as a GeoTIFF first: Export, Save As"
        )
    return path


def part_of(layer: QgsRasterLayer, extent: QgsRectangle) -> str:
    """Return a file with the pixels of a layer under a rectangle in its CRS, and no others.

    The file holds no pixels: it refers to those of the layer. The same layer and rectangle give the
    same bytes.

    Raises
    ------
    ToolError
        If the rectangle lies beside the layer, or rows of the image do not run from west to east.
    """
    path = path_of(layer)
    area = area_under(_bounds(extent), _bounds(layer.extent()), layer.height(), layer.width())
    source = gdal.Open(path)
    turn = (0, 0) if source is None else source.GetGeoTransform()[2:5:2]
    if any(turn):
        raise ToolError(
            f"expected an image with north up for a part of it, found {layer.name()} turned; leave "
            "the rectangle empty"
        )
    place = f"{Path(path).stem[:64]}_{area.row}_{area.col}_{area.height}_{area.width}.vrt"
    target = Path(tempfile.mkdtemp(dir=QgsProcessingUtils.tempFolder())) / place
    window = [area.col, area.row, area.width, area.height]
    written = source and gdal.Translate(str(target), source, format="VRT", srcWin=window)
    if not written:
        raise ToolError(f"expected to read {path}, found {gdal.GetLastErrorMsg()}; check the file")
    written.FlushCache()
    return str(target)


def _bounds(extent: QgsRectangle) -> Bounds:
    return Bounds(extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum())


class Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded label map the names and colours of its classes, and a CRS if it has none."""

    def __init__(self, style: str, crs: QgsCoordinateReferenceSystem) -> None:
        super().__init__()
        self._style = style
        self._crs = crs

    def postProcessLayer(
        self,
        layer: QgsRasterLayer,
        _context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> None:
        """Do it; QGIS calls this in its main thread."""
        if not layer.crs().isValid() and self._crs.isValid():
            layer.setCrs(self._crs)
        layer.loadNamedStyle(self._style)
        layer.triggerRepaint()
