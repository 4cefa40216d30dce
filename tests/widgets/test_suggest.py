"""The button that suggests how many classes an image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from grounds import GROUNDS, areas, picture, write_tile
from qtpy.QtCore import Qt

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_firstpass.widgets.segment_panel import SegmentPanel

PLUGIN = "napari-firstpass"


@pytest.fixture
def tile(tmp_path: Path) -> Path:
    """An image of four grounds."""
    return write_tile(tmp_path / "tile.tif", picture(areas((0, 1, 2, 3), 1), 1))


def click(qtbot: QtBot, panel: SegmentPanel) -> None:
    qtbot.mouseClick(panel.form.suggest, Qt.MouseButton.LeftButton)


def test_a_suggestion_sets_the_number_and_tells_what_it_rests_on(
    viewer: Viewer, panel: SegmentPanel, tile: Path, qtbot: QtBot
) -> None:
    form = panel.form
    assert not form.suggest.isEnabled()
    assert form.suggest.toolTip().startswith("Open an image")
    viewer.open(tile, plugin=PLUGIN)
    assert form.suggest.isEnabled()
    form.classes.setValue(11)
    click(qtbot, panel)
    assert form.cancel.isEnabled()
    qtbot.waitUntil(lambda: not form.cancel.isEnabled(), timeout=60_000)
    assert form.classes.value() == GROUNDS
    assert f"{GROUNDS} classes of tile can be told apart" in form.status.text()
    assert f"{GROUNDS}: 0." in form.suggest.toolTip()
    assert form.suggest.isEnabled()
    assert form.run.isEnabled()
    assert len(viewer.layers) == 1


def test_cancel_leaves_the_number_as_it_was(
    viewer: Viewer, panel: SegmentPanel, tile: Path, qtbot: QtBot
) -> None:
    viewer.open(tile, plugin=PLUGIN)
    panel.form.classes.setValue(11)
    click(qtbot, panel)
    panel.form.cancel.click()
    assert panel.form.suggest.isEnabled()
    qtbot.wait(50)
    assert panel.form.classes.value() == 11


def test_an_image_of_one_value_is_refused(
    viewer: Viewer, panel: SegmentPanel, tmp_path: Path, qtbot: QtBot
) -> None:
    viewer.open(write_tile(tmp_path / "f.tif", np.full((3, 64, 64), 7, np.uint8)), plugin=PLUGIN)
    click(qtbot, panel)
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled(), timeout=60_000)
    assert "an image whose values differ" in panel.form.status.text()
    assert panel.form.classes.value() == 4
