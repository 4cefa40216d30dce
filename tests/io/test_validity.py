"""Which pixels hold data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import pixels, write_raster, write_vrt

from napari_firstpass.io.geotiff import read_overview, read_raster

if TYPE_CHECKING:
    from pathlib import Path


def invalid_of(path: Path) -> list[list[int]]:
    return np.argwhere(~read_raster(path).valid).tolist()


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("uint8", 0), ("uint8", 255), ("uint16", 0), ("uint16", 65535), ("float32", 0)],
)
def test_a_possible_brightness_is_no_data_only_in_all_bands(
    tmp_path: Path, dtype: str, nodata: float
) -> None:
    values = pixels(3, dtype=dtype)
    values[:, 2, 3] = nodata
    values[1, 4, 5] = nodata  # a saturated or black band of a real pixel
    assert invalid_of(write_raster(tmp_path / "a.tif", values, nodata=nodata)) == [[2, 3]]


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("int16", -9999),
        ("int16", -32768),
        ("uint32", 4_294_967_295),
        ("float32", -9999.0),
        ("float32", -3.40282346638529e38),
        ("float64", 1e20),
        ("float32", float("nan")),
    ],
)
def test_an_impossible_brightness_is_no_data_in_any_band(
    tmp_path: Path, dtype: str, nodata: float
) -> None:
    values = pixels(3, dtype=dtype)
    values[1, 4, 5] = nodata
    assert invalid_of(write_raster(tmp_path / "a.tif", values, nodata=nodata)) == [[4, 5]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_finite_number_is_no_data_undeclared(tmp_path: Path, value: float) -> None:
    values = pixels(2, dtype="float32")
    values[0, 1, 2] = value
    raster = read_raster(write_raster(tmp_path / "a.tif", values))
    assert np.argwhere(~raster.valid).tolist() == [[1, 2]]
    assert np.isfinite(raster.bands).all()


def test_an_internal_mask_counts(tmp_path: Path) -> None:
    mask = np.ones((48, 64), bool)
    mask[7, 8] = False
    path = write_raster(tmp_path / "a.tif", pixels(), mask=mask, photometric="RGB")
    assert invalid_of(path) == [[7, 8]]


def test_a_mask_beside_the_file_counts(tmp_path: Path) -> None:
    mask = np.ones((48, 64), bool)
    mask[7, 8] = False
    path = write_raster(tmp_path / "a.jp2", pixels(), mask=mask, driver="JP2OpenJPEG")
    assert (tmp_path / "a.jp2.msk").exists()
    assert invalid_of(path) == [[7, 8]]


def test_a_mask_and_a_nodata_value_both_count(tmp_path: Path) -> None:
    mask = np.ones((48, 64), bool)
    mask[7, 8] = False
    values = pixels(1)
    values[0, 1, 1] = 0
    path = write_raster(tmp_path / "a.tif", values, mask=mask, nodata=0)
    assert invalid_of(path) == [[1, 1], [7, 8]]


def test_only_bands_that_are_read_decide(tmp_path: Path) -> None:
    values = pixels(2, dtype="float32")
    values[1, 3, 3] = np.nan
    path = write_raster(tmp_path / "a.tif", values)
    assert read_raster(path, bands="r,-").valid.all()


def test_each_band_of_a_vrt_may_have_its_own_value(tmp_path: Path) -> None:
    values = np.array([[[7, 7, 1]], [[9, 1, 9]]], np.uint8)
    path = write_raster(tmp_path / "a.tif", values)
    vrt = write_vrt(tmp_path / "a.vrt", [(path, 1), (path, 2)], nodata=(7, 9))
    assert invalid_of(vrt) == [[0, 0]]


def test_a_value_the_type_cannot_hold_marks_nothing(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1))
    vrt = write_vrt(tmp_path / "a.vrt", [(path, 1)], nodata=(-9999,))
    assert invalid_of(vrt) == []


def test_an_overview_keeps_what_is_invalid(tmp_path: Path) -> None:
    values = pixels(3)
    values[:, :24] = 0
    raster = read_overview(write_raster(tmp_path / "a.tif", values, nodata=0), 16)
    assert raster.valid.tolist() == [[row >= 6] * 16 for row in range(12)]
    assert (raster.bands[:, :6] == 0).all()
