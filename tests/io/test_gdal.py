"""What reading and writing do to GDAL's settings, and what users read when it fails."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import rasterio
from rasterio.env import get_gdal_config
from rasters import NORTH_UP, UTM31

from napari_firstpass.errors import OutputError
from napari_firstpass.io.gdal import CACHE_BYTES, crs_of, crs_text, gdal, gdal_writing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("outer", [{}, {"GDAL_CACHEMAX": 2_000_000_000}], ids=["none", "other"])
def test_memory_for_blocks_is_bounded_whatever_was_set(outer: dict[str, int]) -> None:
    with rasterio.Env(**outer), gdal():
        assert get_gdal_config("GDAL_CACHEMAX") == CACHE_BYTES


@pytest.mark.parametrize("text", ["EPSG:32631", "EPSG:4326", "EPSG:2056", None])
def test_a_known_crs_is_a_short_text_and_comes_back(text: str | None) -> None:
    assert crs_text(crs_of(text)) == text


def test_a_crs_without_a_code_is_wkt_and_comes_back() -> None:
    crs = crs_of("+proj=laea +lat_0=52.1 +lon_0=10 +ellps=GRS80 +units=m")
    text = crs_text(crs)
    assert text is not None
    assert text.startswith("PROJCS")
    assert crs_of(text) == crs


def test_what_gdal_says_while_writing_reaches_the_user(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"to write .*a\.tif, found '.*No such file"),
        gdal_writing(tmp_path / "a.tif"),
    ):
        rasterio.open(tmp_path / "missing" / "a.tif")


PEAK = """
import resource, sys
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.tiling import tiles
with open_raster(sys.argv[1]) as source:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for tile in tiles(source.grid, window=512, overlap=64):
        source.read(tile.padded)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_reading_by_windows_never_holds_the_image(tmp_path: Path) -> None:
    # 300 MB of zeros when decoded: more than the blocks' memory, far more than one window.
    path = tmp_path / "a.tif"
    options = {"driver": "GTiff", "tiled": True, "compress": "deflate", "SPARSE_OK": True}
    shape = {"count": 3, "height": 10_000, "width": 10_000, "dtype": "uint8"}
    with rasterio.open(path, "w", crs=UTM31, transform=NORTH_UP, **shape, **options):
        pass
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, timeout=120
    )
    assert int(done.stdout) < CACHE_BYTES + 50e6
