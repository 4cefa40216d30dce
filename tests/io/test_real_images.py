"""Every georeferenced image of the development machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from real_images import DATA, georeferenced_images

from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster, read_overview
from napari_firstpass.io.info import describe
from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = georeferenced_images()

pytestmark = pytest.mark.skipif(
    not IMAGES, reason=f"no real images in {DATA}; set FIRSTPASS_DATA to their folder"
)
each_image = pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)


@each_image
def test_a_real_image_says_where_it_is(path: Path) -> None:
    info = describe(path)
    assert info.crs is not None
    assert info.crs.startswith("EPSG:")
    assert info.pixel_unit == "metre"
    is_mask = path.stem.endswith("_buildings")
    expected = [None] if is_mask else ["red", "green", "blue"]
    assert [band.role for band in info.bands] == expected


@each_image
def test_a_window_of_a_real_image_is_the_crop_of_a_larger_one(path: Path) -> None:
    with open_raster(path) as source:
        height, width = (min(side, 700) for side in source.grid.shape)
        large = source.read(Window(0, 0, height, width))
        window = Window(height // 3, width // 5, height // 2, width // 2)
        part = source.read(window)
    np.testing.assert_array_equal(part.bands, large.bands[:, *window.slices])
    assert part.valid.mean() > 0.99  # bright pixels of one band are no holes


@each_image
def test_labels_of_a_real_image_lie_where_it_lies(path: Path, tmp_path: Path) -> None:
    with open_raster(path) as source:
        height, width = (min(side, 1100) for side in source.grid.shape)
        grid = source.grid.crop(Window(0, 0, height, width))
    labels = np.ones(grid.shape, np.uint8)
    out = write_segmentation(tmp_path / "a.tif", Segmentation(labels, numbered_taxonomy(1), grid))
    with rasterio.open(path) as image, rasterio.open(out) as written:
        assert written.crs == image.crs
        assert written.transform == image.transform


@each_image
def test_an_overview_of_a_real_image_has_its_colours(path: Path) -> None:
    small = read_overview(path, 200)
    with open_raster(path) as source:
        window = source.grid.window
        middle = Window(window.height // 2, window.width // 2, 200, 200)
        sample = source.read(middle)
    assert max(small.grid.shape) == 200
    assert small.bands.dtype == sample.bands.dtype
    assert abs(float(small.bands.mean()) - float(sample.bands.mean())) < 100
