"""Image layers become something to read from, or say why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from rasters import write_raster
from tiny_scenes import quarters, utm_grid

from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Window
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.widgets.image_layers import PixelSource, facts_of, source_files, subject_of
from napari_firstpass.widgets.scene import SceneInfo
from napari_firstpass.widgets.scene_layers import file_tuples, raster_tuples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray


def opened(path: Path) -> Image:
    data, keywords, _ = file_tuples(path)[0]
    return Image(data, **keywords)


def pixels_of(layer: Image) -> PixelSource:
    source = subject_of(layer).source
    assert isinstance(source, PixelSource)
    return source


def test_a_layer_of_our_reader_stands_for_its_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    subject = subject_of(opened(path))
    assert (subject.name, subject.source) == ("scene", path)


def test_a_file_that_changed_is_not_read_again(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    layer = opened(path)
    write_raster(path, quarters(64, 64))
    source = pixels_of(layer)
    assert source.grid == utm_grid(128, 160)
    np.testing.assert_array_equal(source.read(source.grid.window).bands, quarters())


def test_pixels_that_the_user_replaced_count_more_than_the_file(tmp_path: Path) -> None:
    layer = opened(write_raster(tmp_path / "scene.tif", quarters()))
    layer.data = np.zeros((5, 6, 3), dtype=np.uint8)
    assert pixels_of(layer).grid.shape == (5, 6)


def test_rgb_layers_have_three_bands_with_roles() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    raster = pixels_of(Image(pixels, rgb=True)).read(Window(1, 2, 4, 5))
    assert raster.roles == ("red", "green", "blue")
    np.testing.assert_array_equal(raster.bands, pixels[1:5, 2:7].transpose(2, 0, 1))
    assert raster.valid.all()


def test_alpha_says_where_there_is_data() -> None:
    pixels = np.full((4, 4, 4), 255, dtype=np.uint8)
    pixels[0, 1, 3] = 0
    raster = pixels_of(Image(pixels, rgb=True)).read(Window(0, 0, 4, 4))
    assert raster.bands.shape == (3, 4, 4)
    assert np.argwhere(~raster.valid).tolist() == [[0, 1]]


def test_pixels_in_memory_are_not_copied() -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    raster = pixels_of(Image(pixels, rgb=True)).read(Window(0, 0, 4, 4))
    assert np.shares_memory(raster.bands, pixels)


def test_nan_is_no_data() -> None:
    pixels = np.ones((4, 4), dtype=np.float32)
    pixels[2, 3] = np.nan
    raster = pixels_of(Image(pixels)).read(Window(0, 0, 4, 4))
    assert np.argwhere(~raster.valid).tolist() == [[2, 3]]


def test_a_lazy_layer_is_computed_only_where_it_is_read() -> None:
    computed: list[object] = []

    def block(block_info: Mapping[None, Mapping[str, object]]) -> NDArray[np.uint8]:
        computed.append(block_info[None]["chunk-location"])
        return np.full((4, 4), 7, dtype=np.uint8)

    lazy = da.map_blocks(block, chunks=((4, 4, 4), (4, 4, 4)), dtype=np.uint8, meta=np.empty(0))
    source = pixels_of(Image(lazy, contrast_limits=(0, 255)))
    computed.clear()
    assert (source.read(Window(4, 4, 4, 4)).bands == 7).all()
    assert computed == [(1, 1)]


def test_the_finest_level_of_a_pyramid_is_read() -> None:
    levels = [np.full((8, 8), 9, dtype=np.uint8), np.zeros((4, 4), dtype=np.uint8)]
    source = pixels_of(Image(levels, multiscale=True))
    assert source.grid.shape == (8, 8)
    assert source.read(Window(0, 0, 8, 8)).bands.min() == 9


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (None, "found none"),
        (Labels(np.ones((4, 4), dtype=np.uint8), name="mask"), "found the labels layer 'mask'"),
        (Image(np.zeros((3, 4, 5)), name="z"), "found a stack of shape (3, 4, 5) in 'z'"),
        (Image(np.zeros((2, 4, 5, 3)), rgb=True, name="t"), "found a stack of shape (2, 4, 5, 3)"),
        (Image(np.zeros((4, 4), dtype=bool), name="b"), "found values of type bool in 'b'"),
    ],
)
def test_other_layers_are_refused_in_one_sentence(layer: Layer | None, found: str) -> None:
    with pytest.raises(LayerError) as caught:
        subject_of(layer)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_facts_of_a_georeferenced_scene(tmp_path: Path) -> None:
    layer = opened(write_raster(tmp_path / "scene.tif", quarters()))
    assert facts_of(layer) == "128 × 160 · 3 bands · 0.1 m · EPSG:32631"


def test_of_a_sample_it_is_said_that_only_saving_keeps_work(viewer_model: ViewerModel) -> None:
    viewer_model.open_sample("napari-firstpass", "town")
    layer = viewer_model.layers[0]
    assert isinstance(layer, Image)
    assert facts_of(layer).endswith("0.1 m · EPSG:32632 · no file: kept 30 days")


def test_a_missing_georeference_is_said() -> None:
    layer = Image(np.zeros((5, 6), dtype=np.uint8))
    assert facts_of(layer) == (
        "5 × 6 · 1 band · no georeference: the mask will have none · no file: kept 30 days"
    )


def test_a_file_opened_by_another_reader_has_lost_its_place_and_that_is_said(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters(), interleave="pixel")
    (layer,) = viewer_model.open(path, plugin="napari")
    assert facts_of(layer).endswith("its place was not read: open it with the firstpass reader")


def test_only_files_have_a_path(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    assert source_files(opened(path)) == (path,)
    assert source_files(Image(np.zeros((5, 6)))) == ()


def test_an_image_that_never_was_a_file_is_read_with_all_its_bands() -> None:
    bands = np.random.default_rng(0).integers(0, 255, (4, 6, 8), dtype=np.uint8)
    raster = Raster.from_array(bands, utm_grid(6, 8), roles=("red", "green", "blue", "nir"))
    info = SceneInfo("town", raster.grid, raster.names, raster.roles, "", "", raster)
    data, keywords, _ = raster_tuples(raster, info)[0]
    source = subject_of(Image(data, **keywords)).source
    assert isinstance(source, ArraySource)
    np.testing.assert_array_equal(source.read(Window(0, 0, 6, 8)).bands, bands)
