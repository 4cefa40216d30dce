"""A style for QGIS: one filled colour for each class, with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from napari_firstpass.io.sidecar import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_firstpass.exporting.rules import WrittenClass

_OUTLINE = "35,35,35,255"
_OUTLINE_MM = "0.1"


def polygon_style(classes: Iterable[WrittenClass], column: str) -> str:
    """Return QGIS's own XML (QML) for polygons whose class code stands in a column."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=column)
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for index, entry in enumerate(classes):
        told = {"symbol": str(index), "value": str(entry.code), "label": plain_text(entry.name)}
        ET.SubElement(categories, "category", told, type="long", render="true")
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(index), alpha="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0"})
        options = ET.SubElement(layer, "Option", type="Map")
        values = {
            "color": ",".join(map(str, (*entry.rgb, 255))),
            "style": "solid",
            "outline_color": _OUTLINE,
            "outline_style": "solid",
            "outline_width": _OUTLINE_MM,
            "outline_width_unit": "MM",
        }
        for name, value in values.items():
            ET.SubElement(options, "Option", name=name, value=value, type="QString")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
