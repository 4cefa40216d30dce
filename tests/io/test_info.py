"""What is in a file, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasterio.enums import ColorInterp
from rasters import NORTH_UP, ROTATED, UTM31, pixels, write_raster, write_rgb, write_rgbn

from napari_firstpass.errors import ImageReadError
from napari_firstpass.grid import IDENTITY, Grid
from napari_firstpass.io.info import BandInfo, ClassInfo, describe
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy

if TYPE_CHECKING:
    from pathlib import Path

    from affine import Affine

TOWN = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "road", "#808080")))


def write_town(path: Path) -> Path:
    labels = np.zeros((10, 20), np.uint8)
    labels[:5], labels[9] = 1, 2
    made = Provenance({"method": "kmeans"}, "scene.tif")
    return write_segmentation(
        path, Segmentation(labels, TOWN, Grid(10, 20, NORTH_UP, UTM31), None, made)
    )


def test_a_geotiff_is_described(tmp_path: Path) -> None:
    info = describe(
        write_rgb(tmp_path / "a.tif", 600, 700, tiled=True, compress="deflate", overviews=(2, 4))
    )
    assert (info.driver, info.height, info.width) == ("GTiff", 600, 700)
    assert [band.role for band in info.bands] == ["red", "green", "blue"]
    assert (info.crs, info.pixel_unit) == (UTM31, "metre")
    assert info.pixel_size == pytest.approx((0.1, 0.1))
    assert (info.tiled, info.block, info.compression) == (True, (256, 256), "deflate")
    assert info.overviews == (2, 4)
    assert info.file_bytes == (tmp_path / "a.tif").stat().st_size
    assert info.classes is None


def test_strips_are_told_from_tiles(tmp_path: Path) -> None:
    info = describe(write_rgb(tmp_path / "a.tif", blockysize=7))
    assert (info.tiled, info.block, info.compression) == (False, (7, 64), None)


def test_transparency_and_nodata_are_described(tmp_path: Path) -> None:
    values = pixels(4)
    values[3] = 255
    meaning = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    info = describe(write_raster(tmp_path / "a.tif", values, meaning=meaning, nodata=7))
    assert info.bands[3] == BandInfo("transparency", "transparency", "uint8", 7)


def test_a_palette_is_described(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", pixels(1), colors={1: (1, 2, 3, 255)})
    assert describe(path).bands == (BandInfo("palette", "palette", "uint8", None),)


@pytest.mark.parametrize(
    ("crs", "transform", "size", "unit"),
    [
        ("EPSG:4326", NORTH_UP, (0.1, 0.1), "degree"),
        ("EPSG:2263", NORTH_UP, (0.1, 0.1), "US survey foot"),
        (UTM31, ROTATED @ ROTATED.scale(2, 3), (0.2, 0.3), "metre"),
        (None, IDENTITY, (1.0, 1.0), "unknown"),
    ],
)
def test_pixels_have_a_size_and_a_unit(
    tmp_path: Path,
    crs: str | None,
    transform: Affine,
    size: tuple[float, float],
    unit: str,
) -> None:
    info = describe(write_raster(tmp_path / "a.tif", pixels(1), crs=crs, transform=transform))
    assert info.pixel_unit == unit
    assert info.pixel_size == pytest.approx(size)


def test_classes_of_our_label_files_are_counted(tmp_path: Path) -> None:
    info = describe(write_town(tmp_path / "a.tif"))
    assert info.classes == (
        ClassInfo(1, "roof", "#FF0000", 100),
        ClassInfo(2, "road", "#808080", 20),
    )
    assert info.unlabelled == 80
    assert info.provenance == Provenance({"method": "kmeans"}, "scene.tif")


def test_the_lines_say_what_a_person_wants_to_know(tmp_path: Path) -> None:
    text = "\n".join(describe(write_town(tmp_path / "a.tif")).lines())
    for fact in (
        "size       10 x 20 pixels (rows x columns)",
        "CRS        EPSG:32631",
        "pixel      0.1 x 0.1 metre",
        "no data    0",
        "    1 roof #FF0000: 100 pixels, 50.0%",
        "    0 unlabelled: 80 pixels, 40.0%",
        "made from  scene.tif",
        "method=kmeans",
    ):
        assert fact in text


def test_the_dictionary_is_fit_for_json(tmp_path: Path) -> None:
    data = json.loads(json.dumps(describe(write_town(tmp_path / "a.tif")).to_dict()))
    assert data["classes"][0] == {"id": 1, "name": "roof", "color": "#FF0000", "pixels": 100}
    assert data["provenance"]["source"] == "scene.tif"


def test_a_rendering_of_our_labels_in_colour_has_no_classes(tmp_path: Path) -> None:
    tags = {"FIRSTPASS_TAXONOMY": json.dumps(TOWN.to_dict())}
    path = write_rgb(tmp_path / "a.tif", tags=tags)
    assert describe(path).classes is None


def test_names_of_bands_are_shown_with_their_roles(tmp_path: Path) -> None:
    names = ("B4", "Red", "B2", "NIR")
    path = write_raster(tmp_path / "a.tif", pixels(4), names=names, alpha="NO", photometric="RGB")
    lines = describe(path).lines()
    assert "bands      4: B4 uint8, Red (red) uint8, B2 (blue) uint8, NIR (nir) uint8" in lines


def test_near_infrared_is_described(tmp_path: Path) -> None:
    assert describe(write_rgbn(tmp_path / "a.tif")).bands[3].role == "nir"


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("Dear reader")
    with pytest.raises(ImageReadError, match="which is none"):
        describe(tmp_path / "a.tif")
