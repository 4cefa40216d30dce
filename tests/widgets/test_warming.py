"""What runs need is loaded while nobody waits for the window."""

from __future__ import annotations

import sys
from time import sleep
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QTimer

from napari_firstpass.widgets.warming import Warming

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

NEEDED = "napari_firstpass.api"


def is_loaded() -> bool:
    return NEEDED in sys.modules


@pytest.fixture
def busy() -> QTimer:
    """Somebody who lets the window rest for no moment, once started."""
    timer = QTimer()
    timer.timeout.connect(lambda: sleep(0.2))
    timer.setInterval(100)
    return timer


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as not loaded, although what it imports is."""
    import napari_firstpass.api  # noqa: F401 - for what it imports

    monkeypatch.delitem(sys.modules, NEEDED)


@pytest.mark.usefixtures("forgotten")
def test_it_is_loaded_once_the_window_rests(qtbot: QtBot, busy: QTimer) -> None:
    warming = Warming()
    busy.start()
    qtbot.wait(1500)
    assert not is_loaded()
    busy.stop()
    qtbot.waitUntil(is_loaded, timeout=9_000)
    warming.let_go()


@pytest.mark.usefixtures("forgotten")
def test_who_needs_it_need_not_wait_for_that(qtbot: QtBot, busy: QTimer) -> None:
    warming = Warming()
    busy.start()
    warming.hurry()
    qtbot.waitUntil(is_loaded, timeout=9_000)
    warming.let_go()
