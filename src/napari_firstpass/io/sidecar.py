"""Class names beside a GeoTIFF, in the ``.aux.xml`` file where GDAL and QGIS look for them.

GeoTIFF itself has no place for them, and rasterio no call. The format is GDAL's "persistent
auxiliary metadata"; both the plain list of names and the attribute table are written, because
programs read one or the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TypeAlias

    Named: TypeAlias = tuple[str, tuple[int, int, int]]

# (name, type, usage) as GDAL numbers them: type 0 integer, 2 text; usage 5 "this value",
# 2 "its name", 1 "its pixels", 6 to 8 "its colour".
_COLUMNS = (
    ("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8),
    ("Count", 0, 1),
)  # fmt: skip

_LARGEST = 2**24


def sidecar_of(path: Path) -> Path:
    """Return where the sidecar of ``path`` lies."""
    return path.with_name(path.name + ".aux.xml")


def write_class_names(path: Path, classes: Mapping[int, Named], counts: Mapping[int, int]) -> None:
    """Write class names, colours and pixel counts beside ``path``.

    What GDAL itself put there (a coordinate system too odd for GeoTIFF) is kept.

    Parameters
    ----------
    path : Path
        The label file, closed.
    classes : mapping of int to (name, (red, green, blue))
        What each value means, in order.
    counts : mapping of int to int
        Pixels of each id; ids that are missing have none.
    """
    place = sidecar_of(path)
    root = _parsed(place) if place.exists() else ET.Element("PAMDataset")
    band = root.find("PAMRasterBand[@band='1']")
    if band is None:
        band = ET.SubElement(root, "PAMRasterBand", band="1")
    names = {0: "unlabelled"} | {value: name for value, (name, _) in classes.items()}
    categories = ET.SubElement(band, "CategoryNames")
    for index in range(max(classes, default=0) + 1):
        ET.SubElement(categories, "Category").text = plain_text(names.get(index, ""))
    band.append(_attribute_table(classes, counts))
    ET.indent(root)
    place.write_bytes(ET.tostring(root, encoding="utf-8") + b"\n")


def read_class_names(path: Path) -> dict[int, str]:
    """Return the names beside ``path`` by id, without empty ones; none for want of a sidecar.

    The plain list counts; the attribute table is read where there is no list.
    """
    place = sidecar_of(path)
    if not place.is_file() or place.stat().st_size > _LARGEST:
        return {}
    try:
        root = _parsed(place)
    except ET.ParseError:
        return {}
    listed = {i: node.text for i, node in enumerate(root.iterfind(".//CategoryNames/Category"))}
    names = listed or _names_in_table(root)
    return {index: text for index, text in names.items() if text and text.strip()}


def plain_text(text: str) -> str:
    """Return ``text`` without the control characters and surrogates that XML cannot hold."""
    return "".join(c for c in text if (c >= " " or c in "\t\n") and not "\ud800" <= c <= "\udfff")


def _parsed(place: Path) -> ET.Element:
    # expat itself stops entity bombs since 2.4.1, which is what the rule is about.
    return ET.parse(place).getroot()  # noqa: S314


def _attribute_table(classes: Mapping[int, Named], counts: Mapping[int, int]) -> ET.Element:
    table = ET.Element("GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(_COLUMNS):
        field = ET.SubElement(table, "FieldDefn", index=str(index))
        for tag, value in (("Name", name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(field, tag).text = str(value)
    for index, (value, (name, rgb)) in enumerate(classes.items()):
        row = ET.SubElement(table, "Row", index=str(index))
        for cell in (value, plain_text(name), *rgb, counts.get(value, 0)):
            ET.SubElement(row, "F").text = str(cell)
    return table


def _names_in_table(root: ET.Element) -> dict[int, str | None]:
    usages = [node.text for node in root.iterfind(".//GDALRasterAttributeTable/FieldDefn/Usage")]
    if "5" not in usages or "2" not in usages:
        return {}
    value, name = usages.index("5"), usages.index("2")
    rows = [[f.text for f in row] for row in root.iterfind(".//GDALRasterAttributeTable/Row")]
    return {
        int(row[value] or 0): row[name]
        for row in rows
        if len(row) == len(usages) and (row[value] or "").isdecimal()
    }
