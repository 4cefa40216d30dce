"""Keeps count of the pixels of each class, in a thread, while a layer is painted on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_firstpass.class_areas import count_steps
from napari_firstpass.errors import FirstPassError
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_firstpass.widgets.worker import Reply

_WAIT_MS = 250
"""A stroke changes pixels many times a second; they are counted once it rests."""

_EVENTS = ("paint", "set_data", "data")
"""What a layer says when its pixels may have changed: painted, undone, replaced."""


class ClassCounts(QObject):
    """Counts the pixels of a layer whenever they have changed.

    Signals
    -------
    counted : dict of int to int
        Pixels of each id that occurs.
    refused : FirstPassError
        They cannot be counted.
    """

    counted = Signal(object)
    refused = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._runner = Runner(self)
        self._run, self._counted = 0, -1
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_WAIT_MS)
        self._waiting.timeout.connect(self._start)
        self._runner.replied.connect(self._on_replied)

    def follow(self, layer: Labels | None) -> None:
        """Count another layer from now on, at once; None for none."""
        if self._layer is not None:
            for name in _EVENTS:
                getattr(self._layer.events, name).disconnect(self._on_changed)
        self._waiting.stop()
        self._runner.stop()
        self._run += 1
        self._layer = layer
        if layer is not None:
            for name in _EVENTS:
                getattr(layer.events, name).connect(self._on_changed)
            self._start()

    def _on_changed(self, _: Event) -> None:
        scene = None if self._layer is None else scene_behind(self._layer.data)
        if scene is None or scene.version != self._counted:  # else another part is shown
            self._run += 1  # what is being counted is of before
            self._waiting.start()

    def _start(self) -> None:
        if self._layer is None:
            return
        scene = scene_behind(self._layer.data)
        self._counted = -1 if scene is None else scene.version
        self._run += 1
        steps = count_steps(self._layer.data) if scene is None else scene.count_steps()
        self._runner.start(steps, self._run)

    def _on_replied(self, reply: Reply[Any]) -> None:
        if reply.generation != self._run:
            return
        if isinstance(reply.outcome, FirstPassError):
            self.refused.emit(reply.outcome)
        else:
            self.counted.emit(reply.outcome)
