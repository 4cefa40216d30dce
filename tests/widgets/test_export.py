"""Exporting labels from the panel, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_firstpass.io.export_folder import RECORD, unfinished
from napari_firstpass.io.formats import EXPORTERS
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.image_layers import grid_of
from napari_firstpass.widgets.label_layers import labels_tuple

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


@pytest.fixture
def labels(viewer: Viewer, panel: SegmentPanel, scene: Path) -> Labels:  # noqa: ARG001 - it is open first
    """Labels over the quarters: left half 1, right half 2, one row of nothing."""
    (image,) = viewer.open(scene, plugin=PLUGIN)
    ids = np.ones(image.data.shape[:2], np.uint8)
    ids[:, ids.shape[1] // 2 :] = 2
    ids[0] = 0
    return viewer.add_labels(ids, name="mine")


def shown(panel: SegmentPanel) -> str:
    return panel.form.export.preview.toPlainText()


def counted(qtbot: QtBot, panel: SegmentPanel, text: str) -> None:
    qtbot.waitUntil(lambda: text in shown(panel), timeout=60_000)


def test_unfolding_counts_what_would_be_written(
    panel: SegmentPanel, labels: Labels, qtbot: QtBot
) -> None:
    assert shown(panel) == ""
    box = panel.form.export
    assert [box.format.itemData(i) for i in range(box.format.count())] == list(EXPORTERS.names)
    panel.form.exporting.click()
    height, width = labels.data.shape
    half = (height - 1) * width // 2
    counted(qtbot, panel, f"class 2: {half:,}".replace(",", " "))
    assert f"255  ignored: unlabelled {width}" in shown(panel)
    box.codes.setCurrentText("loveda")
    counted(qtbot, panel, "LOST: 'class 1' has no code")
    panel.form.exporting.click()
    assert not box.isVisible()


def test_a_folder_is_written_and_its_path_is_shown(
    panel: SegmentPanel, labels: Labels, qtbot: QtBot, tmp_path: Path
) -> None:
    panel.form.exporting.click()
    counted(qtbot, panel, "ignored")
    panel.form.export.run.click()
    dialog = panel.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path / "masks"))
    dialog.reject()
    labels.data_setitem((np.array([5]), np.array([5])), 2)  # painted meanwhile: not written
    qtbot.waitUntil(lambda: (tmp_path / "masks" / RECORD).is_file(), timeout=60_000)
    qtbot.waitUntil(lambda: "Exported." in panel.form.status.text(), timeout=60_000)
    assert "masks" in panel.form.status.text() + panel.form.status.toolTip()
    with rasterio.open(tmp_path / "masks" / "scene.tif") as mask:
        values = mask.read(1)
    assert values[5, 5] == 1
    assert (values[0] == 255).all()


@pytest.mark.usefixtures("labels")
def test_what_cannot_be_written_is_said_and_nothing_is_left(
    panel: SegmentPanel, qtbot: QtBot, tmp_path: Path
) -> None:
    box = panel.form.export
    panel.form.exporting.click()
    box.format.setCurrentText("chips")
    assert "size=512" in box.options.toolTip()
    counted(qtbot, panel, "an image of 3 blocks or more")
    box.options.setText("size=16 block=16 colour=red")
    box.options.editingFinished.emit()
    counted(qtbot, panel, "option of this format out of")
    box.options.setText("size=16 block=16 split=0.5,0.5")
    box.options.editingFinished.emit()
    counted(qtbot, panel, "chips of 16 x 16 pixels")
    box.codes.setCurrentText("loveda")
    before = sorted(tmp_path.iterdir())
    panel._exporting.write(tmp_path / "chips")
    qtbot.waitUntil(lambda: "has no code" in panel.form.status.text(), timeout=60_000)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("labels")
def test_chips_that_wait_for_the_rest_are_told_before_it_goes_on(
    panel: SegmentPanel, scene: Path, qtbot: QtBot
) -> None:
    box, usual = panel.form.export, scene.parent / "scene_chips"
    box.format.setCurrentText("chips")
    box.options.setText("size=16 block=32")
    job = panel._exporting._job(usual)
    steps = job.begin()
    while "chips" not in next(steps).message or not any(unfinished(usual).glob("*/*")):
        pass
    steps.close()
    assert job.cancelled.startswith("Cancelled; what was finished is kept")
    panel.form.exporting.click()
    counted(qtbot, panel, "chips were finished before an earlier run ended: they are kept")
    panel._exporting.write(usual)
    qtbot.waitUntil(lambda: (usual / RECORD).is_file(), timeout=60_000)
    qtbot.waitUntil(lambda: "Exported." in panel.form.status.text(), timeout=60_000)
    panel._exporting.count()
    qtbot.waitUntil(lambda: "before an earlier run" not in shown(panel), timeout=60_000)


def test_removing_the_labels_empties_the_preview(
    panel: SegmentPanel, labels: Labels, viewer: Viewer, qtbot: QtBot
) -> None:
    panel.form.exporting.click()
    counted(qtbot, panel, "ignored")
    assert panel.form.export.run.isEnabled()
    viewer.layers.remove(labels)
    qtbot.waitUntil(lambda: not panel.form.export.run.isEnabled(), timeout=5000)
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)
    assert shown(panel) == ""


def test_a_level_of_the_tree_and_what_is_not_sure(
    panel: SegmentPanel, viewer: Viewer, scene: Path, qtbot: QtBot
) -> None:
    (image,) = viewer.open(scene, plugin=PLUGIN)
    grid = grid_of(image)
    ids = np.full(grid.shape, 2, np.uint8)
    ids[:, :10] = 3
    sure = np.full(grid.shape, 200, np.uint8)
    sure[0] = 100
    tree = Taxonomy(
        (
            LabelClass(1, "roof", "#ff0000"),
            LabelClass(2, "flat roof", "#00ff00", parent=1),
            LabelClass(3, "pitched roof", "#0000ff", parent=1),
        )
    )
    made = Segmentation(ids, tree, grid, sure)
    data, keywords, _ = labels_tuple(made, name="roofs", scene="scene")
    viewer.add_labels(data, **keywords)
    box = panel.form.export
    panel.form.exporting.click()
    counted(qtbot, panel, f"3  pitched roof: {grid.height * 10:,}".replace(",", " "))
    box.level.setValue(1)
    counted(qtbot, panel, f"1  roof: {ids.size:,}".replace(",", " "))
    assert "flat roof:" not in shown(panel)
    box.sure.setValue(50)
    counted(qtbot, panel, f"not sure {grid.width:,}".replace(",", " "))
    assert f"1  roof: {ids.size - grid.width:,}".replace(",", " ") in shown(panel)
