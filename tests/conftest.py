"""What tests share: settings of napari that touch no user's files, and a viewer with our plugin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.threads import wait_without_spinning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.components import ViewerModel
    from napari.viewer import Viewer
    from npe2 import PluginManager
    from pytestqt.qtbot import QtBot

# Before anything imports napari: an empty path keeps its settings in memory.
os.environ["NAPARI_CONFIG"] = ""
wait_without_spinning()


@pytest.fixture
def plugins(npe2pm: PluginManager) -> PluginManager:
    """The installed manifests of napari and of us, whatever else is installed."""
    from npe2 import PluginManifest

    for name in ("napari", "napari-firstpass"):
        npe2pm.register(PluginManifest.from_distribution(name))
    return npe2pm


@pytest.fixture
def viewer_model(plugins: PluginManager) -> ViewerModel:  # noqa: ARG001 - must come first
    """All of napari but its window: enough for files and layers, and much faster."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def viewer(
    plugins: PluginManager,  # noqa: ARG001 - must come first
    make_napari_viewer_proxy: Callable[[], Viewer],
    qtbot: QtBot,
) -> Iterator[Viewer]:
    """A real viewer, as plugins see it; what still runs in threads is waited for at the end."""
    from qtpy.QtCore import QThreadPool

    yield make_napari_viewer_proxy()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(1)
