"""A part of the dock that may be taller than the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QFrame, QScrollArea, QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

_LEAST = 160
"""Pixels that stay in sight, however low the window is."""


class TallPart(QScrollArea):
    """Shows a widget whole where there is room, and lets it be scrolled where there is none.

    Without it, a window grows beyond the screen as folds are opened, and what is at its foot can
    no longer be reached. The wheel scrolls; it turns a list or a number only once that was chosen.
    """

    def __init__(self, inner: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._inner = inner
        self.setWidget(inner)
        for kind in (QComboBox, QAbstractSpinBox):
            for field in inner.findChildren(kind):
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                field.installEventFilter(self)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size at which nothing is hidden."""
        width = max(self.width(), self.minimumSizeHint().width())
        wanted = self._inner.sizeHint()
        # Texts that are wrapped are as high as the width makes them; the theme adds a rim.
        high = max(wanted.height(), self._inner.heightForWidth(width))
        shown = self.viewport()
        rim = 0 if shown is None else self.height() - shown.height()
        return QSize(wanted.width(), high + rim)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the width of what is inside, and a height that fits every screen."""
        least = self._inner.minimumSizeHint()
        return QSize(least.width(), min(least.height(), _LEAST))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ask for another size when folds are opened; keep the wheel from what was not chosen."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        if isinstance(event, QWheelEvent) and _is_unchosen(watched):
            self.wheelEvent(event)
            return True
        return super().eventFilter(watched, event)


def _is_unchosen(watched: QObject | None) -> bool:
    return isinstance(watched, QComboBox | QAbstractSpinBox) and not watched.hasFocus()
