"""Which bands are image, what they show, and which one marks what is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasterio.enums import ColorInterp
from rasters import pixels, write_raster

from napari_firstpass.io.geotiff import open_raster, read_raster

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
RGBA = (*RGB, ColorInterp.alpha)


def with_fourth(band: NDArray[np.generic], dtype: str = "uint8") -> NDArray[np.generic]:
    """Return random red, green and blue with ``band`` as the fourth."""
    values = pixels(4, *band.shape, dtype=dtype)
    values[3] = band
    return values


def footprint(shape: tuple[int, int] = (48, 64)) -> NDArray[np.bool_]:
    """Return True in a slanted half of the image."""
    rows, cols = np.indices(shape)
    return rows + cols > 50


@pytest.mark.parametrize(
    ("count", "dtype", "roles"),
    [
        (1, "uint8", (None,)),
        (2, "uint8", (None, None)),
        (3, "uint8", ("red", "green", "blue")),
        (3, "uint16", ("red", "green", "blue")),
        (4, "uint16", ("red", "green", "blue", "nir")),
        (4, "float32", ("red", "green", "blue", "nir")),
        (5, "uint16", (None,) * 5),
    ],
)
def test_three_or_four_silent_bands_are_taken_for_colour_and_near_infrared(
    tmp_path: Path, count: int, dtype: str, roles: tuple[str | None, ...]
) -> None:
    path = write_raster(
        tmp_path / "a.tif", pixels(count, dtype=dtype), photometric="MINISBLACK", alpha="NO"
    )
    with open_raster(path) as source:
        assert source.roles == roles


def test_descriptions_count_more_than_colours(tmp_path: Path) -> None:
    names = ("NIR", "Red", "Green")
    path = write_raster(tmp_path / "a.tif", pixels(3), names=names, meaning=RGB)
    with open_raster(path) as source:
        assert source.roles == ("nir", "red", "green")
        assert source.names == names


def test_a_name_claims_its_role_before_the_colours_do(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(3), names=("B8", "red", ""), meaning=RGB)
    with open_raster(path) as source:
        assert source.roles == (None, "red", "blue")


def test_the_user_counts_more_than_descriptions(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(3), names=("red", "green", "blue"))
    with open_raster(path, bands="n,r,g") as source:
        assert source.roles == ("nir", "red", "green")
        assert source.names == ("red", "green", "blue")


def test_a_named_band_without_a_role_is_not_guessed(tmp_path: Path) -> None:
    names = ("", "", "", "height above ground")
    path = write_raster(tmp_path / "a.tif", pixels(4), names=names, alpha="NO", photometric="RGB")
    with open_raster(path) as source:
        assert source.roles == ("red", "green", "blue", None)
        assert source.names == ("red", "green", "blue", "height above ground")


def test_the_colour_meaning_near_infrared_is_understood(tmp_path: Path) -> None:
    meaning = (ColorInterp.nir, ColorInterp.swir, *RGB)
    with open_raster(
        write_raster(tmp_path / "a.tif", pixels(5, dtype="uint16"), meaning=meaning)
    ) as source:
        assert source.roles == ("nir", None, "red", "green", "blue")


def test_an_undefined_fourth_band_is_near_infrared(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(4), photometric="RGB", alpha="NO")
    raster = read_raster(path)
    assert raster.roles == ("red", "green", "blue", "nir")
    assert raster.valid.all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("opaque", [255, 1])
def test_transparency_marks_what_is_valid_and_is_no_band(
    tmp_path: Path, dtype: str, opaque: int
) -> None:
    values = with_fourth(footprint() * opaque, dtype)
    raster = read_raster(write_raster(tmp_path / "a.tif", values, meaning=RGBA))
    assert raster.roles == ("red", "green", "blue")
    np.testing.assert_array_equal(raster.valid, footprint())
    np.testing.assert_array_equal(raster.bands, values[:3] * footprint())


def test_transparency_with_a_soft_edge_is_still_transparency(tmp_path: Path) -> None:
    band = footprint() * np.uint8(255)
    band[np.indices(band.shape).sum(0) == 51] = 100
    raster = read_raster(write_raster(tmp_path / "a.tif", with_fourth(band), meaning=RGBA))
    assert len(raster.names) == 3
    np.testing.assert_array_equal(raster.valid, footprint())


@pytest.mark.parametrize("inside", [np.ones((48, 64), bool), footprint()], ids=["full", "part"])
def test_near_infrared_marked_as_transparency_is_an_image_band(
    tmp_path: Path, inside: NDArray[np.bool_]
) -> None:
    values = pixels(4) * inside
    raster = read_raster(write_raster(tmp_path / "a.tif", values, meaning=RGBA))
    assert raster.roles == ("red", "green", "blue", "nir")
    np.testing.assert_array_equal(raster.bands, values)
    assert raster.valid.all()


def test_a_smooth_fourth_channel_of_a_png_is_transparency(tmp_path: Path) -> None:
    raster = read_raster(write_raster(tmp_path / "a.png", pixels(4), driver="PNG"))
    assert raster.roles == ("red", "green", "blue")


def test_the_user_can_call_transparency_a_band(tmp_path: Path) -> None:
    values = with_fourth(footprint() * np.uint8(255))
    path = write_raster(tmp_path / "a.tif", values, meaning=RGBA)
    raster = read_raster(path, bands="r,g,b,n")
    assert raster.roles == ("red", "green", "blue", "nir")
    assert raster.valid.all()


def test_transparency_still_counts_when_the_user_names_the_others(tmp_path: Path) -> None:
    values = with_fourth(footprint() * np.uint8(255))
    raster = read_raster(write_raster(tmp_path / "a.tif", values, meaning=RGBA), bands="g,r")
    assert raster.roles == ("green", "red")
    np.testing.assert_array_equal(raster.valid, footprint())


def test_telling_transparency_from_near_infrared_looks_at_all_corners(tmp_path: Path) -> None:
    band = np.full((600, 600), 255, np.uint8)
    band[300:] = pixels(1, 300, 600)[0]
    path = write_raster(tmp_path / "a.tif", with_fourth(band), meaning=RGBA, tiled=True)
    with open_raster(path) as source:
        assert source.roles == ("red", "green", "blue", "nir")


def test_one_transparent_band_alone_is_an_image(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1), meaning=[ColorInterp.alpha])
    np.testing.assert_array_equal(read_raster(path).bands, pixels(1))
