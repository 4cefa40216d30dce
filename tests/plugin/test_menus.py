"""What napari offers its users: menus, sample data, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt

from napari_firstpass.scenes import SCENE_TAXONOMY
from napari_firstpass.widgets.dock import PanelDock

if TYPE_CHECKING:
    from collections.abc import Callable

    from app_model import Application
    from napari.components import ViewerModel
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot


@pytest.fixture
def shown(plugins: PluginManager, make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    """A viewer whose window is on the screen: keys reach only such a one."""
    del plugins
    return make_napari_viewer(show=True)


def test_the_panel_is_found_under_layers_segment(
    shown: Viewer, mock_app_model: Application, qtbot: QtBot
) -> None:
    commands = [item.command.id for item in mock_app_model.menus.get_menu("napari/layers/segment")]
    (command,) = [name for name in commands if name.startswith("napari-firstpass")]
    mock_app_model.commands.execute_command(command).result()
    (dock,) = shown.window.dock_widgets.values()
    assert isinstance(dock, PanelDock)
    qtbot.waitUntil(lambda: dock.is_loaded, timeout=60_000)
    qtbot.waitUntil(dock.panel.form.run.isVisible)


def test_the_sample_is_a_town_with_its_truth(viewer_model: ViewerModel) -> None:
    town, nir, truth = viewer_model.open_sample("napari-firstpass", "town")
    assert (town.name, town.rgb, town.visible) == ("town", True, True)
    assert (nir.name, nir.visible, nir.data.dtype) == ("town · nir", False, np.uint8)
    assert (truth.name, truth.visible, type(truth)) == ("town · truth", False, Labels)
    assert truth.features["name"].tolist()[1:] == [c.name for c in SCENE_TAXONOMY.classes]


def test_ctrl_r_runs_and_escape_cancels_from_anywhere_in_the_window(
    shown: Viewer, qtbot: QtBot
) -> None:
    _, dock = shown.window.add_plugin_dock_widget("napari-firstpass", "Segment")
    panel = dock.panel
    shown.add_image(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    window = panel.window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(panel.form.cancel.isEnabled)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not panel.form.cancel.isEnabled())
    assert panel.form.status.text() == "Cancelled; nothing was changed."
