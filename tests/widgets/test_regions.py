"""Whole regions selected and changed in the panel, with mouse and keys, in a real viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from qtpy.QtCore import Qt
from rasters import write_raster

from napari_firstpass.widgets.region_layers import HAND, SELECTION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[64:86, 12:44], IDS[60:80, 70:100] = 2, 3, 2
UNDO = (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
ONE, OTHER, THIRD = (38.5, 52.5), (70.5, 85.5), (74.5, 26.5)


class Desk(Hand):
    """A hand that selects regions."""

    @property
    def selection(self) -> np.ndarray:
        """The pixels that are shown as selected."""
        return self.covered(SELECTION, IDS.shape)

    def settled(self) -> None:
        """Wait until nothing is computed for the tool any more."""
        self.qtbot.waitUntil(lambda: not self.panel._regions._busy, timeout=20_000)
        self.qtbot.wait(5)

    def press(self, name: str) -> None:
        self.panel.form.regions.edits[name].click()
        self.settled()


@pytest.fixture
def desk(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
) -> Desk:
    del plugins
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    return Desk(*opened(make_napari_viewer, qtbot, scene), qtbot)


def mine(desk: Desk) -> Labels:
    """Labels as they should be, selected."""
    layer = desk.viewer.add_labels(IDS.copy(), name="mine")
    layer.selected_label = 5
    return layer


def test_regions_are_selected_and_get_classes_each_in_one_undo_step(desk: Desk) -> None:
    layers, labels = list(desk.viewer.layers), mine(desk)
    desk.panel.form.fixing.click()
    desk.key(Qt.Key.Key_X)  # which labels have for something else
    assert desk.panel.form.regions.regions.isChecked()
    desk.click(*ONE)
    desk.key(Qt.Key.Key_4)  # before the selection is shown
    desk.settled()
    first = IDS.copy()
    first[24:54, 34:74] = 4
    np.testing.assert_array_equal(labels.data, first)
    np.testing.assert_array_equal(desk.selection, first == 4)
    desk.click(*OTHER)
    desk.settled()
    desk.click(*THIRD, modifier=Qt.KeyboardModifier.ShiftModifier)
    desk.settled()
    np.testing.assert_array_equal(desk.selection, (IDS == 3) | (first == 2))
    assert "Selected 1 304 pixels of class 2" in desk.status  # most are
    desk.key(Qt.Key.Key_Delete)
    desk.settled()
    np.testing.assert_array_equal(labels.data, np.where(desk.selection, 0, first))
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, first)
    assert not desk.selection.any()
    desk.panel.form.regions.choose_mode("lasso")
    around = (18, 28), (18, 80), (92, 80), (92, 8), (60, 8), (18, 28)
    desk.drag(*around, pause_ms=30)
    desk.settled()
    np.testing.assert_array_equal(desk.selection, (first == 4) | (IDS == 3))
    desk.key(Qt.Key.Key_M)
    desk.settled()
    assert set(np.unique(labels.data)) == {1, 2}
    assert "merged. Ctrl+Z undoes it." in desk.status
    desk.key(*UNDO)
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, IDS)
    walk_with_arrows(desk)
    desk.key(Qt.Key.Key_Escape)
    desk.key(Qt.Key.Key_Escape)
    assert not desk.panel.form.regions.regions.isChecked()
    assert list(desk.viewer.layers) == [*layers, labels]
    assert desk.viewer.layers.selection.active == labels


def walk_with_arrows(desk: Desk) -> None:
    """Select what is in the middle, then besides it what lies right of it, then what is below."""
    one, other = np.zeros(IDS.shape, bool), np.zeros(IDS.shape, bool)
    one[24:54, 34:74], other[60:80, 70:100] = True, True
    shift = Qt.KeyboardModifier.ShiftModifier
    steps = ((Qt.Key.Key_Up,), one), ((Qt.Key.Key_Right, shift), (IDS == 1) | one)
    for pressed, expected in (*steps, ((Qt.Key.Key_Down,), other)):
        desk.key(*pressed)
        desk.settled()
        np.testing.assert_array_equal(desk.selection, expected)
    np.testing.assert_allclose(desk.viewer.scene.camera.center[-2:], (60, 74))


def test_a_region_is_split_snapped_cleaned_and_painted_by_superpixels(desk: Desk) -> None:
    labels = mine(desk)
    box = desk.panel.form.regions
    desk.panel.form.fixing.click()
    labels.data[30, 40], labels.data[40:42, 60] = 6, 6
    box.regions.click()
    assert not box.edits["fill"].isEnabled()
    desk.click(*ONE)
    desk.settled()
    desk.press("fill")
    np.testing.assert_array_equal(labels.data, IDS)
    desk.key(*UNDO)
    assert labels.data[30, 40] == 6
    desk.viewer.layers[HAND].mode = "pan_zoom"
    desk.click(*ONE)
    desk.settled()
    box.most.setValue(1)
    desk.press("specks")
    assert (labels.data[30, 40], labels.data[40, 60]) == (2, 6)
    box.choose_mode("split")
    desk.drag((22, 44), (40, 44), (57, 44))
    desk.settled()
    small = desk.selection
    assert small[38, 38]
    assert not small[38, 60]
    desk.key(Qt.Key.Key_C)
    assert desk.selection[38, 60]
    assert not (desk.selection & small).any()
    labels.data[:] = np.roll(IDS, 2, 1)
    box.choose_mode("click")
    desk.click(*ONE)
    desk.settled()
    desk.press("snap")
    part = np.s_[20:58, 30:66]
    assert np.count_nonzero(labels.data[part] != IDS[part]) <= 30  # of 60 before
    labels.data[:] = 1
    box.choose_mode("brush")
    desk.drag((30, 40), (45, 60))
    desk.settled()
    painted = labels.data == 5
    assert painted.sum() > 300
    assert (IDS[painted] == 2).mean() > 0.9
    desk.key(*UNDO)
    assert (labels.data == 1).all()


@pytest.mark.slow
def test_what_happens_to_layers_meanwhile_loses_no_work(desk: Desk) -> None:
    labels, tool = mine(desk), desk.panel._regions
    desk.panel.form.fixing.click()
    desk.panel.form.regions.regions.click()
    desk.click(*ONE)
    desk.settled()
    desk.key(Qt.Key.Key_4)
    labels.data = IDS.T.copy()  # before the answer comes
    desk.settle()
    np.testing.assert_array_equal(labels.data, IDS.T)
    assert tool.selection is None
    labels.name = "renamed"
    desk.viewer.layers.move(0, 1)
    tool.select_at(20, 3)
    desk.settled()
    assert tool.selection is not None
    desk.press("snap")
    assert "Expected the image that these labels lie on" in desk.status
    labels.data_setitem((np.array([0]), np.array([0])), 7)
    assert tool.selection is None  # painted over: it may be no region any more
    tool.select_at(500, 500)
    assert "outside" in desk.status
    desk.panel.form.prompts.pointing.click()
    assert not tool.is_on  # one tool at a time
    desk.panel.form.regions.regions.click()
    assert tool.is_on
    assert not desk.panel.form.prompts.pointing.isChecked()
    tool.select_at(20, 3)
    desk.viewer.layers.remove(labels)
    desk.settle()
    assert not tool.is_on
    assert SELECTION not in desk.viewer.layers
    desk.panel.form.regions.regions.click()
    assert not desk.panel.form.regions.regions.isChecked()
    assert "Expected a labels layer" in desk.status


def test_an_edit_outlives_the_image_it_looks_at(desk: Desk) -> None:
    labels = mine(desk)
    labels.data[:] = np.roll(IDS, 2, 1)
    before = labels.data.copy()
    image = desk.panel.form.image.layer
    assert image is not None
    desk.panel.form.fixing.click()
    desk.panel.form.regions.regions.click()
    desk.click(*ONE)
    desk.settled()
    desk.panel.form.regions.edits["snap"].click()
    desk.viewer.layers.remove(image)  # before the answer comes
    desk.settled()
    part = np.s_[20:58, 30:66]
    assert np.count_nonzero(labels.data[part] != IDS[part]) <= 30  # of 60 before
    snapped = labels.data.copy()
    desk.key(Qt.Key.Key_4)  # needs no image
    desk.settled()
    assert (labels.data == 4).any()
    desk.press("snap")
    assert "Expected the image that these labels lie on" in desk.status
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, snapped)
    desk.key(*UNDO)
    np.testing.assert_array_equal(labels.data, before)
