r"""Take the picture of what QGIS shows of exports: run by QGIS itself, on a screen.

Names and colours in its legend have to be those of the classes; without them no picture is saved.
Export a mask and polygons of an image first, then, on a machine with QGIS (Debian: ``qgis``):

    FIRSTPASS_LAYERS=image.tif:cog/image.tif:gpkg/image.gpkg FIRSTPASS_PICTURE=out.png \
        xvfb-run -a -s "-screen 0 1366x768x24" \
        qgis --nologo --noversioncheck --profile firstpass --code docs/qgis_screenshot.py
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QDockWidget
from qgis.utils import iface

DRAWN_MS = 4000
"""Until the map is drawn."""


def main() -> None:
    """Open the layers, and look at them when they are drawn."""
    image, mask, polygons = os.environ["FIRSTPASS_LAYERS"].split(":")
    layers = (
        QgsRasterLayer(image, "image"),
        QgsRasterLayer(mask, "mask"),
        QgsVectorLayer(f"{polygons}|layername=regions", "regions"),
    )
    for layer in layers:
        if not layer.isValid():
            raise RuntimeError(f"QGIS does not open {layer.source()}")
        QgsProject.instance().addMapLayer(layer)
    iface.mainWindow().resize(1366, 768)
    for dock in iface.mainWindow().findChildren(QDockWidget):
        dock.setVisible(dock.objectName() == "Layers")
    iface.mapCanvas().setExtent(layers[1].extent())
    expected = classes_of(Path(mask).parent)
    QTimer.singleShot(DRAWN_MS // 2, lambda: unfold(layers[1:]))
    QTimer.singleShot(DRAWN_MS, lambda: finish(layers[1:], expected))


def unfold(layers: tuple) -> None:
    """Show the legends; QGIS folds that of a layer that is added."""
    for layer in layers:
        node = QgsProject.instance().layerTreeRoot().findLayer(layer)
        node.setExpanded(False)  # it may think that it is shown already
        node.setExpanded(True)


def classes_of(folder: Path) -> list[tuple[str, str]]:
    """Return names and colours of the classes, as the export tells them."""
    told = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    return [(entry["name"], entry["color"].lower()) for entry in told["written"]]


def shown(layer: QgsRasterLayer | QgsVectorLayer) -> list[tuple[str, str]]:
    """Return names and colours in the legend of a layer."""
    renderer = layer.renderer()
    if isinstance(layer, QgsRasterLayer):
        return [(entry.label, entry.color.name()) for entry in renderer.classes()]
    entries = renderer.categories()
    return [(entry.label(), entry.symbol().color().name()) for entry in entries]


def compare(layer: QgsRasterLayer | QgsVectorLayer, expected: list[tuple[str, str]]) -> None:
    """Refuse a legend that tells something else than the classes."""
    found = shown(layer)
    if found != expected:
        raise RuntimeError(f"{layer.name()}: expected {expected}, found {found}")


def finish(layers: tuple, expected: list[tuple[str, str]]) -> None:
    """Compare the legends, save the picture, and end QGIS."""
    status = 1
    try:
        for layer in layers:
            compare(layer, expected)
        iface.mainWindow().grab().save(os.environ["FIRSTPASS_PICTURE"])
        status = 0
    except Exception:  # noqa: BLE001 - QGIS would show it in a window that nobody sees
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)  # with layers alive, QGIS crashes when it ends by itself


try:
    main()
except Exception:  # noqa: BLE001
    traceback.print_exc()
    os._exit(1)
