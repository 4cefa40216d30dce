"""Writing images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import NORTH_UP, UTM31, pixels

from napari_firstpass.errors import OutputError
from napari_firstpass.grid import Grid
from napari_firstpass.io.geotiff import read_raster
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path


def scene(height: int = 48, width: int = 64, dtype: str = "uint8") -> Raster:
    grid = Grid(height, width, NORTH_UP, UTM31)
    roles = ("red", "green", "blue", "nir")
    return Raster.from_array(pixels(4, height, width, dtype), grid, roles=roles)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_an_image_comes_back_with_its_place_names_and_roles(tmp_path: Path, dtype: str) -> None:
    before = scene(dtype=dtype)
    after = read_raster(write_raster(tmp_path / "a.tif", before))
    np.testing.assert_array_equal(after.bands, before.bands)
    assert (after.grid, after.names, after.roles) == (before.grid, before.names, before.roles)
    assert after.valid.all()


def test_an_image_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", scene())
    with pytest.raises(OutputError, match="ask to overwrite it"):
        write_raster(path, scene())


@pytest.mark.parametrize("height", [256, 300, 400])
def test_a_full_disk_leaves_no_image(small_disk: Path, height: int) -> None:
    with pytest.raises(OutputError, match="found a full disk"):
        write_raster(small_disk / "a.tif", scene(height, 400))
    assert list(small_disk.iterdir()) == []
