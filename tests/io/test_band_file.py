"""One-band GeoTIFFs: what is written is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasters import NORTH_UP, UTM31

from napari_firstpass.errors import OutputError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.band_file import BandFile
from napari_firstpass.io.band_tiff import BandStyle

if TYPE_CHECKING:
    from pathlib import Path

BYTES = np.dtype(np.uint8)
PLAIN = BandStyle(dtype=BYTES, description="plain")


def grid(height: int, width: int, crs: str | None = UTM31) -> Grid:
    return Grid(height, width, NORTH_UP, crs)


def test_windows_that_cut_blocks_waste_no_space(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(1, 9, (700, 900), dtype=np.uint8)
    with BandFile(tmp_path / "once.tif", grid(700, 900), PLAIN) as file:
        file.write(Window(0, 0, 700, 900), values)
    with BandFile(tmp_path / "often.tif", grid(700, 900), PLAIN) as file:
        for top in range(0, 700, 100):
            for left in range(0, 900, 90):
                window = Window(top, left, 100, 90)
                file.write(window, values[window.slices])
    assert (tmp_path / "often.tif").read_bytes() == (tmp_path / "once.tif").read_bytes()


@pytest.mark.parametrize(
    ("shape", "block", "overviews"),
    [((1, 1), 256, []), ((512, 300), 256, []), ((513, 2), 512, [2]), ((20, 2049), 512, [2, 4, 8])],
)
def test_blocks_and_overviews_fit_the_size(
    tmp_path: Path, shape: tuple[int, int], block: int, overviews: list[int]
) -> None:
    with BandFile(tmp_path / "a.tif", grid(*shape), PLAIN) as file:
        file.write(file.grid.window, np.ones(shape, np.uint8))
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.block_shapes == [(block, block)]
        assert dataset.overviews(1) == overviews
        assert dataset.profile["compress"] == "deflate"


def test_overviews_by_mode_hold_the_most_frequent_value(tmp_path: Path) -> None:
    square = np.array([[2, 2], [9, 2]], np.uint8)
    style = BandStyle(dtype=BYTES, description="class", overviews=Resampling.mode, nodata=0)
    with BandFile(tmp_path / "a.tif", grid(600, 600), style) as file:
        file.write(file.grid.window, np.tile(square, (300, 300)))
    with rasterio.open(tmp_path / "a.tif", OVERVIEW_LEVEL=0) as dataset:
        assert dataset.shape == (300, 300)
        assert (dataset.read(1) == 2).all()


@pytest.mark.parametrize("height", [290, 300, 308, 383])
def test_a_disk_that_gets_full_at_the_end_leaves_nothing(small_disk: Path, height: int) -> None:
    # GDAL fails in silence or crashes while making overviews for 292 to 308 rows.
    noise = np.random.default_rng(0).integers(1, 9, (height, 600), dtype=np.uint8)
    file = BandFile(small_disk / "a.tif", grid(height, 600), PLAIN).__enter__()
    file.write(file.grid.window, noise)
    with pytest.raises(OutputError, match="found a full disk"):
        file.__exit__(None, None, None)
    assert list(small_disk.iterdir()) == []


def test_a_colour_table_that_gdal_drops_in_silence_is_noticed(tmp_path: Path) -> None:
    colors = {1: (255, 0, 0, 255)}
    style = BandStyle(dtype=np.dtype(np.int32), description="class", colors=colors)
    file = BandFile(tmp_path / "a.tif", grid(2, 2), style).__enter__()
    with pytest.raises(OutputError, match="read back with colours"):
        file.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_crs_that_is_none_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="found 'Utopia'; correct or remove it"):
        BandFile(tmp_path / "a.tif", grid(2, 2, "Utopia"), PLAIN).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_and_the_file_appears_on_leaving(tmp_path: Path) -> None:
    with BandFile(tmp_path / "a.tif", grid(600, 600), PLAIN) as file:
        told = [progress.message for progress in file.finish()]
        assert not (tmp_path / "a.tif").exists()
    assert list(dict.fromkeys(told)) == ["compressing", "making overviews", "checking"]
    assert (tmp_path / "a.tif").exists()


def test_finishing_that_is_dropped_halfway_leaves_nothing(tmp_path: Path) -> None:
    file = BandFile(tmp_path / "a.tif", grid(600, 600), PLAIN).__enter__()
    steps = file.finish()
    next(steps)
    steps.close()
    file.__exit__(GeneratorExit, GeneratorExit(), None)
    assert list(tmp_path.iterdir()) == []
