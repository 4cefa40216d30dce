"""A list to choose from that leaves the dock as narrow as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent
    from qtpy.QtWidgets import QWidget


class NarrowBox(QComboBox):
    """A list whose longest text asks for no room; one that does not fit ends in "…"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)

    @property
    def shown_text(self) -> str:
        """What the closed list shows, at its present width."""
        return self._option().currentText or ""

    def paintEvent(self, _: QPaintEvent | None) -> None:  # noqa: N802 - Qt's name
        """Draw the closed list; Qt itself cuts off its text without a sign."""
        painter, option = QStylePainter(self), self._option()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        # Whoever looks at the stack of this thread keeps the painter: one that outlives the event
        # takes Qt down.
        painter.end()

    def _option(self) -> QStyleOptionComboBox:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        kind, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        if (style := self.style()) is not None:
            room = style.subControlRect(kind, option, part, self).width()
            whole, right = option.currentText, Qt.TextElideMode.ElideRight
            option.currentText = self.fontMetrics().elidedText(whole, right, room)
        return option
