"""Opening files through the real napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.errors import MultipleReaderError
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils.notifications import notification_manager
from rasters import write_raster
from tiny_scenes import quarters, utm_grid, write_vrt

from napari_firstpass.io.label_file import write_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.scene import mask_of, scene_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from numpy.typing import NDArray

PLUGIN = "napari-firstpass"


def four_bands() -> NDArray[np.uint8]:
    """Red, green, blue, and a near infrared that is zero in places."""
    nir = np.random.default_rng(1).integers(0, 255, (1, 128, 160), dtype=np.uint8)
    return np.concatenate([quarters(), nir])


def test_three_bands_become_one_colour_image(viewer_model: ViewerModel, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    (layer,) = viewer_model.open(path, plugin=PLUGIN)
    assert (layer.name, layer.rgb, layer.multiscale) == ("scene", True, False)
    np.testing.assert_array_equal(layer.data, quarters().transpose(1, 2, 0))


def test_a_fourth_band_never_becomes_transparency(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", four_bands(), photometric="RGB")
    scene, nir = viewer_model.open(path, plugin=PLUGIN)
    assert scene.data.shape == (128, 160, 3)
    assert (nir.name, nir.visible) == ("scene · nir", False)
    np.testing.assert_array_equal(nir.data, four_bands()[3])


def test_trap_the_builtin_reader_takes_a_fourth_band_for_transparency(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    # peers.md 3.3: why we have a reader at all.
    path = write_raster(tmp_path / "scene.tif", four_bands(), photometric="RGB", interleave="pixel")
    (layer,) = viewer_model.open(path, plugin="napari")
    assert layer.rgb
    assert layer.data.shape == (128, 160, 4)


def test_place_names_and_nodata_stay_with_the_layer(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", four_bands(), nodata=0)
    info = scene_of(viewer_model.open(path, plugin=PLUGIN)[0].metadata)
    assert info is not None
    assert info.grid == utm_grid(128, 160)
    assert info.roles == ("red", "green", "blue", "nir")
    assert (info.nodata, info.pixel_size) == ("0", "0.1 m")


def test_layers_are_shown_in_pixels(viewer_model: ViewerModel, tmp_path: Path) -> None:
    (layer,) = viewer_model.open(write_raster(tmp_path / "scene.tif", quarters()), plugin=PLUGIN)
    assert layer.scale.tolist() == [1.0, 1.0]
    assert layer.translate.tolist() == [0.0, 0.0]


def test_pixels_without_data_are_transparent(viewer_model: ViewerModel, tmp_path: Path) -> None:
    bands = quarters()
    bands[:, :10] = 0
    (layer,) = viewer_model.open(
        write_raster(tmp_path / "scene.tif", bands, nodata=0), plugin=PLUGIN
    )
    assert layer.data.shape == (128, 160, 4)
    assert set(layer.data[:10, :, 3].ravel()) == {0}
    assert set(layer.data[10:, :, 3].ravel()) == {255}


def test_sixteen_bits_are_stretched_alike_in_all_bands(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    values = np.linspace(1000, 3000, 100 * 100).astype(np.uint16).reshape(100, 100)
    bands = np.stack([values, values, np.full_like(values, 2000)])
    (layer,) = viewer_model.open(write_raster(tmp_path / "scene.tif", bands), plugin=PLUGIN)
    assert layer.data.dtype == np.uint8
    assert layer.data[0, 0].tolist() == [0, 0, 127]
    assert layer.data[-1, -1].tolist() == [255, 255, 127]


def test_a_single_band_is_grey(viewer_model: ViewerModel, tmp_path: Path) -> None:
    band = np.linspace(-5, 5, 400, dtype=np.float32).reshape(1, 20, 20)
    (layer,) = viewer_model.open(write_raster(tmp_path / "dem.tif", band), plugin=PLUGIN)
    assert not layer.rgb
    np.testing.assert_allclose(layer.contrast_limits, [-4.9, 4.9], atol=0.01)


def test_many_bands_are_shown_twelve_at_most(viewer_model: ViewerModel, tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 255, (20, 16, 16), dtype=np.uint8)
    layers = viewer_model.open(write_raster(tmp_path / "cube.tif", bands), plugin=PLUGIN)
    assert [layer.rgb for layer in layers] == [True] + [False] * 9
    assert layers[-1].name == "cube · band 12"


def test_our_label_files_open_as_labels(viewer_model: ViewerModel, tmp_path: Path) -> None:
    labels = np.array([[0, 1], [2, 2]], dtype=np.uint8)
    taxonomy = Taxonomy((LabelClass(1, "roof", "#102030"), LabelClass(2, "road", "#FF8000")))
    path = tmp_path / "scene_labels.tif"
    write_segmentation(path, Segmentation(labels, taxonomy, utm_grid(2, 2)))
    (layer,) = viewer_model.open(path, plugin=PLUGIN)
    info = mask_of(layer.metadata)
    assert isinstance(layer, Labels)
    assert layer.editable
    np.testing.assert_array_equal(layer.data, labels)
    assert layer.features["name"].tolist() == ["unlabelled", "roof", "road"]
    assert info is not None
    assert (info.scene, info.taxonomy, info.grid) == ("scene", taxonomy, utm_grid(2, 2))


def test_an_unreadable_file_is_reported_in_one_sentence(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    path.write_bytes(path.read_bytes()[:200])
    assert viewer_model.open(path, plugin=PLUGIN) == []
    message = notification_manager.records[-1].message
    assert message.startswith("expected ")
    assert str(path) in message
    assert "\n" not in message


def test_without_a_choice_napari_asks_which_reader(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", quarters())
    with pytest.raises(MultipleReaderError):
        viewer_model.open(path, plugin=None)


def test_napari_remembers_the_choice(viewer_model: ViewerModel, tmp_path: Path) -> None:
    get_settings().plugins.extension2reader = {"*.tif": PLUGIN}
    (layer,) = viewer_model.open(write_raster(tmp_path / "scene.tif", quarters()), plugin=None)
    assert scene_of(layer.metadata) is not None


def test_a_virtual_raster_needs_no_choice(viewer_model: ViewerModel, tmp_path: Path) -> None:
    vrt = write_vrt(write_raster(tmp_path / "scene.tif", quarters()), band=2)
    (layer,) = viewer_model.open(vrt, plugin=None)
    assert isinstance(layer, Image)
    np.testing.assert_array_equal(layer.data, quarters()[1])
