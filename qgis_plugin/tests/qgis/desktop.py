"""Works in QGIS's window, looks at the legend, and takes pictures: run by QGIS itself, on a screen.

    FIRSTPASS_IMAGE=town.tif FIRSTPASS_TRUTH=truth.tif FIRSTPASS_PICTURES=folder \
        xvfb-run -a -s "-screen 0 1600x1000x24" \
        qgis --nologo --noversioncheck --profile firstpass --code qgis_plugin/tests/qgis/desktop.py

Ends with 1 if a legend tells something else than the names and colours of the classes, or a batch
writes other files than single runs. Saves ``dialog.png``, ``legend.png`` and ``batch.png``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from threading import Timer
from typing import Any

import processing
from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QDockWidget, QTreeView, QWidget
from qgis.utils import iface

DRAWN_MS = 2500
"""Until a window, or the map, is drawn."""

LIMIT_S = 200
"""For everything."""

IMAGE, TRUTH = Path(os.environ["FIRSTPASS_IMAGE"]), os.environ.get("FIRSTPASS_TRUTH")
PICTURES = Path(os.environ["FIRSTPASS_PICTURES"])


def algorithm(name: str) -> Any:  # noqa: ANN401 - QGIS has no types
    """Return one of ours."""
    found = QgsApplication.processingRegistry().createAlgorithmById(f"firstpass:{name}")
    if found is None:
        raise RuntimeError("the plugin is not loaded")
    return found


def work() -> None:
    """Segment the layer, name its classes where a truth is there, and look."""
    image = QgsRasterLayer(str(IMAGE), "image")
    QgsProject.instance().addMapLayer(image)
    iface.mainWindow().resize(1600, 960)
    clusters, labels = (str(PICTURES / f"{name}.tif") for name in ("clusters", "labels"))
    processing.run("firstpass:segment", {"IMAGE": image, "CLASSES": "12", "OUT": clusters})
    given = {"LABELS": clusters, "REFERENCE": TRUTH, "IMAGE": image, "OUT": labels}
    done = processing.runAndLoadResults("firstpass:align_reference", given)
    (layer,) = QgsProject.instance().mapLayersByName("Labels")
    classes = json.loads(done["RESULT"])["classes"]
    expected = [(entry["name"], entry["color"].lower()) for entry in classes]
    found = [(entry.label, entry.color.name()) for entry in layer.renderer().classes()]
    if found != expected:
        raise RuntimeError(f"expected {expected}, found {found}")
    if layer.crs() != image.crs() or layer.extent() != image.extent():
        raise RuntimeError("the labels are somewhere else than the image")
    layer.setOpacity(0.7)
    show(layer)
    QTimer.singleShot(DRAWN_MS, lambda: guarded(pictures))


def show(layer: QgsRasterLayer) -> None:
    """Show the layers, their legends and the toolbox, and nothing beside them."""
    for dock in iface.mainWindow().findChildren(QDockWidget):
        dock.setVisible(dock.objectName() in ("Layers", "ProcessingToolbox"))
        if dock.objectName() == "ProcessingToolbox":
            unfold(dock)
    root = QgsProject.instance().layerTreeRoot()
    for node in root.findLayers():
        node.setExpanded(node.layer() == layer)
    iface.mapCanvas().setExtent(layer.extent())
    iface.mapCanvas().refresh()


def unfold(toolbox: QWidget) -> None:
    """Show our algorithms in the toolbox, as a search for us does."""
    tree = toolbox.findChild(QTreeView)
    toolbox.findChild(QWidget, "searchBox").setValue("firstpass")
    tree.expandAll()


def pictures() -> None:
    """Save the window, then the dialogs."""
    save(iface.mainWindow(), "legend")
    (image,) = QgsProject.instance().mapLayersByName("image")
    iface.setActiveLayer(image)  # dialogs offer it
    single = AlgorithmDialog(algorithm("segment"), parent=iface.mainWindow())
    several = BatchAlgorithmDialog(algorithm("segment"), parent=iface.mainWindow())
    for dialog, size in ((single, (1000, 760)), (several, (1200, 420))):
        dialog.resize(*size)
        dialog.show()
    QTimer.singleShot(DRAWN_MS, lambda: guarded(lambda: finish(single, several)))


def finish(single: QWidget, several: QWidget) -> None:
    """Save the dialogs, run the batch as its button does, and end QGIS."""
    save(single, "dialog")
    save(several, "batch")
    outputs = filled(several.mainWidget(), rows=2)
    several.runAlgorithm()
    expected = (PICTURES / "clusters.tif").read_bytes()
    for path in outputs:
        if path.read_bytes() != expected:
            raise RuntimeError(f"{path} differs from what a single run wrote")
    end(0)


def filled(table: Any, rows: int) -> list[Path]:  # noqa: ANN401
    """Fill rows of a batch with the image and a file each; return these."""
    table.addRow(rows - table.batchRowCount())
    table.checkLoadLayersOnCompletion.setChecked(False)
    columns = table.parameter_to_column
    outputs = [PICTURES / f"batch {row}.tif" for row in range(rows)]
    for row, path in enumerate(outputs):
        for name, value in (("IMAGE", str(IMAGE)), ("CLASSES", "12")):
            wrapper = table.wrappers[row][columns[name]]
            wrapper.setParameterValue(value, table.processing_context)
        # The first row of the table fills others.
        table.tblParameters.cellWidget(row + 1, columns["OUT"]).setValue(str(path))
    return outputs


def save(widget: QWidget, name: str) -> None:
    """Save what a window shows."""
    if not widget.grab().save(str(PICTURES / f"{name}.png")):
        raise RuntimeError(f"{name}.png was not saved")


def guarded(step: Any) -> None:  # noqa: ANN401
    """End QGIS when a step fails; it would show that in a window that nobody sees."""
    try:
        step()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        end(1)


def end(status: int) -> None:
    """Leave at once: with layers alive, QGIS crashes when it ends by itself."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


# A question that QGIS asks in a window would wait for ever.
Timer(LIMIT_S, os._exit, [2]).start()
# Plugins are loaded, and the window is there, when QGIS is idle for the first time.
QTimer.singleShot(0, lambda: guarded(work))
