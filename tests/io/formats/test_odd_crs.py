"""A CRS that some formats, or none, can hold: kept as it is, or refused in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyogrio
import pytest
import rasterio
from exports import LABELS, exported
from rasters import NORTH_UP

from napari_firstpass.errors import GridMismatchError, OutputError
from napari_firstpass.grid import Grid
from napari_firstpass.io.formats import EXPORTERS

if TYPE_CHECKING:
    from pathlib import Path

SITE = 'LOCAL_CS["site grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
MOON = (
    'GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],'
    'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
)
LON_LAT = {"stac", "geojson"}
OPTIONS = {
    "stac": {"datetime": "2024-05-31"},
    "chips": {"size": 16, "split": "1", "layout": "torchgeo"},
    "yolo-seg": {"size": 16, "split": "1"},
}


def made(folder: Path, name: str, crs: str) -> Path:
    grid = Grid(*LABELS.shape, NORTH_UP, crs)
    return exported(folder / name, name, grid=grid, **OPTIONS.get(name, {}))


@pytest.mark.parametrize(("crs", "called"), [(SITE, "site grid"), (MOON, "Moon")])
def test_what_is_not_on_earth_is_kept_where_it_can_be(
    crs: str, called: str, tmp_path: Path
) -> None:
    for name in EXPORTERS.names:
        if name in LON_LAT:
            refusal = f"expected a CRS with a place on Earth for {name}, found .*; choose a format"
            with pytest.raises(GridMismatchError, match=refusal):
                made(tmp_path, name, crs)
            continue
        out = made(tmp_path, name, crs)
        for path in out.rglob("*.tif"):
            with rasterio.open(path) as dataset:
                assert called in dataset.crs.to_wkt()
        for path in out.glob("*.gpkg"):
            assert called in pyogrio.read_info(path, layer="regions")["crs"]
    kept = set(EXPORTERS.names) - LON_LAT
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_crs_that_nobody_knows_is_refused_by_all(tmp_path: Path) -> None:
    for name in EXPORTERS.names:
        with pytest.raises(OutputError, match=r"such as EPSG:32631 or WKT, found 'EPSG:999999'"):
            made(tmp_path, name, "EPSG:999999")
    assert not list(tmp_path.iterdir())
