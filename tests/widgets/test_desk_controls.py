"""Every control of the panel explains itself, and every action has a key, in a real viewer."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from borders import picture
from hands import Hand, opened
from napari.settings import get_plugin_settings
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QWidget,
)
from rasters import write_raster

from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.first_hints import HINTS
from napari_firstpass.widgets.label_layers import labels_tuple
from napari_firstpass.widgets.preferences import Keys
from napari_firstpass.widgets.prompt_layers import POINTS
from napari_firstpass.widgets.region_layers import HAND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Labels
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

KINDS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
)
FOLDS = ("segmenting", "classing", "fixing", "refining", "learning", "reviewing", "exporting")
IDS = np.ones((96, 112), np.uint8)
IDS[24:54, 34:74], IDS[60:80, 70:100] = 2, 3


def controls(panel: SegmentPanel) -> list[QWidget]:
    """What a user can press, choose, type in or read; not the parts that Qt makes these of."""
    found = [widget for kind in KINDS for widget in panel.findChildren(kind)]
    parts = [kind for kind in KINDS if kind is not QAbstractItemView]
    return [
        widget
        for widget in dict.fromkeys(found)
        if not any(isinstance(widget.parentWidget(), kind) for kind in parts)
        and not isinstance(widget, QHeaderView)  # its columns explain themselves
        and not widget.objectName().startswith("qt_")
        and widget.window() is panel.window()
    ]


def called(control: QWidget) -> str:
    """What to call a control in a message."""
    text = control.text() if isinstance(control, QAbstractButton) else ""
    return f"{type(control.parentWidget()).__name__}: {type(control).__name__} {text}"


def made(hand: Hand) -> Labels:
    """Labels as a run makes them, selected."""
    sure = np.full(IDS.shape, 200, np.uint8)
    result = Segmentation(IDS.copy(), numbered_taxonomy(4), Grid(*IDS.shape), sure)
    data, keywords, _ = labels_tuple(result, name="made", scene="scene")
    return hand.viewer.add_labels(data, **keywords)


def test_every_control_says_what_it_does_and_why_it_cannot(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    before = {control: control.toolTip() for control in controls(panel)}
    assert len(before) > 60
    short = [(called(control), tip) for control, tip in before.items() if len(tip) < 15]
    assert short == []
    unusable = [control for control in before if not control.isEnabled()]
    viewer.open(write_raster(tmp_path / "scene.tif", picture(IDS)), plugin="napari-firstpass")
    hand = Hand(viewer, panel, qtbot)
    labels = made(hand)
    for name in FOLDS:
        getattr(panel.form, name).setChecked(True)
    panel.form.class_list.tree.selectAll()
    panel.form.regions.regions.click()
    panel._regions.select_at(30, 40)
    qtbot.waitUntil(lambda: panel._regions.selection is not None)
    usable = [control for control in unusable if control.isEnabled()]
    assert len(usable) > 15
    same = [called(control) for control in usable if control.toolTip() == before[control]]
    assert same == []
    viewer.layers.selection.active = labels
    panel._say(panel._session.message)
    tips = " ".join(control.toolTip() for control in controls(panel))
    texts = [c.text() for c in controls(panel) if isinstance(c, QAbstractButton)]
    keys = asdict(Keys()).values()
    assert [k for k in keys if not re.search(rf"(Key:|Hold|with) {re.escape(k)}(?!\w)", tips)] == []
    assert "Regions   X" in texts


def test_the_tab_key_goes_from_the_top_to_the_foot_of_each_section(
    panel: SegmentPanel, qtbot: QtBot
) -> None:
    window = panel.window()
    window.resize(1366, 900)
    window.show()
    for name in FOLDS:
        fold = getattr(panel.form, name)
        fold.setChecked(True)
        qtbot.wait(1)
        reached, widget = [], panel.form.image
        while widget is not None and widget not in reached:
            reached.append(widget)
            widget = next_of(widget, panel)
        places = [one.mapTo(panel, QPoint(0, 0)) for one in reached]
        rows = [place.y() // 8 for place in places]
        steps = pairwise(rows)
        back = [i for i, (a, b) in enumerate(steps) if b < a]
        assert [called(reached[i + 1]) for i in back] == [], name
        wanted = {c for c in controls(panel) if c.isVisibleTo(panel) and c.isEnabled()}
        missed = [called(c) for c in wanted - set(reached) if not isinstance(c, QProgressBar)]
        assert missed == [], name
        if name != "segmenting":
            fold.setChecked(False)


def next_of(widget: QWidget, panel: SegmentPanel) -> QWidget | None:
    """What the tab key reaches after a widget, None outside the panel."""
    following = widget.nextInFocusChain()
    while following is not widget:
        reaches = following.focusPolicy() & Qt.FocusPolicy.TabFocus
        if reaches and following.isEnabled() and following.isVisibleTo(panel.window()):
            return following if panel.isAncestorOf(following) else None
        following = following.nextInFocusChain()
    return None


@pytest.fixture
def hand(
    plugins: PluginManager,
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Hand:
    """A user who never saw the panel, and has another key for regions."""
    del plugins
    monkeypatch.setenv("FIRSTPASS_STATE", str(tmp_path / "state"))
    get_plugin_settings("napari-firstpass").keys.regions = "g"
    scene = write_raster(tmp_path / "scene.tif", picture(IDS), photometric="RGB")
    return Hand(*opened(make_napari_viewer, qtbot, scene), qtbot)


def activate(hand: Hand) -> None:
    """Make the window the active one: shortcuts count in that alone."""
    window = hand.panel.window()
    window.activateWindow()
    hand.qtbot.waitUntil(window.isActiveWindow)


def test_a_key_means_the_same_in_every_section_and_each_section_has_one_hint(
    hand: Hand, tmp_path: Path
) -> None:
    form, layers, qtbot = hand.panel.form, hand.viewer.layers, hand.qtbot
    assert hand.status == HINTS["segmenting"].format(run="Ctrl+R")
    labels = made(hand)
    form.fixing.click()
    assert hand.status.startswith("G selects whole regions, P points at a thing")
    hand.key(Qt.Key.Key_D)
    assert (labels.mode, form.regions.brush.isChecked()) == ("paint", True)
    hand.key(Qt.Key.Key_4)
    assert labels.selected_label == 4
    assert hand.status == "The brush paints class 4, cluster 4."
    hand.click(10, 10)
    assert labels.data[10, 10] == 4
    hand.key(Qt.Key.Key_G)
    assert (form.regions.regions.isChecked(), form.regions.brush.isChecked()) == (True, False)
    assert form.regions.regions.text() == "Regions   G"
    hand.key(Qt.Key.Key_B)  # of a layer of points, napari's own are other keys
    assert (HAND in layers, POINTS in layers, form.prompts.tool) == (False, True, "box")
    hand.key(Qt.Key.Key_Escape)
    hand.key(Qt.Key.Key_L)
    assert (POINTS in layers, form.prompts.tool) == (True, "line")
    qtbot.keyPress(hand.canvas, Qt.Key.Key_H)
    assert not labels.visible
    qtbot.keyRelease(hand.canvas, Qt.Key.Key_H)
    assert labels.visible
    form.method.setCurrentText("smooseg")  # takes a while
    activate(hand)
    form.run.click()  # meanwhile, Esc first discards what is shown
    assert form.cancel.isEnabled()
    qtbot.keyClick(hand.panel, Qt.Key.Key_Escape)
    assert (POINTS in layers, form.cancel.isEnabled()) == (False, True)
    qtbot.keyClick(hand.panel, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not form.cancel.isEnabled())  # tiles that were ready are kept
    assert hand.status.startswith("Cancelled")
    hand.settle()
    layers.selection.active = labels
    form.fixing.click()
    form.fixing.click()
    assert "selects whole regions" not in hand.status
    form.classing.click()
    assert hand.status.startswith("Double click a class")
    for unfolded in (True, False, True):  # open, it is gone to first
        hand.qtbot.keyClick(hand.panel, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
        assert form.class_list.isAncestorOf(QApplication.focusWidget()) is unfolded
        assert form.classing.isChecked() is unfolded
    assert not form.class_list.lists.visibleRegion().isEmpty()  # scrolled to, if need be
    qtbot.keyClick(form.class_list.lists, Qt.Key.Key_Down)  # loads none before it was seen
    assert form.class_list.lists.view().isVisible()
    form.class_list.lists.hidePopup()
    for chosen in (form.class_list.lists, form.class_list.tree, form.class_list.way):
        before = form.class_list.tree.chosen, form.class_list.way.currentIndex()
        qtbot.keyPress(chosen, Qt.Key.Key_H)  # is no letter to look for
        assert not labels.visible
        qtbot.keyRelease(chosen, Qt.Key.Key_H)
        assert (form.class_list.tree.chosen, form.class_list.way.currentIndex()) == before
    form.class_list.tree.selectAll()
    hand.key(Qt.Key.Key_M)
    qtbot.waitUntil(lambda: len(np.unique(labels.data)) == 1)
    qtbot.waitUntil(lambda: (tmp_path / "state" / "hints.json").exists())
    seen = json.loads((tmp_path / "state" / "hints.json").read_text())
    assert seen == ["classing", "fixing", "segmenting"]
