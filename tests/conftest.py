"""What tests share: settings of napari that touch no user's files, and a viewer with our plugin."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.io.open_projects import FOLDER_VARIABLE
from napari_firstpass.threads import wait_without_spinning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.viewer import Viewer
    from npe2 import PluginManager, PluginManifest
    from pytestqt.qtbot import QtBot

# Before anything imports napari: an empty path keeps its settings in memory.
os.environ["NAPARI_CONFIG"] = ""
wait_without_spinning()
# Before anything imports torch: several processes of tests divide the cores among them.
if (beside := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // beside)))

_SECTIONS = (
    "segmenting", "classing", "fixing", "refining", "learning", "reviewing", "exporting"
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the panel keeps its notes: here, all its hints were seen long ago."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "hints.json").write_text(json.dumps(_SECTIONS))
    os.environ[FOLDER_VARIABLE] = str(folder)
    return folder


@pytest.fixture(scope="session")
def manifests() -> list[PluginManifest]:
    """The manifests of napari and of us, whose texts take 0.2 s to read."""
    from npe2 import PluginManifest

    names = ("napari", "napari-firstpass")
    return [PluginManifest.from_distribution(name) for name in names]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """torch computes on two threads, however many cores there are for this process."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def plugins(
    npe2pm: PluginManager,
    manifests: list[PluginManifest],
    plugin_settings: None,  # noqa: ARG001 - the Preferences as they come, whatever a test sets
) -> PluginManager:
    """The installed manifests of napari and of us, whatever else is installed."""
    for manifest in manifests:
        npe2pm.register(manifest)
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


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QtBot:
    """A patient one: on a busy machine, a run that takes a second takes longer than its five."""
    for name in ("waitUntil", "waitSignal", "waitExposed"):
        monkeypatch.setattr(qtbot, name, partial(getattr(qtbot, name), timeout=20_000))
    return qtbot
