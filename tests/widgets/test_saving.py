"""From the panel to a georeferenced mask on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from qtpy.QtWidgets import QFileDialog
from rasters import NORTH_UP, UTM31, write_raster
from tiny_scenes import quarters, write_vrt

from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.taxonomy import color_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


def save(qtbot: QtBot, panel: SegmentPanel, path: Path) -> str:
    """Choose ``path`` in the dialog and return what the status line says in the end."""
    panel.form.save.click()
    (dialog,) = panel.findChildren(QFileDialog)
    dialog.fileSelected.emit(str(path))
    dialog.close()
    qtbot.waitUntil(lambda: not panel.form.status.text().startswith("Saving"), timeout=20_000)
    return panel.form.status.text()


@pytest.fixture
def labels(viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot) -> Labels:
    """The result of a run on a georeferenced file."""
    viewer.open(scene, plugin=PLUGIN)
    panel.form.run.click()
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)
    return viewer.layers[-1]


def test_open_run_paint_undo_save_and_read_with_rasterio(
    panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    labels.paint((20, 20), 2)
    labels.paint((90, 90), 3)
    labels.undo()
    path = tmp_path / "scene_labels.tif"
    assert save(qtbot, panel, path).startswith("Saved.")
    with rasterio.open(path) as dataset:
        assert (dataset.crs, dataset.transform, dataset.nodata) == (UTM31, NORTH_UP, 0)
        np.testing.assert_array_equal(dataset.read(1), labels.data)
        color = "#{:02X}{:02X}{:02X}".format(*dataset.colormap(1)[2][:3])
    assert color == color_of(2)
    names = [entry.name for entry in read_segmentation(path).taxonomy.classes]
    assert names == ["cluster 1", "cluster 2", "cluster 3", "cluster 4"]


def test_a_class_painted_without_a_name_is_saved_and_said(
    panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    labels.paint((20, 20), 9)
    said = save(qtbot, panel, tmp_path / "out.tif")
    assert "Classes without a name became class 9." in said
    assert read_segmentation(tmp_path / "out.tif").taxonomy[9].color == color_of(9)


def test_the_saved_file_is_a_link(
    panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    del labels
    path = tmp_path / "a mask.tif"
    assert f'href="file://{tmp_path}/a%20mask.tif"' in save(qtbot, panel, path)


def test_the_image_is_never_overwritten(
    panel: SegmentPanel, labels: Labels, scene: Path, qtbot: QtBot
) -> None:
    del labels
    before = scene.read_bytes()
    assert "which is an input" in save(qtbot, panel, scene)
    assert scene.read_bytes() == before


def test_what_a_virtual_raster_consists_of_is_never_overwritten(
    viewer: Viewer, panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    vrt = write_vrt(scene, band=2)
    viewer.open(vrt, plugin=PLUGIN)
    viewer.add_labels(np.ones((128, 160), dtype=np.uint8))
    assert "which is an input" in save(qtbot, panel, scene)


def test_an_existing_mask_is_replaced_after_the_dialog_asked(
    panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "out.tif"
    save(qtbot, panel, path)
    labels.fill((20, 20), 4)
    assert save(qtbot, panel, path).startswith("Saved.")
    np.testing.assert_array_equal(read_segmentation(path).labels, labels.data)


def test_a_missing_folder_is_said_and_the_labels_stay(
    viewer: Viewer, panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    assert "create the folder first" in save(qtbot, panel, tmp_path / "none" / "out.tif")
    assert labels in viewer.layers
    assert panel.form.save.isEnabled()


def test_the_dialog_begins_beside_the_image(
    panel: SegmentPanel, labels: Labels, scene: Path
) -> None:
    panel.form.save.click()
    (dialog,) = panel.findChildren(QFileDialog)
    assert dialog.selectedFiles() == [str(scene.with_name("scene_labels.tif"))]
    assert labels.name in dialog.windowTitle()
    dialog.reject()


def test_labels_drawn_by_hand_over_a_scene_get_its_place(
    viewer: Viewer, panel: SegmentPanel, scene: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(scene, plugin=PLUGIN)
    viewer.add_labels(np.ones((128, 160), dtype=np.int32), name="mine")
    save(qtbot, panel, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert (dataset.crs, dataset.transform) == (UTM31, NORTH_UP)


def test_labels_that_cannot_be_a_mask_are_refused(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.add_labels(np.full((4, 4), -1, dtype=np.int32))
    assert "found -1 to -1" in save(qtbot, panel, tmp_path / "out.tif")
    assert list(tmp_path.iterdir()) == []


def test_without_a_georeference_the_mask_has_none_and_that_is_said(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.add_labels(np.ones((4, 4), dtype=np.uint8))
    said = save(qtbot, panel, tmp_path / "out.tif")
    assert said.startswith("Saved without georeference: the image has none.")


def test_the_selected_labels_are_saved(viewer: Viewer, panel: SegmentPanel, labels: Labels) -> None:
    other = viewer.add_labels(np.ones((4, 4), dtype=np.uint8), name="other")
    assert "“other”" in panel.form.save.toolTip()
    viewer.layers.selection.active = viewer.layers[0]
    assert f"“{labels.name}”" in panel.form.save.toolTip()
    viewer.layers.remove(labels)
    assert other in viewer.layers
    assert "no labels yet" in panel.form.save.toolTip()


def test_a_failed_run_never_touches_labels(
    viewer: Viewer, panel: SegmentPanel, labels: Labels, tmp_path: Path, qtbot: QtBot
) -> None:
    labels.paint((20, 20), 9)
    before = labels.data.copy()
    flat = np.full((3, 64, 64), 7, dtype=np.uint8)
    viewer.open(write_raster(tmp_path / "flat.tif", flat), plugin=PLUGIN)
    panel.form.run.click()
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)
    assert "Expected" in panel.form.status.text()
    np.testing.assert_array_equal(labels.data, before)
    assert quarters().shape[1:] == labels.data.shape
