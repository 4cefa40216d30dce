"""Drawn shapes as hints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform_geom

from napari_firstpass.errors import (
    FirstPassError,
    GridMismatchError,
    ImageReadError,
    OptionError,
    TaxonomyError,
)
from napari_firstpass.grid import Grid, Window
from napari_firstpass.hints import MapHints
from napari_firstpass.io.hint_file import hint_files
from napari_firstpass.io.shape_hints import shape_hints

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

UTM = "EPSG:32631"
LON_LAT = "EPSG:4326"
GRID = Grid(40, 60, Affine(2, 0, 500_000, 0, -2, 5_000_000), UTM)


def box(top: int, left: int, bottom: int, right: int, grid: Grid = GRID) -> dict[str, Any]:
    """Return the rectangle around some pixels, in the CRS of the grid."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    ring = [list(grid.transform @ corner) for corner in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def write(
    path: Path, *shapes: tuple[dict[str, Any] | None, dict[str, Any]], crs: str = UTM
) -> Path:
    """Write shapes of UTM as GeoJSON, in longitude and latitude or under the older ``crs``."""
    features = []
    for geometry, told in shapes:
        placed = geometry
        if geometry is not None and crs == LON_LAT:
            placed = transform_geom(UTM, LON_LAT, geometry)
        features.append({"type": "Feature", "properties": told, "geometry": placed})
    content: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs != LON_LAT:
        content["crs"] = {
            "type": "name",
            "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs[5:]}"},
        }
    path.write_text(json.dumps(content))
    return path


def read(hints: MapHints, grid: Grid = GRID) -> NDArray[Any]:
    """Return all that hints say of an image."""
    opens = hints.on(grid)
    assert opens is not None
    with opens() as source:
        assert source.grid == grid
        return source.read(Window(0, 0, *grid.shape))


@pytest.mark.parametrize("crs", [UTM, LON_LAT])
def test_shapes_name_the_pixels_whose_middles_they_hold(tmp_path: Path, crs: str) -> None:
    path = write(
        tmp_path / "places.geojson",
        (box(10, 20, 15, 40), {"class": "tree"}),
        (box(12, 30, 20, 50), {"class": "building"}),
        (box(0, 0, 5, 5), {"class": None}),
        (None, {"class": "water"}),
        crs=crs,
    )
    (hints,) = hint_files([path])
    assert isinstance(hints, MapHints)
    assert [(entry.id, entry.name) for entry in hints.classes] == [(1, "building"), (2, "tree")]
    drawn = np.zeros((40, 60), np.uint8)
    drawn[10:15, 20:40], drawn[12:20, 30:50] = 2, 1  # what comes later lies above
    assert np.array_equal(read(hints), drawn)


def test_windows_are_parts_of_the_whole_also_where_pixels_are_turned(tmp_path: Path) -> None:
    turned = Grid(40, 60, GRID.transform @ Affine.rotation(30), UTM)
    path = write(tmp_path / "a.geojson", (box(3, 7, 33, 51, turned), {"code": 7}))
    (hints,) = shape_hints([path])
    whole = read(hints, turned)
    assert (whole[3:33, 7:51] == 7).all()
    assert np.count_nonzero(whole) == 30 * 44
    opens = hints.on(turned)
    assert opens is not None
    with opens() as source:
        for window in (Window(0, 0, 10, 20), Window(30, 45, 10, 15), Window(35, 0, 5, 5)):
            assert np.array_equal(source.read(window), whole[window.slices])


def test_an_image_beside_the_shapes_has_no_hints(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", (box(0, 0, 5, 5), {"name": "tree"}))
    (hints,) = shape_hints([path])
    beside = Grid(40, 60, GRID.transform @ Affine.translation(60, 0), UTM)
    assert hints.on(beside) is None
    with pytest.raises(GridMismatchError, match=r"images with a CRS under a\.geojson, found one"):
        hints.on(Grid(40, 60))


def test_names_mean_the_same_in_all_files_and_numbers_are_ids(tmp_path: Path) -> None:
    first = write(tmp_path / "a.geojson", (box(0, 0, 5, 5), {"Kind": "tree"}))
    second = write(tmp_path / "b.json", (box(0, 0, 5, 5), {"kind": "roof"}))
    a, b = shape_hints([first, second], "kind")
    assert read(a).max() == 2
    assert read(b).max() == 1
    codes = write(
        tmp_path / "c.geojson", (box(0, 0, 2, 2), {"id": 300.0}), (box(9, 9, 12, 12), {"id": 0})
    )
    (numbered,) = shape_hints([codes])
    assert np.unique(read(numbered)).tolist() == [0, 300]
    assert [entry.id for entry in numbered.classes] == [300]


def test_a_geopackage_says_what_the_same_shapes_say_as_geojson(tmp_path: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    path = write(
        tmp_path / "a.geojson",
        (box(1, 2, 9, 30), {"landuse": "tree", "id": 4}),
        (box(20, 20, 30, 22), {"landuse": "roof", "id": 5}),
    )
    meta, _, geometry, columns = pyogrio.raw.read(path)
    for name, driver in (("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile")):
        told = {"geometry_type": "Polygon", "crs": meta["crs"], "driver": driver}
        pyogrio.raw.write(tmp_path / name, geometry, columns, meta["fields"], **told)
        (own,), (other,) = shape_hints([path], "landuse"), shape_hints([tmp_path / name], "landuse")
        assert other.classes == own.classes
        assert np.array_equal(read(other), read(own))
    told = {"geometry_type": "Polygon", "crs": meta["crs"], "driver": "GPKG", "layer": "more"}
    pyogrio.raw.write(tmp_path / "a.gpkg", geometry, columns, meta["fields"], append=True, **told)
    with pytest.raises(OptionError, match=r"one layer of shapes in .*, found a, more"):
        shape_hints([tmp_path / "a.gpkg"])
    (tmp_path / "cut.gpkg").write_bytes((tmp_path / "a.gpkg").read_bytes()[:500])
    with pytest.raises(ImageReadError, match="a file of shapes that can be read"):
        shape_hints([tmp_path / "cut.gpkg"])


POINT = '"geometry": {"type": "Point", "coordinates": [1, 1]}'


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("no json", ImageReadError, "no JSON"),
        ("[1]", ImageReadError, "no list of features"),
        ('{"features": []}', ImageReadError, "found none; draw some"),
        ('{"features": [7]}', ImageReadError, "something else as number 1"),
        (
            '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [1]}}',
            ImageReadError,
            "a damaged one, number 1",
        ),
        (
            f'{{"type": "Feature", "crs": {{"properties": {{"name": "moon"}}}}, {POINT}}}',
            ImageReadError,
            "an unknown coordinate system",
        ),
        (
            f'{{"type": "Feature", "properties": {{"a": 1, "b": 2}}, {POINT}}}',
            OptionError,
            r"found none of that name; it has a, b; name the one that does \(--attribute\)",
        ),
        (
            f'{{"type": "Feature", "properties": {{"id": 70000}}, {POINT}}}',
            TaxonomyError,
            r"class ids in \[0, 65535\], found 70000",
        ),
    ],
)
def test_what_tells_no_classes_is_refused(
    tmp_path: Path, text: str, kind: type[FirstPassError], message: str
) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(kind, match=message):
        shape_hints([path])


def test_positions_that_do_not_exist_in_the_image_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    far = {"type": "Point", "coordinates": [500_000.0, 5_000_000.0]}
    path.write_text(json.dumps({"type": "Feature", "properties": {"id": 1}, "geometry": far}))
    (hints,) = shape_hints([path])
    with pytest.raises(GridMismatchError, match=r"shapes in a\.geojson that exist in EPSG:32631"):
        hints.on(GRID)
