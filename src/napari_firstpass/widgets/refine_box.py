"""The part of the dock for refining labels that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget

from napari_firstpass.refiners import REFINERS
from napari_firstpass.widgets.note import note
from napari_firstpass.widgets.session import capitalised

if TYPE_CHECKING:
    from collections.abc import Sequence

REFINE = "Refine labels"

TIPS = {
    "method": "How borders are moved to where the image has them.",
    "only": "Changes the labels inside a rectangle, and nothing outside. Draw one on the image; "
    "the last one counts, or the one that is selected.",
    "run": "Moves the borders of “{name}” to where the image has them. Ctrl+Z takes it back in one "
    "step.",
    "none": "There are no labels yet: run, or select a labels layer.",
}


class RefineBox(QWidget):
    """A method, where to use it, and a button.

    Attributes
    ----------
    method : QComboBox
        Its items hold the refiner's name as their data.
    only : QCheckBox
        Whether only a drawn rectangle is refined.
    run : QPushButton
        Begins.

    Signals
    -------
    wanted
        Labels are to be refined.
    rectangle_wanted
        The user chose to refine a rectangle.
    """

    wanted = Signal()
    rectangle_wanted = Signal()

    def __init__(
        self, names: Sequence[str] = REFINERS.names, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.method, self.about = QComboBox(), note(lines=2)
        self.only, self.run = QCheckBox("Only in a rectangle"), QPushButton(REFINE)
        for name in names:
            self.method.addItem(name, name)
        self.method.setToolTip(TIPS["method"])
        self.only.setToolTip(TIPS["only"])
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Refine with"), 0, 0)
        grid.addWidget(self.method, 0, 1)
        for row, widget in enumerate((self.about, self.only, self.run), start=1):
            grid.addWidget(widget, row, 0, 1, 2)
        self.method.currentIndexChanged.connect(self._show_about)
        self.only.toggled.connect(self._on_only)
        self.run.clicked.connect(lambda: self.wanted.emit())
        self._show_about()
        self.show_labels(None, None)

    @property
    def refiner(self) -> str:
        """Name of the chosen method."""
        return str(self.method.currentData())

    def show_labels(self, name: str | None, obstacle: str | None) -> None:
        """Say which labels would be refined, or why none can be."""
        obstacle = obstacle or (TIPS["none"] if name is None else None)
        self.run.setEnabled(obstacle is None)
        self.run.setToolTip(obstacle or TIPS["run"].format(name=name))

    def _show_about(self) -> None:
        self.about.setText(capitalised(REFINERS.summary(self.refiner)))

    def _on_only(self, only: bool) -> None:
        if only:
            self.rectangle_wanted.emit()
