"""A style for QGIS that shows the classes of a mask, and no other entries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from napari_firstpass.io.sidecar import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_firstpass.exporting.rules import WrittenClass


def mask_style(classes: Iterable[WrittenClass]) -> bytes:
    """Return QGIS's own XML (QML) for a mask of one band.

    QGIS loads a file of the mask's name with the ending ``.qml`` by itself. Without one it shows
    256 entries, however many classes there are.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for entry in classes:
        told = {"value": str(entry.code), "color": entry.color.lower(), "alpha": "255"}
        ET.SubElement(palette, "paletteEntry", told, label=plain_text(entry.name))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8")
    return written + b"\n"
