"""Keys of the window that mean something to the dock, whichever layer is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractItemView, QApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QAbstractButton, QWidget

CANCEL_KEY = "Esc"

CLASS_KEYS = range(1, 10)
"""Digits that choose the class of that number."""


class DeskKey(QObject):
    """Calls something when a key is pressed on the image.

    Labels layers have keys of their own, which come before those of the viewer: they are told, too.

    Parameters
    ----------
    viewer : Viewer
        Gets the key.
    key : str
        The key.
    call : callable
        Is given what napari hands on. A generator goes on once the key is released.
    """

    def __init__(
        self,
        viewer: Viewer,
        key: str,
        call: Callable[[Any], object],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._key, self._call = viewer, key, call
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
        to.bind_key(self._key, self._call if self._bound else None, overwrite=True)


class ButtonKeys(DeskKey):
    """Presses a button while it is in sight.

    Parameters
    ----------
    viewer : Viewer
        Gets the key.
    key : str
        The key.
    button : QAbstractButton
        What it presses.
    """

    def __init__(
        self, viewer: Viewer, key: str, button: QAbstractButton, parent: QObject | None = None
    ) -> None:
        super().__init__(viewer, key, self._press, parent)
        self._button = button

    def _press(self, _: Viewer | Labels) -> None:
        if self._button.isVisible() and self._button.isEnabled():
            self._button.click()


class HideKey(DeskKey):
    """Hides all labels while it is held, so that the image is seen.

    Parameters
    ----------
    viewer : Viewer
        Gets the key.
    key : str
        The key.
    """

    def __init__(self, viewer: Viewer, key: str, parent: QObject | None = None) -> None:
        super().__init__(viewer, key, self._hold, parent)

    def _hold(self, _: Viewer | Labels) -> Iterator[None]:
        layers = self._viewer.layers
        hidden = [layer for layer in layers if isinstance(layer, Labels) and layer.visible]
        for layer in hidden:
            layer.visible = False
        yield
        for layer in hidden:
            if layer in layers:
                layer.visible = True


class CancelKey(QObject):
    """Esc, while something runs: whoever shows something to be discarded gets it before the run.

    While nothing runs, the key is napari's, and that of the layer which is active.

    Parameters
    ----------
    panel : QWidget
        The key counts in its window.
    takers : sequence of callables
        Each returns whether the key was meant for it.
    cancel : callable
        Cancels the run.
    """

    def __init__(
        self, panel: QWidget, takers: tuple[Callable[[], bool], ...], cancel: Callable[[], None]
    ) -> None:
        super().__init__(panel)
        self._takers, self._cancel = takers, cancel
        self._key = QShortcut(QKeySequence(CANCEL_KEY), panel)
        self._key.activated.connect(self._on_pressed)
        self.follow(running=False)

    def follow(self, *, running: bool) -> None:
        """Take the key while something runs."""
        self._key.setEnabled(running)

    def _on_pressed(self) -> None:
        typed = QApplication.focusWidget()
        if typed is not None and _is_name(typed):  # that is taken back as it was
            kind, none = QEvent.Type.KeyPress, Qt.KeyboardModifier.NoModifier
            QApplication.sendEvent(typed, QKeyEvent(kind, Qt.Key.Key_Escape, none))
        elif not any(take() for take in self._takers):
            self._cancel()


def _is_name(field: QWidget) -> bool:
    """Tell whether a name is being typed in a list."""
    around = field.parentWidget()
    return around is not None and isinstance(around.parentWidget(), QAbstractItemView)
