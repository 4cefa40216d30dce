"""The list of runs that wait for their turn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.widgets.run_queue import Job

REMOVE = "Takes this run out of the queue; nothing is changed."


class QueueBox(QWidget):
    """A row for each run that waits, with a button that takes it out; hidden while there is none.

    Attributes
    ----------
    buttons : list of QToolButton
        The buttons, the next run's first.

    Signals
    -------
    removed : Job
        A run is to be taken out.
    """

    removed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(9, 0, 9, 6)
        self._grid.setVerticalSpacing(0)
        self._grid.setColumnStretch(0, 1)
        self._shown: tuple[Job, ...] = ()
        self._texts: list[QLabel] = []
        self.buttons: list[QToolButton] = []
        self.hide()

    @property
    def lines(self) -> list[str]:
        """What is written in the rows."""
        return [text.text() for text in self._texts]

    def show_waiting(self, jobs: Sequence[Job]) -> None:
        """Show what waits, the next first."""
        if tuple(jobs) == self._shown:
            return
        self._shown = tuple(jobs)
        for widget in (*self._texts, *self.buttons):
            self._grid.removeWidget(widget)
            widget.deleteLater()
        self._texts, self.buttons = [], []
        for row, job in enumerate(self._shown):
            text, button = QLabel(f"{row + 1}. {job.name}"), QToolButton()
            text.setWordWrap(True)
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            text.setToolTip("Begins once what was asked for before is done.")
            button.setText("✕")
            button.setAutoRaise(True)
            button.setToolTip(REMOVE)
            button.setAccessibleName(f"Remove {job.name}")
            button.clicked.connect(partial(self._remove, job))
            self._grid.addWidget(text, row, 0)
            self._grid.addWidget(button, row, 1)
            self._texts.append(text)
            self.buttons.append(button)
        self.setVisible(bool(self._shown))

    def _remove(self, job: Job, _: bool = False) -> None:
        self.removed.emit(job)
