"""Keys of the window that press buttons of the dock while these are in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QObject

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QPushButton


class ButtonKeys(QObject):
    """Presses a button when its key is pressed on the image, whichever layer is active.

    Labels layers have keys of their own, which come before those of the viewer: they are told, too.

    Parameters
    ----------
    viewer : Viewer
        Gets the key.
    key : str
        The key.
    button : QPushButton
        What it presses.
    """

    def __init__(
        self, viewer: Viewer, key: str, button: QPushButton, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer, self._key, self._button = viewer, key, button
        self._bound = False

    def follow(self, in_sight: bool) -> None:
        """Bind the key, or leave it to napari again."""
        if in_sight == self._bound:
            return
        self._bound = in_sight
        inserted = self._viewer.layers.events.inserted
        if in_sight:
            inserted.connect(self._on_inserted)
        else:
            inserted.disconnect(self._on_inserted)
        self._bind(self._viewer)
        for layer in self._viewer.layers:
            self._bind_labels(layer)

    def _on_inserted(self, event: Event) -> None:
        self._bind_labels(event.value)

    def _bind_labels(self, layer: Layer) -> None:
        if isinstance(layer, Labels):
            self._bind(layer)

    def _bind(self, to: Viewer | Labels) -> None:
        to.bind_key(self._key, self._press if self._bound else None, overwrite=True)

    def _press(self, _: Viewer | Labels) -> None:
        if self._button.isVisible() and self._button.isEnabled():
            self._button.click()
