"""Keys of the window that mean something to the dock, whichever layer is active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QMainWindow,
    QScrollArea,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QToolButton, QWidget

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
        try:
            yield
        finally:  # its release may go to another window: then napari drops this when it comes again
            for layer in hidden:
                if layer in layers:
                    layer.visible = True


class FoldKey(QObject):
    """Unfolds a section and goes to its first control; where that has the focus, folds it.

    However it is unfolded, it is scrolled to where there is no room for all that is open.

    Parameters
    ----------
    key : str
        The key, which is told in the tooltip.
    fold : QToolButton
        Unfolds the section.
    part : QWidget
        The section.
    """

    def __init__(self, key: str, fold: QToolButton, part: QWidget) -> None:
        super().__init__(fold)
        self._fold, self._part = fold, part
        fold.setToolTip(f"{fold.toolTip()} Key: {key}")
        self._key = QShortcut(QKeySequence(key), fold)
        self._key.setAutoRepeat(False)
        self._key.activated.connect(self._on_pressed)
        fold.toggled.connect(lambda _: QTimer.singleShot(0, self._scroll_there))

    def _scroll_there(self) -> None:
        """Bring the section into sight, its first control at least."""
        area = self._part.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None and self._part.isVisible():
            for wanted in (self._part, self._first()):
                area.ensureWidgetVisible(wanted, 0, 0)

    def _on_pressed(self) -> None:
        focus = QApplication.focusWidget()
        inside = focus is not None and self._part.isAncestorOf(focus)
        if inside or not self._fold.isChecked():
            self._fold.click()
        self._first().setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._scroll_there()

    def _first(self) -> QWidget:
        """Return the first control of the section that can be used, else what unfolds it."""
        found = self._fold.nextInFocusChain()
        while found is not None and found is not self._fold:
            reached = found.focusPolicy() & Qt.FocusPolicy.TabFocus
            in_sight = found.isEnabled() and found.isVisible()
            if reached and in_sight and self._part.isAncestorOf(found):
                return found
            found = found.nextInFocusChain()
        return self._fold


def look_at_image(panel: QWidget) -> None:
    """Give the image the focus that a button or list of the panel has: those take arrows, too."""
    focus, main = QApplication.focusWidget(), panel.window()
    middle = main.centralWidget() if isinstance(main, QMainWindow) else None
    chosen = isinstance(focus, QAbstractButton | QComboBox) and panel.isAncestorOf(focus)
    if middle is not None and chosen:
        middle.setFocus()


class PassedKeys(QObject):
    """Hands the letters of the desk, and the digits of classes, on to the window.

    What was chosen keeps the focus: a list would look for an item of that letter.

    Parameters
    ----------
    panel : QWidget
        Its lists and numbers no longer take these keys.
    letters : collection of str
        The letters.
    """

    def __init__(self, panel: QWidget, letters: Collection[str]) -> None:
        super().__init__(panel)
        self._letters, self._digits = set(letters), {str(number) for number in CLASS_KEYS}
        for kind in (QComboBox, QAbstractSpinBox):
            for field in panel.findChildren(kind):
                field.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Leave a key to whoever holds the list or number."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
            is_typed = isinstance(watched, QAbstractSpinBox)
            passed = self._letters if is_typed else self._letters | self._digits
            if plain and event.text().upper() in passed:
                event.ignore()
                return True
        return super().eventFilter(watched, event)


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
        self._key.setAutoRepeat(False)  # held, it would discard what is shown, and cancel then
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
