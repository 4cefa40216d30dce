"""Reading drawn shapes: GeoJSON by ourselves, GeoPackage and other files by pyogrio."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio.features
from rasterio.crs import CRS
from rasterio.errors import CRSError

from napari_firstpass.errors import ImageReadError, OptionError
from napari_firstpass.io.gdal import check_readable, crs_text, gdal
from napari_firstpass.io.ogr import ogr_package

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

_JSON = (".geojson", ".json")
_TABLES = (".gpkg", ".shp", ".fgb")
_LON_LAT = "EPSG:4326"
_COLUMNS = "OUiufb"
"""Kinds of columns that are read: texts and numbers."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Shapes of one file, in its order.

    Attributes
    ----------
    path : Path
        The file.
    crs : str
        What positions are in.
    geometries : tuple of mapping
        As in GeoJSON.
    attributes : tuple of mapping of str to plain value
        What is told of each.
    """

    path: Path
    crs: str
    geometries: tuple[Mapping[str, Any], ...]
    attributes: tuple[Mapping[str, Any], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of attributes, in order of their first use."""
        return tuple(dict.fromkeys(name for told in self.attributes for name in told))


def holds_shapes(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of shapes, by its ending."""
    return Path(path).suffix.lower() in (*_JSON, *_TABLES)


def read_shapes(path: str | os.PathLike[str]) -> Shapes:
    """Read GeoJSON, or a GeoPackage, Shapefile or FlatGeobuf of one layer.

    Raises
    ------
    ImageReadError
        If it cannot be read, has no shape, or does not say where shapes are.
    OptionError
        If it has several layers, or the package that reads it is missing.
    """
    place = Path(path)
    check_readable(str(place))
    text = place.read_bytes() if place.suffix.lower() in _JSON else _as_geojson(place)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unfit(place, "no JSON in UTF-8", "export it again") from error
    features = content.get("features", [content]) if isinstance(content, dict) else None
    if not isinstance(features, list):
        raise _unfit(place, "no list of features", "export the layer as GeoJSON")
    found = list(_drawn(features, place))
    if not found:
        raise _unfit(place, "none", "draw some, or leave it out")
    geometries, attributes = zip(*found, strict=True)
    return Shapes(place, _crs(content, place), geometries, attributes)


def _drawn(features: list[Any], path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for number, feature in enumerate(features, start=1):
        entry = feature if isinstance(feature, dict) else {}
        if entry.get("type") != "Feature":
            raise _unfit(path, f"something else as number {number}", "export it as GeoJSON")
        geometry, told = entry.get("geometry"), entry.get("properties") or {}
        if geometry is None:
            continue
        if not isinstance(told, dict) or not _is_sound(geometry):
            raise _unfit(path, f"a damaged one, number {number}", "mend it, or leave it out")
        yield geometry, told


def _is_sound(geometry: object) -> bool:
    try:
        return bool(rasterio.features.is_valid_geom(geometry))
    except (AttributeError, IndexError, KeyError, TypeError):
        return False


def _crs(content: dict[str, Any], path: Path) -> str:
    """Return what positions are in: longitude and latitude, unless an older file says it."""
    said = content.get("crs")
    if said is None:
        return _LON_LAT
    try:
        with gdal():
            text = crs_text(CRS.from_user_input(said["properties"]["name"]))
    except (CRSError, KeyError, TypeError) as error:
        raise _unfit(path, "an unknown coordinate system", "export it as EPSG:4326") from error
    return text or _LON_LAT


def _as_geojson(path: Path) -> bytes:
    """Let pyogrio read the layer of a file, and say it in GeoJSON."""
    pyogrio = ogr_package(f"shapes in {path.name}", "export them as GeoJSON")
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) > 1:
            raise OptionError(
                expected=f"one layer of shapes in {path}",
                found=", ".join(layers),
                remedy="export the one that is meant as GeoJSON",
            )
        if not layers:
            raise _unfit(path, "tables alone", "export the layer as GeoJSON")
        meta, _, geometry, columns = pyogrio.raw.read(path, layer=layers[0], force_2d=True)
        if meta["crs"] is None:
            raise _unfit(path, "no coordinate system", "give it one, in QGIS for example")
        kept = [at for at, column in enumerate(columns) if column.dtype.kind in _COLUMNS]
        written = io.BytesIO()
        pyogrio.raw.write(
            written,
            geometry,
            [columns[at] for at in kept],
            [meta["fields"][at] for at in kept],
            driver="GeoJSON",
            geometry_type=meta["geometry_type"],
            crs=meta["crs"],
            layer_options={"RFC7946": "NO"},
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ImageReadError(
            expected="a file of shapes that can be read",
            found=f"{path}, damaged or of another kind",
            remedy="export it again, as GeoJSON for example",
        ) from error
    content = json.loads(written.getvalue())
    content["crs"] = {"properties": {"name": meta["crs"]}}
    return json.dumps(content).encode()


def _unfit(path: Path, found: str, remedy: str) -> ImageReadError:
    return ImageReadError(expected=f"drawn shapes in {path}", found=found, remedy=remedy)
