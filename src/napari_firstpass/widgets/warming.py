"""What runs need is loaded beforehand, while nobody waits for the window."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer

from napari_firstpass.progress import Progress
from napari_firstpass.threads import link_torch, wait_without_spinning, without_collecting
from napari_firstpass.widgets.opening import is_filling
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps

_NEEDED = "napari_firstpass.api"
_BEAT_MS, _LATE_S = 100, 0.14
_CALM_BEATS = 8
_PATIENCE_S = 10.0
"""Whoever never rests gets what runs need all the same."""


class Warming(QObject):
    """Loads what runs need, once the window has had nothing to do for a moment.

    It takes seconds in which Python's threads take turns: an image that is opened meanwhile would
    take twice as long.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = Runner(self)
        self._began = self._last = monotonic()
        self._calm = 0
        self._beat = QTimer(self)
        self._beat.setTimerType(Qt.TimerType.PreciseTimer)
        self._beat.setInterval(_BEAT_MS)
        self._beat.timeout.connect(self._on_beat)
        if _NEEDED not in sys.modules:
            self._beat.start()

    def hurry(self) -> None:
        """Load it now: somebody is going to need it."""
        if self._beat.isActive():
            self._beat.stop()
            self._runner.start(_load_steps(), 0)

    def let_go(self) -> None:
        """Load nothing any more."""
        self._beat.stop()
        self._runner.stop()

    def _on_beat(self) -> None:
        now, late = monotonic(), monotonic() - self._last > _LATE_S
        self._last = now
        self._calm = 0 if late or is_filling() else self._calm + 1
        if self._calm >= _CALM_BEATS or now - self._began > _PATIENCE_S:
            self.hurry()


def _load_steps() -> Steps[None]:
    yield Progress(0, 1)
    wait_without_spinning()
    link_torch()
    with without_collecting():
        import napari_firstpass.api  # noqa: F401 - imported for later
