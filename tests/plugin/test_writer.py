"""Saving labels through napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasters import NORTH_UP, UTM31, write_raster
from tiny_scenes import quarters, utm_grid

from napari_firstpass.errors import OutputError
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.label_layers import labels_tuple

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Labels

PLUGIN = "napari-firstpass"
TAXONOMY = Taxonomy((LabelClass(1, "roof", "#102030"), LabelClass(2, "road", "#FF8000")))


def add_labels(viewer_model: ViewerModel, sources: tuple[Path, ...] = ()) -> Labels:
    labels = np.array([[0, 1, 1], [2, 2, 1]], dtype=np.uint8)
    made = Segmentation(labels, TAXONOMY, utm_grid(2, 3))
    data, keywords, _ = labels_tuple(made, name="scene · x", scene="scene", sources=sources)
    return viewer_model.add_labels(data, **keywords)


def test_a_saved_layer_has_place_names_and_colours(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    layer, path = add_labels(viewer_model), tmp_path / "out.tif"
    layer.data_setitem((np.array([0]), np.array([0])), 2)
    assert layer.save(str(path), plugin=PLUGIN) == [str(path)]
    with rasterio.open(path) as dataset:
        assert (dataset.crs, dataset.transform) == (UTM31, NORTH_UP)
        assert (dataset.dtypes, dataset.nodata) == (("uint8",), 0)
        assert dataset.read(1).tolist() == [[2, 1, 1], [2, 2, 1]]
        assert dataset.colormap(1)[2] == (255, 128, 0, 255)
    assert read_segmentation(path).taxonomy == TAXONOMY


def test_a_saved_layer_opens_again_as_it_was(viewer_model: ViewerModel, tmp_path: Path) -> None:
    layer = add_labels(viewer_model)
    path = tmp_path / "out.tif"
    layer.save(str(path), plugin=PLUGIN)
    (again,) = viewer_model.open(path, plugin=PLUGIN)
    np.testing.assert_array_equal(again.data, layer.data)
    assert again.features.equals(layer.features)


def test_the_image_is_never_overwritten(viewer_model: ViewerModel, tmp_path: Path) -> None:
    image = write_raster(tmp_path / "scene.tif", quarters())
    before = image.read_bytes()
    with pytest.raises(OutputError, match="which is an input"):
        add_labels(viewer_model, sources=(image,)).save(str(image), plugin=PLUGIN)
    assert image.read_bytes() == before


def test_any_labels_can_be_saved(viewer_model: ViewerModel, tmp_path: Path) -> None:
    layer = viewer_model.add_labels(np.array([[0, 300]], dtype=np.int32))
    layer.save(str(tmp_path / "out.tif"), plugin=PLUGIN)
    saved = read_segmentation(tmp_path / "out.tif")
    assert saved.labels.tolist() == [[0, 300]]
    assert saved.taxonomy[300].name == "class 300"


def test_the_finest_level_of_a_pyramid_is_saved(viewer_model: ViewerModel, tmp_path: Path) -> None:
    levels = [np.full((8, 8), 3, dtype=np.uint8), np.full((4, 4), 3, dtype=np.uint8)]
    viewer_model.add_labels(levels, multiscale=True).save(str(tmp_path / "out.tif"), plugin=PLUGIN)
    assert read_segmentation(tmp_path / "out.tif").labels.shape == (8, 8)


def test_labels_that_cannot_be_a_mask_leave_no_file(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    layer = viewer_model.add_labels(np.full((2, 2), -1, dtype=np.int32))
    with pytest.raises(OutputError, match="found -1 to -1"):
        layer.save(str(tmp_path / "out.tif"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []


def test_trap_the_builtin_writer_loses_names_and_place(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    # peers.md 3.3: why we have a writer.
    add_labels(viewer_model).save(str(tmp_path / "out.tif"), plugin="napari")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        dataset = rasterio.open(tmp_path / "out.tif")
    with dataset:
        assert dataset.crs is None
        assert dataset.dtypes == ("uint32",)
