"""Steps of labels whose pixels somebody replaced: taken back, they would change others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_firstpass.widgets.label_history import labels_behind
from napari_firstpass.widgets.session import Message

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer


class StaleSteps(QObject):
    """Lets layers forget their steps when their pixels are replaced, as by a script.

    napari keeps them, and with Ctrl+Z it would write old labels into the new ones.

    Signals
    -------
    said : Message
        Something for the status line.

    Parameters
    ----------
    viewer : Viewer
        Holds the layers.
    """

    said = Signal(object)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._pixels: dict[Any, Any] = {}
        events = viewer.layers.events
        events.inserted.connect(self._on_inserted)
        events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._watch(layer)

    def let_go(self) -> None:
        """Hold nothing of the viewer any more."""
        events = self._viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)
        for layer in self._viewer.layers:
            self._forget(layer)

    def _on_inserted(self, event: Event) -> None:
        self._watch(event.value)

    def _on_removed(self, event: Event) -> None:
        self._forget(event.value)

    def _watch(self, layer: Layer) -> None:
        if isinstance(layer, Labels) and not layer.multiscale:
            self._pixels[layer.unique_id] = labels_behind(layer)
            layer.events.data.connect(self._on_data)

    def _forget(self, layer: Layer) -> None:
        if self._pixels.pop(layer.unique_id, None) is not None:
            layer.events.data.disconnect(self._on_data)

    def _on_data(self, event: Event) -> None:
        layer = event.source
        before, now = self._pixels[layer.unique_id], labels_behind(layer)
        self._pixels[layer.unique_id] = now
        # Of other pixels with the same labels, as in another type, the steps are still right.
        if now is before or _are_alike(before, now) or not layer.editable:
            return
        mode = layer.mode
        layer.editable = False  # which makes napari forget
        layer.editable = True
        layer.mode = mode
        text = f"“{layer.name}” has other pixels now: what was done before cannot be undone."
        self.said.emit(Message(text))


def _are_alike(before: object, now: object) -> bool:
    if not (isinstance(before, np.ndarray) and isinstance(now, np.ndarray)):
        return False
    return np.array_equal(before, now)
