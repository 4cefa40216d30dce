"""A small bar that offers earlier work; nothing waits for an answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_firstpass.widgets.choice_box import shortened

if TYPE_CHECKING:
    from napari_firstpass.widgets.project_runs import Offer


class WorkBar(QWidget):
    """One sentence and two buttons; hidden while there is nothing to offer.

    Attributes
    ----------
    open, leave : QPushButton
        The answers.

    Signals
    -------
    wanted, declined : Offer
        What was answered.
    """

    wanted = Signal(object)
    declined = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offer: Offer | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open, self.leave = QPushButton("Open it"), QPushButton("Not now")
        self.open.setToolTip("Shows the labels of that time, with the image, and goes on there.")
        self.leave.setToolTip("Leaves it as it is, on the disk.")
        answers = QHBoxLayout()
        answers.addWidget(self.open)
        answers.addWidget(self.leave)
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 0, 9, 6)
        column.addWidget(self.text)
        column.addLayout(answers)
        self.open.clicked.connect(lambda: self._answer(self.wanted))
        self.leave.clicked.connect(lambda: self._answer(self.declined))
        self.hide()

    def show_offer(self, offer: Offer | None) -> None:
        """Offer something, or nothing any more."""
        self.offer = offer
        self.setVisible(offer is not None)
        if offer is None:
            return
        when = datetime.fromtimestamp(offer.saved).strftime("%d %b, %H:%M")
        end = ": napari ended without closing it" if offer.was_left else ""
        name = shortened(offer.image.name)
        self.text.setText(f"Work on “{name}” of {when} is kept{end}.")
        self.text.setToolTip(str(offer.folder))

    def _answer(self, signal: object) -> None:
        offer = self.offer
        self.show_offer(None)
        if offer is not None:
            signal.emit(offer)  # type: ignore[attr-defined]
