from __future__ import annotations

import json
import sqlite3
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from exports import HOSTILE, LABELS, REGIONS, exported, many_classes
from rasterio.features import rasterize
from rasters import NORTH_UP, ROTATED, UTM31

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.exporting.rules import ExportRules
from napari_firstpass.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AREA = 0.01
"""Of a pixel, in m²."""

LOCAL = 'LOCAL_CS["a building site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


def read(path: Path) -> tuple[dict[str, NDArray], list[dict]]:
    """Return the columns and the geometries that pyogrio finds."""
    layer = "regions" if path.suffix == ".gpkg" else path.stem
    meta, _, geometry, columns = pyogrio.raw.read(path, layer=layer)
    told = subprocess.run(
        ["ogr2ogr", "-f", "GeoJSON", "/vsistdout/", str(path), layer],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    features = json.loads(told.stdout)["features"]
    assert len(geometry) == len(features)
    return dict(zip(meta["fields"].tolist(), columns, strict=True)), [
        feature["geometry"] for feature in features
    ]


def drawn(path: Path, grid: Grid) -> NDArray[np.uint8]:
    """Return the codes of the polygons, as GDAL fills them."""
    columns, geometries = read(path)
    shapes = zip(geometries, columns["code"].tolist(), strict=True)
    return rasterize(shapes, out_shape=grid.shape, transform=grid.transform, dtype=np.uint8)


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, Affine(0.1, 0, 5e5, 0, 0.1, 5e6)])
def test_gdal_draws_the_labels_again(tmp_path: Path, transform: Affine) -> None:
    grid = Grid(*LABELS.shape, transform, UTM31)
    out = exported(tmp_path / "out", "geopackage", grid=grid)
    np.testing.assert_array_equal(drawn(out / "scene.gpkg", grid), LABELS)


def test_each_region_tells_what_it_is(tmp_path: Path) -> None:
    sure = np.where(LABELS == 7, 30, 200).astype(np.uint8)
    out = exported(tmp_path / "out", "geopackage", confidence=sure)
    columns, _ = read(out / "scene.gpkg")
    codes, counts = np.unique(columns["code"], return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == REGIONS
    for code, name, parent, pixels, area, confidence, source in zip(*columns.values(), strict=True):
        assert name == HOSTILE[code].name
        assert parent == ("plants" if code == 2 else None)
        assert area == pytest.approx(pixels * AREA)
        assert confidence == (30 if code == 7 else 200)
        assert source == "scene"
    assert columns["pixels"].sum() == np.count_nonzero(LABELS)


def test_what_is_not_sure_has_no_polygon(tmp_path: Path) -> None:
    sure = np.where(LABELS == 7, 30, 200).astype(np.uint8)
    rules = ExportRules(min_confidence=100)
    out = exported(tmp_path / "out", "geopackage", confidence=sure, rules=rules)
    assert 7 not in read(out / "scene.gpkg")[0]["code"]


def test_ogrinfo_finds_valid_polygons_in_the_crs_of_the_image(tmp_path: Path) -> None:
    path = exported(tmp_path / "out", "geopackage") / "scene.gpkg"
    query = "SELECT COUNT(*) AS n, SUM(ST_IsValid(geom)) AS valid FROM regions"
    told = subprocess.run(
        ["ogrinfo", "-dialect", "SQLite", "-sql", query, str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "n (Integer) = 5" in told
    assert "valid (Integer) = 5" in told
    summary = subprocess.run(
        ["ogrinfo", "-so", str(path), "regions"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert 'ID["EPSG",32631]' in summary.stdout
    assert not summary.stderr


def test_the_style_for_qgis_names_and_colours_each_class(tmp_path: Path) -> None:
    path = exported(tmp_path / "out", "geopackage") / "scene.gpkg"
    with sqlite3.connect(path) as file:
        told = "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        table, column, is_default, style = file.execute(told).fetchone()
    file.close()
    assert (table, column, is_default) == ("regions", "geom", 1)
    root = ET.fromstring(style)  # noqa: S314
    symbols = {symbol.get("name"): symbol for symbol in root.iterfind(".//symbol")}
    found = {}
    for category in root.iterfind(".//category"):
        color = symbols[category.get("symbol")].find(".//Option[@name='color']").get("value")
        found[category.get("label")] = color
    expected = {entry.name: ",".join(map(str, (*entry.rgb, 255))) for entry in HOSTILE.classes}
    assert found == expected


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (exported(tmp_path / name, "geopackage") / "scene.gpkg" for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_an_image_without_a_place_is_laid_where_programs_show_it(tmp_path: Path) -> None:
    grid = Grid(*LABELS.shape)
    path = exported(tmp_path / "out", "geopackage", grid=grid) / "scene.gpkg"
    shown = Grid(*LABELS.shape, Affine.scale(1, -1))
    np.testing.assert_array_equal(drawn(path, shown), LABELS)
    columns, _ = read(path)
    assert "area_m2" not in columns
    assert "confidence" not in columns


def test_a_crs_without_a_place_on_earth_is_kept(tmp_path: Path) -> None:
    grid = Grid(*LABELS.shape, NORTH_UP, LOCAL)
    path = exported(tmp_path / "out", "geopackage", grid=grid) / "scene.gpkg"
    assert "a building site" in pyogrio.read_info(path, layer="regions")["crs"]
    with pytest.raises(GridMismatchError, match="a CRS with a place on Earth for geojson"):
        exported(tmp_path / "other", "geojson", grid=grid)


@pytest.mark.parametrize("format_name", ["geopackage", "geojson"])
def test_300_classes_and_none(tmp_path: Path, format_name: str) -> None:
    labels, taxonomy = many_classes()
    ending = {"geopackage": "gpkg", "geojson": "geojson"}[format_name]
    path = exported(tmp_path / "many", format_name, labels, taxonomy) / f"scene.{ending}"
    assert sorted(read(path)[0]["code"].tolist()) == list(range(1, 301))
    path = exported(tmp_path / "none", format_name, np.zeros((4, 5), np.uint8)) / f"scene.{ending}"
    assert len(read(path)[1]) == 0


def test_colours_are_refused(tmp_path: Path) -> None:
    rules = ExportRules(preset="isprs-rgb", allow_loss=True)
    with pytest.raises(OptionError, match="classes for geojson, found the preset isprs-rgb"):
        exported(tmp_path / "out", "geojson", rules=rules)


def test_geojson_is_in_degrees_and_runs_against_the_clock(tmp_path: Path) -> None:
    path = exported(tmp_path / "out", "geojson") / "scene.geojson"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert "crs" not in content
    lon, lat = rasterio.warp.transform(UTM31, "EPSG:4326", [500_000.0], [5_000_000.0])
    corner = np.inf
    for feature in content["features"]:
        for index, ring in enumerate(feature["geometry"]["coordinates"]):
            assert ring[0] == ring[-1]
            x, y = (np.array(ring) - ring[0]).T
            turns = np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])
            assert (turns > 0) == (index == 0)
            apart = np.abs(np.array(ring) - (lon[0], lat[0])).sum(axis=1).min()
            corner = min(corner, apart)
    assert corner < 2e-8  # a fiftieth of a pixel


def test_gdal_reads_geojson_and_draws_the_labels_again(tmp_path: Path) -> None:
    grid = Grid(*LABELS.shape, Affine(1e-6, 0, 12, 0, -1e-6, 45), "EPSG:4326")
    path = exported(tmp_path / "out", "geojson", grid=grid) / "scene.geojson"
    np.testing.assert_array_equal(drawn(path, grid), LABELS)
    columns, _ = read(path)
    assert {HOSTILE[code].name for code in columns["code"].tolist()} == set(columns["name"])
    assert columns["area_m2"][0] is None or np.isnan(columns["area_m2"][0])


def test_geojson_without_a_crs_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GridMismatchError, match="an image with a CRS for geojson"):
        exported(tmp_path / "out", "geojson", grid=Grid(*LABELS.shape))
    assert not (tmp_path / "out").exists()


def test_geojson_across_the_180th_meridian_is_refused(tmp_path: Path) -> None:
    grid = Grid(*LABELS.shape, Affine(0.1, 0, 179.8, 0, -0.1, 45), "EPSG:4326")
    shifted = Grid(*LABELS.shape, Affine(50_000, 0, 700_000, 0, -50_000, 5e6), "EPSG:32660")
    for place in (grid, shifted):
        with pytest.raises(GridMismatchError, match="one side of the 180th meridian"):
            exported(tmp_path / "out", "geojson", grid=place)


def test_smooth_outlines_are_still_shared(tmp_path: Path) -> None:
    labels = (np.tri(20, 20, dtype=np.uint8)) + np.uint8(1)
    grid = Grid(20, 20, NORTH_UP, UTM31)
    path = exported(tmp_path / "out", "geopackage", labels, grid=grid, smooth=True) / "scene.gpkg"
    rings = [geometry["coordinates"] for geometry in read(path)[1]]
    assert [len(polygon) for polygon in rings] == [1, 1]
    one, other = ({tuple(point) for point in polygon[0]} for polygon in rings)
    assert len(one & other) >= 2
    assert len(one | other) <= 10
