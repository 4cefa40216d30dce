"""Looking through labels in the panel, with keys, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from rasters import write_raster

from napari_firstpass.grid import Grid
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.widgets.doubt_layer import DOUBT
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.scene import mask_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[64:86, 12:44], IDS[60:80, 70:100], IDS[4:8, 4:9] = 2, 3, 2, 3
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
CLASSES = Taxonomy(
    (
        LabelClass(1, "ground", "#112233"),
        LabelClass(2, "roof", "#AA0000"),
        LabelClass(3, "tree", "#00AA00"),
        LabelClass(4, "car", "#0000AA"),
    )
)
CONFIDENCE = np.full(IDS.shape, 250, np.uint8)
CONFIDENCE[IDS == 3], CONFIDENCE[60:80, 70:100] = 40, 100


@pytest.fixture
def desk(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
) -> Hand:
    del plugins
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    return Hand(*opened(make_napari_viewer, qtbot, scene), qtbot)


def made(desk: Hand) -> Labels:
    """Labels as a run makes them, of which it is known how sure they are."""
    result = Segmentation(IDS, CLASSES, Grid(*IDS.shape), CONFIDENCE, Provenance())
    data, keywords, _ = labels_tuple(result, name="made", scene="scene")
    return desk.viewer.add_labels(data, **keywords)


def chosen(desk: Hand) -> int:
    """The row of the selected region's box; waits until nothing is computed any more."""
    tool, reviewing = desk.panel._regions, desk.panel._reviewing
    desk.settle()
    desk.qtbot.waitUntil(lambda: not tool._busy and not reviewing._flying, timeout=20_000)
    desk.qtbot.wait(5)
    return -1 if tool.selection is None else tool.selection.region.window.row


def test_the_most_doubtful_comes_first_and_each_key_goes_on(desk: Hand) -> None:
    labels, box = made(desk), desk.panel.form.review
    desk.panel.form.reviewing.click()
    desk.key(Qt.Key.Key_N)
    assert chosen(desk) == 64  # 704 pixels × 0.84, before 600 × 0.61 and 8248 × 0.02
    centre = np.array(desk.viewer.scene.camera.center[-2:])
    np.testing.assert_allclose(centre, (75, 28), atol=0.6)
    assert [box.only.itemText(i) for i in range(5)] == [
        "all classes", "ground", "roof", "tree", "car"
    ]  # fmt: skip
    desk.key(Qt.Key.Key_A)
    assert chosen(desk) == 60
    reviewed = np.asarray(mask_of(labels.metadata).reviewed)
    np.testing.assert_array_equal(reviewed, (IDS == 3) & (np.arange(96)[:, None] > 20))
    desk.key(*UNDO)
    assert chosen(desk) == 64  # back at what was accepted
    assert mask_of(labels.metadata).reviewed is None
    desk.key(Qt.Key.Key_A)
    assert chosen(desk) == 60
    desk.key(Qt.Key.Key_3)
    assert chosen(desk) == 0
    assert mask_of(labels.metadata).reviewed.pixels == 704 + 600
    desk.key(*UNDO)
    assert chosen(desk) == 60  # and its class is what it was
    np.testing.assert_array_equal(labels.data, IDS)
    assert mask_of(labels.metadata).reviewed.pixels == 704
    desk.key(*UNDO)
    assert chosen(desk) == 64
    labels.redo()
    labels.redo()
    assert mask_of(labels.metadata).reviewed.pixels == 704 + 600
    assert (labels.data[60:80, 70:100] == 3).all()
    labels.paint((90, 90), 4)
    for _ in range(2):
        labels.undo()
    np.testing.assert_array_equal(labels.data, IDS)
    box.next.click()
    assert chosen(desk) == 60
    desk.key(Qt.Key.Key_4)
    assert chosen(desk) == 0
    expected = IDS.copy()
    expected[60:80, 70:100] = 4
    np.testing.assert_array_equal(labels.data, expected)
    box.back.click()
    assert chosen(desk) == 60
    assert mask_of(labels.metadata).reviewed.pixels == 704
    box.ignore.click()
    assert chosen(desk) == 0
    expected[60:80, 70:100] = 0
    np.testing.assert_array_equal(labels.data, expected)
    box.next.click()  # the ground is skipped, not reviewed
    assert chosen(desk) == 24
    desk.key(Qt.Key.Key_M)
    assert chosen(desk) == -1
    expected[24:54, 34:74] = 1
    np.testing.assert_array_equal(labels.data, expected)
    assert "All regions of 100 pixels or more were reviewed" in desk.status
    kept = "28 % of it as pre-labelled"  # 704 of 704 + 600 + 1200
    desk.qtbot.waitUntil(lambda: kept in box.told.text(), timeout=20_000)
    assert box.bar.format() == f"{100 * 2504 / IDS.size:.0f} % reviewed"
    box.report.click()
    told = QApplication.clipboard().text()
    assert "class 2, roof: kept 0 px, lost 1800 px, gained 0 px" in told
    assert "class 3, tree: kept 704 px, lost 0 px, gained 0 px" in told
    desk.key(Qt.Key.Key_N)  # listed anew: the ground is left, with what was merged into it
    assert chosen(desk) == 0
    desk.viewer.layers.remove(labels)
    desk.settle()
    assert not box.next.isEnabled()
    assert not box.accept.isEnabled()


def test_one_class_can_be_looked_through_split_and_exported(desk: Hand) -> None:
    labels, box = made(desk), desk.panel.form.review
    desk.panel.form.reviewing.click()
    box.doubt.click()
    doubt = desk.viewer.layers[DOUBT]
    np.testing.assert_array_equal(doubt.data, CONFIDENCE)
    assert desk.panel.form.image.layer.name == "scene"
    assert desk.viewer.layers.selection.active == labels
    box.next.click()
    chosen(desk)
    box.least.setValue(15)
    box.only.setCurrentText("tree")
    box.next.click()
    assert chosen(desk) == 64
    box.next.click()
    assert chosen(desk) == 4
    box.split.click()
    chosen(desk)
    assert "alike" in desk.status
    desk.key(Qt.Key.Key_A)
    assert chosen(desk) == -1
    assert mask_of(labels.metadata).reviewed.pixels == 20
    box.doubt.click()
    assert DOUBT not in desk.viewer.layers
    desk.panel.form.exporting.click()
    export = desk.panel.form.export
    export.reviewed.click()
    desk.qtbot.waitUntil(lambda: "tree: 20" in export.preview.toPlainText(), timeout=20_000)
    assert "roof: 0" in export.preview.toPlainText()
