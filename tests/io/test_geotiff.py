"""Reading images of every kind, whole and by windows."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasters import NORTH_UP, ROTATED, UTM31, pixels, write_raster, write_rgb, write_rgbn, write_vrt

from napari_firstpass.errors import (
    BandError,
    GridMismatchError,
    ImageReadError,
    OptionError,
)
from napari_firstpass.grid import IDENTITY, Grid, Window
from napari_firstpass.io.geotiff import open_raster, read_overview, read_raster

if TYPE_CHECKING:
    from pathlib import Path

    from affine import Affine

WINDOWS = (Window(0, 0, 48, 64), Window(0, 0, 1, 1), Window(47, 63, 1, 1), Window(13, 7, 20, 33))
LAYOUTS = {
    "strips": {},
    "one strip": {"blockysize": 48, "compress": "deflate"},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "lzw"},
    "planes": {"interleave": "band", "compress": "deflate"},
    "big": {"BIGTIFF": "YES"},
    "zstd": {"compress": "zstd", "predictor": 2, "tiled": True},
}


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_a_window_is_the_crop_of_the_whole(
    tmp_path: Path, options: dict[str, object], window: Window
) -> None:
    path = write_rgb(tmp_path / "a.tif", **options)
    whole = read_raster(path)
    with open_raster(path) as source:
        part = source.read(window)
    np.testing.assert_array_equal(whole.bands, pixels())
    np.testing.assert_array_equal(part.bands, whole.bands[:, *window.slices])
    assert part.grid == whole.grid.crop(window)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_type_and_number_of_bands_comes_back(tmp_path: Path, dtype: str, count: int) -> None:
    values = pixels(count, dtype=dtype)
    raster = read_raster(write_raster(tmp_path / "a.tif", values))
    assert raster.bands.dtype == dtype
    np.testing.assert_array_equal(raster.bands, values)
    assert raster.valid.all()


@pytest.mark.parametrize("crs", [UTM31, "EPSG:4326", "EPSG:2056", "EPSG:3857", None])
@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, IDENTITY], ids=["up", "rotated", "none"])
def test_the_place_comes_back_as_it_was(tmp_path: Path, crs: str | None, transform: Affine) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1), crs=crs, transform=transform)
    assert read_raster(path).grid == Grid(48, 64, transform, crs)


def test_a_crs_with_its_own_datum_shift_is_not_rounded_to_a_code(tmp_path: Path) -> None:
    text = "+proj=utm +zone=31 +ellps=WGS84 +towgs84=1,2,3 +units=m"
    crs = read_raster(write_raster(tmp_path / "a.tif", pixels(1), crs=text)).grid.crs
    assert crs is not None
    assert "EPSG:32631" not in crs
    assert rasterio.crs.CRS.from_user_input(crs) == rasterio.crs.CRS.from_user_input(text)


def test_a_vrt_reads_like_its_source(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif")
    rasterio.shutil.copy(str(path), str(tmp_path / "a.vrt"), driver="VRT")
    with open_raster(tmp_path / "a.vrt") as source:
        np.testing.assert_array_equal(source.read(Window(3, 4, 5, 6)).bands, pixels()[:, 3:8, 4:10])
        assert set(source.files) == {tmp_path / "a.vrt", path}


def test_a_lossless_jpeg_2000_comes_back(tmp_path: Path) -> None:
    options = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}
    raster = read_raster(write_raster(tmp_path / "a.jp2", pixels(3), **options))
    np.testing.assert_array_equal(raster.bands, pixels(3))
    assert raster.grid == Grid(48, 64, NORTH_UP, UTM31)
    assert raster.roles == ("red", "green", "blue")


def test_a_png_without_a_world_file_has_no_place(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", pixels(3), driver="PNG", crs=None, transform=IDENTITY)
    raster = read_raster(path)
    np.testing.assert_array_equal(raster.bands, pixels(3))
    assert not raster.grid.is_georeferenced
    assert raster.roles == ("red", "green", "blue")


def test_a_png_with_a_world_file_has_a_transform(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", pixels(3), driver="PNG", crs=None, transform=IDENTITY)
    # A world file gives the centre of the first pixel.
    (tmp_path / "a.pgw").write_text("0.1\n0\n0\n-0.1\n500000.05\n4999999.95\n")
    assert read_raster(path).grid.transform.almost_equals(NORTH_UP, 1e-6)


def test_a_jpeg_is_close_to_what_was_written(tmp_path: Path) -> None:
    flat = np.full((3, 48, 64), [[[200]], [[100]], [[50]]], np.uint8)
    path = write_raster(tmp_path / "a.jpg", flat, driver="JPEG", crs=None, transform=IDENTITY)
    raster = read_raster(path)
    assert int(np.abs(raster.bands.astype(int) - flat).max()) <= 3
    assert raster.roles == ("red", "green", "blue")


def test_a_palette_image_becomes_colours(tmp_path: Path) -> None:
    colors = {1: (255, 0, 0, 255), 2: (0, 128, 255, 255)}
    indexes = np.array([[[1, 2], [2, 1]]], np.uint8)
    raster = read_raster(write_raster(tmp_path / "a.tif", indexes, colors=colors))
    assert raster.bands.tolist() == [
        [[255, 0], [0, 255]],
        [[0, 128], [128, 0]],
        [[0, 255], [255, 0]],
    ]
    assert raster.roles == ("red", "green", "blue")


def test_bands_of_mixed_types_get_one_that_holds_all(tmp_path: Path) -> None:
    small = write_raster(tmp_path / "a.tif", pixels(1, dtype="uint8"))
    large = write_raster(tmp_path / "b.tif", pixels(1, dtype="int16"))
    raster = read_raster(write_vrt(tmp_path / "a.vrt", [(small, 1), (large, 1)]))
    assert raster.bands.dtype == np.int16
    np.testing.assert_array_equal(raster.bands[0], raster.bands[1])


def test_only_the_bands_the_user_names_are_read(tmp_path: Path) -> None:
    raster = read_raster(write_rgbn(tmp_path / "a.tif"), bands="-,r,-,n")
    np.testing.assert_array_equal(raster.bands, pixels(4)[[1, 3]])
    assert raster.roles == ("red", "nir")
    assert raster.names == ("green", "nir")


def test_more_bands_named_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BandError, match="at most 3 entries"):
        open_raster(write_rgb(tmp_path / "a.tif"), bands="r,g,b,n")


def test_values_without_data_are_zero_and_marked(tmp_path: Path) -> None:
    values = pixels(2, dtype="float32")
    values[0, 5, 6] = np.nan
    raster = read_raster(write_raster(tmp_path / "a.tif", values))
    assert np.argwhere(~raster.valid).tolist() == [[5, 6]]
    assert raster.bands[:, 5, 6].tolist() == [0, 0]


def test_a_window_that_leaves_the_image_is_refused(tmp_path: Path) -> None:
    with open_raster(write_rgb(tmp_path / "a.tif")) as source, pytest.raises(GridMismatchError):
        source.read(Window(40, 0, 9, 10))


def test_reading_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif", overviews=(2, 4))
    read_raster(path)
    read_overview(path, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_an_overview_is_the_average_on_a_larger_grid(tmp_path: Path) -> None:
    values = pixels(3)
    raster = read_overview(write_rgb(tmp_path / "a.tif"), 32)
    means = values.reshape(3, 24, 2, 32, 2).mean((2, 4))
    assert float(np.abs(raster.bands - means).max()) <= 0.5
    assert raster.grid == Grid(24, 32, NORTH_UP @ NORTH_UP.scale(2), UTM31)


def test_an_overview_of_a_small_image_is_the_image(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_overview(path, 64).bands, read_raster(path).bands)


def test_an_overview_of_a_palette_image_mixes_no_colours(tmp_path: Path) -> None:
    colors = {1: (255, 0, 0, 255), 2: (0, 0, 255, 255)}
    indexes = (pixels(1) % 2 + 1).astype(np.uint8)
    raster = read_overview(write_raster(tmp_path / "a.tif", indexes, colors=colors), 16)
    assert set(np.unique(raster.bands)) == {0, 255}


def test_an_overview_covers_the_same_ground_when_sides_do_not_divide(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif", height=47, width=61)
    small = read_overview(path, 20).grid
    assert small.shape == (15, 20)
    corner = small.transform @ (20, 15)
    assert corner == pytest.approx(NORTH_UP @ (61, 47))


def test_near_infrared_marked_as_transparency_does_not_disturb_an_overview(
    tmp_path: Path,
) -> None:
    meaning = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    raster = read_overview(write_raster(tmp_path / "a.tif", pixels(4), meaning=meaning), 32)
    means = pixels(4).reshape(4, 24, 2, 32, 2).mean((2, 4))
    assert float(np.abs(raster.bands - means).max()) <= 0.5


def test_values_too_many_to_average_are_thinned_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    shape = {"count": 3, "height": 7000, "width": 7000, "dtype": "uint8", "crs": UTM31}
    options = {"tiled": True, "compress": "deflate", "SPARSE_OK": True, "transform": NORTH_UP}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as dataset:
        stripes = np.tile(np.array([0, 200], np.uint8), (3, 512, 256))
        dataset.write(stripes, window=((0, 512), (0, 512)))
    assert set(np.unique(read_overview(path, 100).bands)) <= {0, 200}


def test_an_overview_needs_a_positive_side(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="max_side"):
        read_overview(write_rgb(tmp_path / "a.tif"), 0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", None, "found no file at"),
        ("a" * 300, None, "found no file at"),
        ("", None, "give the images inside it"),
        ("a.tif", b"", "an empty file"),
        ("a.tif", b"Dear reader, this is a letter.", "which is none; export it as GeoTIFF"),
        ("a.tif", b"II*\x00\xff\xff\x00\x00", "damaged or cut short"),
    ],
)
def test_what_is_no_image_is_said_in_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=message):
        open_raster(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tif", {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128}),
        ("a.tif", {"compress": "jpeg", "photometric": "ycbcr"}),
        ("a.png", {"driver": "PNG"}),
        ("a.jpg", {"driver": "JPEG"}),
        ("a.jp2", {"driver": "JP2OpenJPEG"}),
    ],
)
def test_a_truncated_file_is_an_error_not_noise(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    place = {"crs": None, "transform": IDENTITY}
    path = write_raster(tmp_path / name, pixels(3, 512, 512), **place, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageReadError, match="damaged or cut short"):
        read_raster(path)


def test_a_container_of_several_images_names_them(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.gpkg", pixels(3), driver="GPKG", RASTER_TABLE="spring")
    autumn = {"driver": "GPKG", "RASTER_TABLE": "autumn", "APPEND_SUBDATASET": "YES"}
    rasterio.shutil.copy(str(write_rgb(tmp_path / "b.tif")), str(path), **autumn)
    with pytest.raises(ImageReadError, match="2 images; name one of them, such as GPKG:"):
        open_raster(path)
    np.testing.assert_array_equal(read_raster(f"GPKG:{path}:spring").bands, pixels(3))


def test_a_file_inside_an_archive_is_read(tmp_path: Path) -> None:
    path = write_rgb(tmp_path / "a.tif")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.tif")
    raster = read_raster(f"/vsizip/{tmp_path / 'a.zip'}/a.tif")
    np.testing.assert_array_equal(raster.bands, pixels())


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1).astype("complex64"))
    with pytest.raises(ImageReadError, match="expected real numbers"):
        open_raster(path)


def test_a_transform_that_cannot_be_inverted_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.png", pixels(3), driver="PNG", crs=None, transform=IDENTITY)
    (tmp_path / "a.pgw").write_text("0.1\n0.1\n0.1\n0.1\n0\n0\n")
    with pytest.raises(GridMismatchError, match="can be inverted"):
        open_raster(path)


def test_sixteen_bit_palettes_work_too(tmp_path: Path) -> None:
    colors = {300: (9, 8, 7, 255)}
    indexes = np.full((1, 2, 2), 300, np.uint16)
    raster = read_raster(write_raster(tmp_path / "a.tif", indexes, colors=colors), bands="b,-,r")
    assert raster.bands[:, 0, 0].tolist() == [9, 7]
    assert raster.roles == ("blue", "red")


def test_grey_is_a_band_without_a_role(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1), meaning=[ColorInterp.gray])
    raster = read_raster(path)
    assert (raster.names, raster.roles) == (("band 1",), (None,))
