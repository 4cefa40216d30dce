"""A style for QGIS that shows the classes of a mask, and no other entries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from napari_firstpass.io.sidecar import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_firstpass.taxonomy import Taxonomy


def style_path(mask: Path) -> Path:
    """Return where QGIS looks for the style of a mask."""
    return mask.with_suffix(".qml")


def label_style(taxonomy: Taxonomy) -> bytes:
    """Return the style of a label file; see `mask_style`."""
    return mask_style({entry.id: (entry.name, entry.color) for entry in taxonomy.classes})


def mask_style(classes: Mapping[int, tuple[str, str]]) -> bytes:
    """Return QGIS's own XML (QML) for a mask of one band.

    QGIS loads a file of the mask's name with the ending ``.qml`` by itself. Without one it shows
    256 entries, however many classes there are.

    Parameters
    ----------
    classes : mapping of int to (name, color)
        What each value means, in the order of the legend; colours are ``#RRGGBB``.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1"
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value, (name, color) in classes.items():
        told = {"value": str(value), "color": color.lower(), "alpha": "255"}
        ET.SubElement(palette, "paletteEntry", told, label=plain_text(name))
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8")
    return written + b"\n"
